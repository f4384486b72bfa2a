"""What a gradient check has seen, and how it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

Outcome = Literal["right", "wrong", "cannot tell"]


@dataclass(frozen=True)
class Entry:
    """One comparison: a cotangent (or its sum along a direction) against the derivative."""

    leaf: str
    index: tuple[int, ...] | None  # None: along a direction
    got: float
    left: float
    right: float
    allowed: float
    at_kink: bool = False
    doubt: str = ""
    other: bool = False

    def but(self, **changes: Any) -> Entry:
        """Return this entry with `changes`."""
        return replace(self, **changes)

    @property
    def badness(self) -> float:
        """The error in units of the allowed one; infinite where a value is NaN."""
        if math.isnan(self.error):
            return math.inf
        if self.error == 0:
            return 0.0
        return self.error / self.allowed if self.allowed else math.inf

    @property
    def error(self) -> float:
        """How far `got` lies outside [left, right]; NaN where anything is NaN."""
        low, high = min(self.left, self.right), max(self.left, self.right)
        if math.isnan(self.got + self.left + self.right):
            return math.nan
        return max(0.0, low - self.got, self.got - high)

    @property
    def relative(self) -> float:
        """`error` over the larger magnitude of the two."""
        size = max(abs(self.left), abs(self.right), abs(self.got))
        return self.error / size if size else 0.0

    @property
    def ok(self) -> bool:
        """Whether the error is within the allowed one."""
        return self.error <= self.allowed

    def __str__(self) -> str:
        """Say which entry, what came and what was expected."""
        place = "along a random direction" if self.index is None else str(list(self.index))
        want = f"{self.left:.10g}"
        if abs(self.left - self.right) > self.allowed:
            want = f"between {self.left:.10g} (left) and {self.right:.10g} (right)"
        return (
            f"d{self.leaf}{'' if self.index is not None else ' '}{place}: the pullback gives "
            f"{self.got:.10g}, the derivative is {want}; off by {self.error:.3g} "
            f"({self.relative:.3g} relative), allowed {self.allowed:.3g}"
        )


@dataclass(frozen=True)
class LeafCheck:
    """What was seen of one leaf: how it was looked at, the worst entry, what would be caught."""

    leaf: str
    size: int
    how: str
    worst: Entry
    caught: float
    scale: float
    quiet: float


@dataclass(frozen=True)
class GradReport:
    """The outcome of `check_vjp`, with its evidence.

    Attributes
    ----------
    outcome : "right", "wrong" or "cannot tell"
    code : a short stable word for scripts: right, mismatch, nan, count, structure, shape, dtype,
        impure, stale, writes, kink, nonfinite, resolution
    reason : one sentence
    leaves : what was seen of each leaf
    reference : where the derivative came from
    ties : the rule that is followed at tied maxima, or None where there is no tie
    switch : which elements switch, and how near, or None
    smallest_caught : per leaf, the smallest error in one entry that this run would have caught
    """

    outcome: Outcome
    code: str
    reason: str
    seed: int
    reference: str = ""
    leaves: tuple[LeafCheck, ...] = ()
    ties: str | None = None
    switch: str | None = None
    snippet: str = ""

    @property
    def smallest_caught(self) -> dict[str, float]:
        """By leaf name, the smallest error of one entry that would not have passed."""
        return {seen.leaf: seen.caught for seen in self.leaves}

    @property
    def worst(self) -> Entry | None:
        """The entry furthest off in units of what is allowed."""
        entries = [seen.worst for seen in self.leaves]
        return max(entries, key=lambda entry: entry.badness, default=None)

    def __str__(self) -> str:
        """Render as text for a terminal, the outcome first."""
        lines = [f"{self.outcome}: {self.reason}"]
        if self.leaves:
            width = max(len(seen.leaf) for seen in self.leaves) + 1
            lines += ["", f"{'':{width}}  {'checked':24} {'worst / allowed':>15}  smallest caught"]
            for seen in self.leaves:
                caught = f"{seen.caught:.1e}"
                if seen.scale > 0:
                    caught += f" ({seen.caught / seen.scale:.1e} of the largest)"
                how = f"{seen.how} of {seen.size}" if seen.size else "empty"
                worst = f"{seen.worst.badness:.2g}"
                lines.append(f"{'d' + seen.leaf:{width}}  {how:24} {worst:>15}  {caught}")
        for title, text in (("ties", self.ties), ("switch", self.switch)):
            if text:
                lines.append(f"{title}: {text}")
        lines.append(f"reference: {self.reference or 'none was needed'}; seed {self.seed}")
        if self.snippet and self.outcome != "right":
            lines += ["", "To see it again:", *("    " + line for line in self.snippet.split("\n"))]
        return "\n".join(lines)


class GradientError(AssertionError):
    """A pullback is not shown right; `report` has the evidence."""

    def __init__(self, report: GradReport) -> None:
        """Keep the report; its text is the message."""
        super().__init__(str(report))
        self.report = report


class WrongGradientError(GradientError):
    """The pullback is wrong."""


class CannotTellError(GradientError):
    """At this point no statement can be made; the report says why."""
