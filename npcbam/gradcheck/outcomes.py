"""What ends a check early: its outcome is known."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["right", "wrong", "cannot tell"]


class Stop(Exception):  # noqa: N818
    """Ends a check early: the outcome is known."""

    def __init__(self, outcome: Outcome, code: str, reason: str, evidence: str = "") -> None:
        """Keep what the report will say: the reason, and what shows it or what to do."""
        super().__init__(reason)
        self.outcome: Outcome = outcome
        self.code = code
        self.reason = reason
        self.evidence = evidence
