"""The derivative of every result by single entries: columns of the Jacobian, in few moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck import structure
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.layout import Leaf
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
    falls : whether the left slopes are the higher ones, all in all
    scale : Σ |dy ∂y/∂x|
    error : how far rounding and extrapolation may take the sum
    jumps : whether a result jumps
    """

    low: Array
    high: Array
    falls: Array
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
        used = dy != 0  # what has no weight need not be known
        smooth = self.slopes.left is self.slopes.right
        left, error = (
            np.where(used, dy * part, 0.0) for part in (self.slopes.left, self.slopes.error)
        )
        right = left if smooth else np.where(used, dy * self.slopes.right, 0.0)
        size = np.maximum(np.abs(left), np.abs(right)) if not smooth else np.abs(left)
        # Errors of many results do not all add up; cotangents of random signs see to that.
        together = np.minimum(self._add(np.abs(error)), 3 * np.sqrt(self._add(np.square(error))))
        some = self.slopes.jumps.any()
        jumps = self._add((self.slopes.jumps & used).astype(float)) > 0 if some else False
        low = self._add(left if smooth else np.minimum(left, right))
        high = low if smooth else self._add(np.maximum(left, right))
        falls = False if smooth else self._add(left) > self._add(right)
        falls, jumps = (np.broadcast_to(flag, low.shape) for flag in (falls, jumps))
        return Sums(low, high, falls, self._add(size), together, jumps)

    def _add(self, parts: Array) -> Array:
        """Add up what belongs to each entry."""
        if self.alone:
            return np.array([parts.sum()])
        at = self.local >= 0
        if parts.dtype == np.longdouble:  # which bincount refuses
            found = np.zeros(self.entries.size, parts.dtype)
            np.add.at(found, self.local[at], parts[at])
            return found
        return np.bincount(self.local[at], parts[at], minlength=self.entries.size)

    @property
    def alone(self) -> bool:
        """Whether all results belong to one entry."""
        return self.entries.size == 1 and not self.local.any()

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

    def apart(self, i: int) -> structure.Structure | None:
        """Return the structure of leaf i, None where it has none that helps."""
        if i not in self._found:
            leaf = self._layout.leaves[i]
            worth = leaf.size > WORTH and not self._directions.bound(i)
            self._found[i] = (
                structure.find(self._mover(leaf), leaf.part.start, leaf.value.shape, MOST_GROUPS)
                if worth
                else None
            )
        return self._found[i]

    def known(self, i: int) -> structure.Structure | None:
        """Return the structure of leaf i, if it was looked for and found."""
        return self._found.get(i)

    def _mover(self, leaf: Leaf) -> Callable[[Array], Array]:
        """Return what tells which results move with some entries, up or down.

        Each entry moves by the same in every probe, so that it has the same kinks in its way.
        """
        forward = self._reference.forward
        whole = structure.MOVE * self._directions.along(leaf.part)

        def moves(entries: Array) -> Array:
            v = np.zeros_like(whole)
            v[entries] = whole[entries]
            ahead, behind = forward.moved(v), forward.moved(-v)
            return np.asarray((ahead != forward.y) | (behind != forward.y))

        return moves

    def moves(
        self, i: int, entries: Array, both: bool = False, second: bool = False
    ) -> Iterator[Move]:
        """Yield moves that give the columns of some entries of leaf i.

        `both` asks for both sides, `second` for the second reference.
        """
        found, leaf = self.apart(i), self._layout.leaves[i]
        size = self._reference.forward.y.size
        groups = [np.array([e]) for e in entries] if found is None else found.groups
        for group in groups:
            all_ = found is None or entries.size == leaf.size
            wanted = group if all_ else np.intersect1d(group, entries)
            if not wanted.size:
                continue
            v = self._directions.one(wanted)
            local = np.zeros(size, int) if found is None else found.local(leaf.part.start, wanted)
            exact = self._reference.exact[i]
            if second:
                v, slopes = self._reference.second_along(v, exact)
            else:
                v, slopes = self._reference.along(v, exact, both)
            yield Move(wanted, v, local, slopes)
