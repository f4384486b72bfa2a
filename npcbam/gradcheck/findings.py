"""What a gradient check compares and finds: one comparison, one leaf, one thing that is wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from npcbam.arguments import Array


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
    cotangent: str = ""  # which dy, where it is not the first
    value: float = math.nan  # of the argument there

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

    @property
    def severity(self) -> str:
        """How far the two agree: "unrelated", or to so many digits."""
        if not 0 < self.relative < 0.05:
            return "unrelated" if self.relative else ""
        digits = math.floor(-math.log10(self.relative) + 0.3)
        return f"{digits} digit{'s' * (digits != 1)}"

    def __str__(self) -> str:
        """Say which entry, what came and what was expected."""
        place = "along a random direction" if self.index is None else str(list(self.index))
        want = f"{self.left:.10g}"
        if abs(self.left - self.right) > self.allowed:
            want = f"between {self.left:.10g} (left) and {self.right:.10g} (right)"
        said = (
            f"d{self.leaf}{'' if self.index is not None else ' '}{place}: the pullback gives "
            f"{self.got:.10g}, the derivative is {want}"
        )
        if not math.isfinite(self.error):
            return said
        off = f"off by {self.error:.3g} ({self.relative:.3g} relative)"
        return f"{said}; {off}, allowed {self.allowed:.3g}"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    code : as that of a report
    leaf : the name of the argument whose cotangent it is about, or ""
    sentence : what is wrong
    kind : the code of `npcbam.diagnosis`, where the wrong array is like a known mistake
    severity : "unrelated", or how many digits agree
    evidence : what shows it, such as the entry that is furthest off
    """

    code: str
    leaf: str
    sentence: str
    kind: str = ""
    severity: str = ""
    evidence: str = ""


@dataclass(frozen=True, eq=False)
class LeafCheck:
    """What was seen of one leaf.

    Attributes
    ----------
    leaf, shape, size : its name and how large it is
    how : how it was looked at
    worst : the comparison that is furthest off
    caught : the smallest error in one entry that would not have passed
    scale : the largest magnitude of the derivative
    wrong, looked : of so many entries that were looked at singly, so many are wrong
    got, want : the cotangent and the derivative, NaN where it is not known, of a leaf that is wrong
    """

    leaf: str
    shape: tuple[int, ...]
    size: int
    how: str
    worst: Entry
    caught: float
    scale: float
    wrong: int = 0
    looked: int = 0
    got: Array | None = None
    want: Array | None = None

    @property
    def off(self) -> bool:
        """Whether anything here is wrong."""
        return self.wrong > 0 or not (self.worst.ok or self.worst.doubt)

    @property
    def count(self) -> str:
        """How many entries are wrong of those that were looked at singly."""
        if self.looked and (self.wrong or not self.off):
            return f"{self.wrong} of {self.looked}"
        return "along a direction" if self.off else "0"
