"""The derivative of every result by single entries: columns of the Jacobian, as few moves as can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from npcbam.checks import Array
from npcbam.gradcheck import structure
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.reference import Reference
from npcbam.slopes import Slopes

MOST_GROUPS = 64  # a structure that takes more moves than these helps little
WORTH = 64  # entries; of fewer the structure is not looked for


@dataclass(frozen=True, eq=False)
class Sums:
    """Of some entries, what they should have for one cotangent, for a move by their unit.

    Attributes
    ----------
    low, high : Σ dy ∂y/∂x, from the lower of left and right slopes and from the higher
    scale : Σ |dy ∂y/∂x|
    error : how far rounding and extrapolation may take the sum
    jumps : whether a result jumps
    """

    low: Array
    high: Array
    scale: Array
    error: Array
    jumps: Array


@dataclass(frozen=True, eq=False)
class Move:
    """Entries that were moved together, and the slopes of all results.

    Attributes
    ----------
    entries : (k,) of the vector of all arguments
    v : (n,) the direction
    local : (m,) which of the entries each result belongs to, -1 for none
    slopes : (m,) along v
    """

    entries: Array
    v: Array
    local: Array
    slopes: Slopes

    def sums(self, dy: Array) -> Sums:
        """Weigh the results by a cotangent."""
        at = np.flatnonzero(self.local >= 0)
        left, right = self.slopes.left[at] * dy[at], self.slopes.right[at] * dy[at]
        error = np.abs(dy[at]) * self.slopes.error[at]
        used = dy[at] != 0  # what has no weight need not be known
        left, right, error = (np.where(used, part, 0.0) for part in (left, right, error))
        size = np.maximum(np.abs(left), np.abs(right))

        def add(parts: Array) -> Array:
            # Sums in long double would be exact to no purpose.
            narrow = parts.astype(np.float64)
            return np.bincount(self.local[at], narrow, minlength=self.entries.size)

        # Errors of many results do not all add up; cotangents of random signs see to that.
        together = np.minimum(add(error), 3 * np.sqrt(add(np.square(error))))
        jumps = add((self.slopes.jumps[at] & used).astype(float)) > 0
        low, high = add(np.minimum(left, right)), add(np.maximum(left, right))
        return Sums(low, high, add(size), together, jumps)

    def columns(self) -> Array:
        """Return (m, k) the middle slopes by each entry, for a move by v."""
        found = np.zeros((self.local.size, self.entries.size))
        at = np.flatnonzero(self.local >= 0)
        found[at, self.local[at]] = self.slopes.middle[at]
        return found


class Columns:
    """Moves entries one by one, or together where they never meet in one result."""

    def __init__(self, reference: Reference, directions: Directions) -> None:
        """Take slopes by a reference."""
        self._reference, self._directions = reference, directions
        self._layout = reference.forward.layout
        self._found: dict[int, structure.Structure | None] = {}

    def structure(self, i: int) -> structure.Structure | None:
        """Return the structure of leaf i, None where it has none that helps."""
        if i not in self._found:
            leaf = self._layout.leaves[i]
            worth = leaf.size > WORTH and not self._directions.bound(i)
            self._found[i] = (
                structure.find(self._moves, leaf.part.start, leaf.value.shape, MOST_GROUPS)
                if worth
                else None
            )
        return self._found[i]

    def known(self, i: int) -> structure.Structure | None:
        """Return the structure of leaf i if it was looked for and found."""
        return self._found.get(i)

    def _moves(self, entries: Array) -> Array:
        """Tell which results move with some entries, up or down."""
        forward = self._reference.forward
        v = structure.MOVE * self._directions.along(entries)
        ahead, behind = forward.moved(v), forward.moved(-v)
        return np.asarray((ahead != forward.y) | (behind != forward.y))

    def moves(
        self, i: int, entries: Array, both: bool = False, second: bool = False
    ) -> Iterator[Move]:
        """Yield moves that give the columns of some entries of leaf i.

        `both` asks for both sides, `second` for the second reference.
        """
        found = self.structure(i)
        size = self._reference.forward.y.size
        groups = [np.array([e]) for e in entries] if found is None else found.groups
        for group in groups:
            wanted = group if found is None else np.intersect1d(group, entries)
            if not wanted.size:
                continue
            v = self._directions.one(wanted)
            start = self._layout.leaves[i].part.start
            local = np.zeros(size, int) if found is None else found.local(start, wanted)
            exact = self._reference.exact[i]
            if second:
                v, slopes = self._reference.second_along(v, exact)
            else:
                v, slopes = self._reference.along(v, exact, both)
            yield Move(wanted, v, local, slopes)
