"""What a pullback gave, ready to be compared: with what rounding may make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.columns import Move
from npcbam.gradcheck.cotangents import Cotangent
from npcbam.gradcheck.findings import Entry
from npcbam.gradcheck.formats import tiny_of
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.reading import Reading
from npcbam.slopes import Slopes

# The allowed error is derived from the run itself. Each term is a rounding of the precision that f
# ran in, with the allowance that sums of many terms need:
SUM = 4  # of the terms |dy ∂y/∂x| that add up to the entry,
NOISE = 16  # of what the pullback's result moves by when its arguments move by some roundings,
FLOOR = 4  # and of the largest |dy y|, below which y itself cannot tell.
SMALL = 1e-4  # A leaf whose derivatives are all near that floor is asked about in another way.


@dataclass(frozen=True, eq=False)
class Compared:
    """What a comparison gave.

    Attributes
    ----------
    off : (k,) which of the entries are off, for any cotangent
    allowed : (k,) the errors allowed for the first cotangent, for a move by v
    worst : the worst comparison of each cotangent
    """

    off: Array
    allowed: Array
    worst: list[Entry]


@dataclass(eq=False)
class Numbers:
    """The pullback's side of a comparison.

    Attributes
    ----------
    forward : f in the precision in which it is compared, of `unit`
    asked, readings : cotangents, and what the pullback gave for them
    noise : (n,) how far rounding moves the entries for the first of them
    rtol : a relative tolerance that the user asks for, or 0
    """

    forward: Forward
    asked: Sequence[Cotangent]
    readings: Sequence[Reading]
    noise: Array
    unit: float
    rtol: float = 0.0

    def __post_init__(self) -> None:
        """Find the smallest number that has all its digits."""
        self.tiny = max([tiny_of(d.dtype) for d in self.forward.results.leaves], default=0.0)
        self._floors: dict[int, float] = {}

    def g(self, k: int = 0) -> Array:
        """Return what came for cotangent k."""
        return self.readings[k].g

    def drowned(self, i: int, slopes: Slopes, v: Array) -> bool:
        """Find out below which size a derivative by leaf i drowns in the rounding of y.

        A unit of the largest |dy y|, of the results that it reaches: the roundings of others are
        not its own. Return whether all of the leaf's derivatives are as small as that.
        """
        size = np.maximum(np.abs(slopes.left), np.abs(slopes.right))
        dy = np.abs(self.asked[0].dy)
        terms = np.abs(dy * self.forward.y)[size != 0]
        floor = FLOOR * self.unit * float(terms.max(initial=0))
        own = float((dy * size)[np.isfinite(size)].sum()) / (float(np.linalg.norm(v)) or 1.0)
        self._floors[i] = floor
        return 0 < own < floor / SMALL

    def lower(self, i: int) -> None:
        """Ask for the derivatives by leaf i however small they are."""
        self._floors[i] = 0.0

    def compare(self, i: int, move: Move, alone: bool) -> Compared:
        """Hold what came along a move against the slopes, for every cotangent.

        `alone` tells that each entry counts by itself; else they are one sum along move.v.
        """
        apart = alone and np.count_nonzero(move.v) <= move.entries.size
        at = move.entries if apart else np.flatnonzero(move.v)
        steps, noise = move.v[at], self.noise[at]
        rounding = (NOISE * noise + self._floors[i] + self.tiny) * np.abs(steps)
        if not apart:
            rounding = np.array([np.sqrt(np.square(rounding).sum())])
        off = np.zeros(move.entries.size if alone else 1, bool)
        first: Array | None = None
        worst = []
        for k, cotangent in enumerate(self.asked):
            sums = move.sums(cotangent.dy)
            terms = (self.g(k)[at] * steps).astype(np.float64)
            got = terms if apart else np.array([terms.sum()])
            allowed = SUM * self.unit * sums.scale + rounding * cotangent.size + sums.error
            allowed = allowed + self.rtol * np.maximum(np.abs(sums.low), np.abs(sums.high))
            error = np.maximum(0.0, np.maximum(sums.low - got, got - sums.high))
            off |= np.isfinite(sums.low + sums.high) & ~(error <= allowed)
            first = allowed if first is None else first
            sides = np.where(sums.falls, (sums.high, sums.low), (sums.low, sums.high))
            values = np.stack([got, *sides, allowed])
            worst.append(self._worst(i, move, values, error, alone, cotangent.name))
        return Compared(off, first if first is not None else np.zeros(off.size), worst)

    def gap(self, move: Move, k: int) -> float:
        """Return how far what came for cotangent k is from the slope along a move."""
        at = np.flatnonzero(move.v)
        gap = (self.g(k)[at] * move.v[at]).sum() - (self.asked[k].dy * move.slopes.right).sum()
        return abs(float(gap)) / self.asked[k].size

    def _worst(
        self, i: int, move: Move, values: Array, error: Array, alone: bool, name: str
    ) -> Entry:
        """Return the comparison that is furthest off in units of what is allowed."""
        with np.errstate(all="ignore"):
            badness = np.where(error == 0, 0.0, error / values[3])
        at = int(np.where(np.isnan(badness), np.inf, badness).argmax())
        got, left, right, allowed = (float(value) for value in values[:, at])
        scale = abs(float(move.v[move.entries[at]])) or 1.0 if alone else 1.0
        sign = -1.0 if alone and move.v[move.entries[at]] < 0 else 1.0
        return Entry(
            leaf=self.forward.layout.leaves[i].name,
            index=self.forward.layout.place(int(move.entries[at]))[1] if alone else None,
            got=sign * got / scale,
            left=sign * left / scale,
            right=sign * right / scale,
            allowed=allowed / scale,
            at_kink=abs(right - left) > 2 * allowed,
            cotangent=name,
            value=float(self.forward.x[move.entries[at]]) if alone else np.nan,
        )
