"""What a gradient check has seen, and how it is told."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npcbam.gradcheck.findings import Entry, Finding, LeafCheck
from npcbam.gradcheck.outcomes import Outcome
from npcbam.gradcheck.text import indented, table, told


@dataclass(frozen=True)
class GradReport:
    """The outcome of a gradient check, with its evidence.

    Attributes
    ----------
    outcome : "right", "wrong" or "cannot tell"
    code : a short stable word for scripts: right, mismatch, nan, count, structure, shape, dtype,
        exception, impure, stale, writes, layout, nonlinear, precision; and of what cannot be told
        kink, jump, nonfinite, random, resolution
    reason : one sentence
    evidence : what shows it, or what to do
    findings : all that is wrong, the gravest first
    leaves : what was seen of each leaf
    reference : where the derivative came from
    ties : the rule that is followed at tied maxima, or None where there is no tie
    switch : which elements sit on a kink, or are tied, or None
    notes : what else is worth knowing: what this point hides, and what was found out by the way
    smallest_caught : per leaf, the smallest error in one entry that this run would have caught
    """

    outcome: Outcome
    code: str
    reason: str
    seed: int
    findings: tuple[Finding, ...] = ()
    leaves: tuple[LeafCheck, ...] = field(default=(), compare=False)
    reference: str = ""
    ties: str | None = None
    switch: str | None = None
    notes: tuple[str, ...] = ()
    snippet: str = ""
    evidence: str = ""

    @property
    def smallest_caught(self) -> dict[str, float]:
        """By leaf name, the smallest error of one entry that would not have passed."""
        return {seen.leaf: seen.caught for seen in self.leaves}

    @property
    def worst(self) -> Entry | None:
        """The entry furthest off in units of what is allowed."""
        entries = [seen.worst for seen in self.leaves]
        return max(entries, key=lambda entry: entry.badness, default=None)

    @property
    def source(self) -> str:
        """Where the derivative came from, in words; nothing where none was asked for."""
        return f"reference: {self.reference}; " if self.reference else ""

    def __str__(self) -> str:
        """Render as text for a terminal, the outcome first."""
        lines = [f"{self.outcome}: {self.reason}", *indented(2, self.evidence)]
        lines += told([each for each in self.findings if each.sentence != self.reason])
        if self.leaves:
            lines += ["", *table(self.leaves)]
        for title, text in (("ties", self.ties), ("switch", self.switch)):
            if text and text not in self.reason:
                lines.append(f"{title}: {text}")
        lines += [f"note: {note}" for note in self.notes]
        lines.append(f"{self.source}seed {self.seed}")
        if self.snippet and self.outcome != "right":
            lines += ["", "To see it again:", *indented(4, self.snippet)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as what JSON has; a number that is not finite is a string."""
        first = ("outcome", "code", "reason", "evidence", "seed")
        whole = {name: getattr(self, name) for name in first}
        rest = {name: getattr(self, name) for name in ("reference", "ties", "switch", "snippet")}
        return {
            **whole,
            "findings": [vars(finding).copy() for finding in self.findings],
            "leaves": [_leaf_dict(seen) for seen in self.leaves],
            **rest,
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)


def _leaf_dict(seen: LeafCheck) -> dict[str, Any]:
    worst = vars(seen.worst) | {"error": seen.worst.error, "relative": seen.worst.relative}
    plain = {k: v for k, v in vars(seen).items() if k not in ("worst", "got", "want")}
    found: dict[str, Any] = _finite({**plain, "shape": list(seen.shape), "worst": worst})
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(child) for child in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


class GradientError(AssertionError):
    """A pullback is not shown right; `report` has the evidence."""

    def __init__(self, report: GradReport) -> None:
        """Keep the report; its text is the message."""
        super().__init__(str(report))
        self.report = report

    def __reduce__(self) -> tuple[type[GradientError], tuple[GradReport]]:
        """Survive the way from one process to another."""
        return type(self), (self.report,)


class WrongGradientError(GradientError):
    """The pullback is wrong."""


class CannotTellError(GradientError):
    """At this point no statement can be made; the report says why."""
