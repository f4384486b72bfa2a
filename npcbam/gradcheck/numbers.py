"""What a pullback gave, ready to be compared: cotangents, what came for them, and what rounding may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.checks import Array
from npcbam.gradcheck.columns import Move
from npcbam.gradcheck.cotangents import Cotangent
from npcbam.gradcheck.formats import tiny_of
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.reading import Reading
from npcbam.gradcheck.report import Entry
from npcbam.slopes import Slopes

# The allowed error is derived from the run itself. Each term is a rounding of the precision that f
# ran in, with the allowance that sums of many terms need:
SUM = 4  # of the terms |dy ∂y/∂x| that add up to the entry,
NOISE = 16  # of what the pullback's result moves by when its arguments move by some roundings,
FLOOR = 4  # and of the largest |dy y|, below which y itself cannot tell.
SMALL = 1e-2  # A leaf whose derivatives are all near that floor is asked about in another way.


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

        That is the derivative by which the range of the leaf would account for the largest |dy y|,
        of the results that it reaches: the roundings of others are not its own. Return whether all
        of the leaf's derivatives are as small as that.
        """
        size = np.maximum(np.abs(slopes.left), np.abs(slopes.right))
        dy = np.abs(self.asked[0].dy)
        terms = np.abs(dy * self.forward.y)[size != 0]
        leaf = self.forward.layout.leaves[i]
        span = max(1.0, float(np.ptp(self.forward.x[leaf.part]))) if leaf.size else 1.0
        floor = FLOOR * self.unit * float(terms.max(initial=0)) / span
        own = float((dy * size)[np.isfinite(size)].sum()) / (float(np.linalg.norm(v)) or 1.0)
        self._floors[i] = floor
        return 0 < own < floor / SMALL

    def lower(self, i: int) -> None:
        """Ask for the derivatives by leaf i however small they are."""
        self._floors[i] = 0.0

    def compare(self, i: int, move: Move, alone: bool) -> tuple[Array, Array, list[Entry]]:
        """Hold what came along a move against the slopes, for every cotangent.

        Parameters
        ----------
        alone : whether each entry counts by itself; else they are one sum along move.v

        Returns
        -------
        which of the entries are off, for any cotangent; the allowed errors for the first; and the
        worst comparison of each cotangent
        """
        worst: list[Entry] = []
        off = np.zeros(move.entries.size if alone else 1, bool)
        first = np.zeros(off.size)
        for k, cotangent in enumerate(self.asked):
            sums = move.sums(cotangent.dy)
            got = self._got(move, k, alone)
            noise = self._noise(i, move, alone) * cotangent.size
            allowed = SUM * self.unit * sums.scale + noise + sums.error
            allowed = allowed + self.rtol * np.maximum(np.abs(sums.low), np.abs(sums.high))
            low, high = sums.low, sums.high
            error = np.maximum(0.0, np.maximum(low - got, got - high))
            known = np.isfinite(low + high)
            bad = known & ~(error <= allowed)
            off |= bad
            first = allowed if not k else first
            with np.errstate(all="ignore"):
                badness = np.where(known, np.nan_to_num(error / allowed, nan=np.inf), np.inf)
            badness = np.where(error == 0, np.where(known, 0.0, np.inf), badness)
            at = int(badness.argmax())
            scale = self._scale(move, at, alone)
            place = self.forward.layout.place(int(move.entries[at]))[1] if alone else None
            kinked = bool(high[at] - low[at] > 2 * allowed[at])
            parts = (got[at], low[at], high[at], allowed[at])
            values = [float(part) / scale for part in parts]
            name = self.forward.layout.leaves[i].name
            worst.append(Entry(name, place, *values, at_kink=kinked, cotangent=cotangent.name))
        return off, first, worst

    def _scale(self, move: Move, at: int, alone: bool) -> float:
        return float(move.v[move.entries[at]]) or 1.0 if alone else 1.0

    def _got(self, move: Move, k: int, alone: bool) -> Array:
        g = self.g(k)
        if alone and np.count_nonzero(move.v) <= move.entries.size:
            return np.asarray(g[move.entries] * move.v[move.entries], np.float64)
        at = move.v != 0
        return np.array([float((g[at] * move.v[at]).sum())])

    def _noise(self, i: int, move: Move, alone: bool) -> Array:
        floor = self._floors[i] + self.tiny
        at = move.entries if alone and np.count_nonzero(move.v) <= move.entries.size else move.v != 0
        each = NOISE * self.noise[at] + floor
        steps = np.abs(move.v[at])
        if alone and at is move.entries:
            return np.asarray(each * steps)
        return np.array([np.sqrt(np.square(each * steps).sum())])
