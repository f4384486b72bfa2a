"""What an answer is told."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["right", "wrong", "unanswered"]
OPENING = {"right": "Right", "wrong": "Not yet", "unanswered": "To do"}
WIDTH = 100


@dataclass(frozen=True)
class Verdict:
    """The verdict on an answer; its text has it first.

    Attributes
    ----------
    outcome : "right", "wrong" or "unanswered"
    codes : the names of what was recognised, for programs
    reasons : the sentences, the first of which follows the verdict
    """

    outcome: Outcome
    codes: tuple[str, ...]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """Render for a notebook: the verdict and its reason, then a line for each other one."""
        first, *others = (f"{reason}." for reason in self.reasons)
        lines = [textwrap.fill(f"{OPENING[self.outcome]}: {first}", WIDTH)]
        lines += [
            textwrap.fill(other, WIDTH, initial_indent="  ", subsequent_indent="    ")
            for other in others
        ]
        return "\n".join(lines)


class Stop(Exception):  # noqa: N818
    """Ends the judging of an answer early."""

    def __init__(self, code: str, *reasons: str, outcome: Outcome = "wrong") -> None:
        """Keep the verdict."""
        super().__init__(reasons[0])
        self.verdict = Verdict(outcome, (code,), reasons)
