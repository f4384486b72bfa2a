"""Holding the cotangents against the derivative, leaf by leaf."""

from __future__ import annotations

import math

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.columns import Move
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.findings import Entry
from npcbam.gradcheck.kinks import Near
from npcbam.gradcheck.numbers import Numbers
from npcbam.gradcheck.reference import Reference
from npcbam.gradcheck.seen import Seen
from npcbam.gradcheck.singly import Singly
from npcbam.slopes import Slopes

SINGLY = 32  # leaves up to this size are checked entry by entry, where a move is one call of f;
FEW = 8  # and up to this size where it is a series of differences.
BLOCK = 32  # Larger ones along one random direction in each block of this size,
MOST_BLOCKS = 16  # in larger blocks where there were more than these,
COARSE = 1e-12  # but in small ones where the unit of rounding is larger.
SMALL_BLOCK, MORE_BLOCKS, MANY = 8, 64, 256
APART = 1e4  # entries of one block differ by no more than that in what they move
KINKED = 128  # So many entries that may sit on a kink are looked at one by one.


def _of_one_size(block: Array, sizes: Array) -> list[Array]:
    """Split a block, the largest entry first, where an entry is much smaller than the first one."""
    parts = []
    while block.size:
        near = sizes[block] * APART >= sizes[block[0]]
        parts.append(block[near])
        block = block[~near]
    return parts


class Judge:
    """Compares what a pullback gave with the derivative of its forward."""

    def __init__(
        self, numbers: Numbers, reference: Reference, directions: Directions, near: Near
    ) -> None:
        """Judge by a reference, along some directions."""
        self._numbers, self._reference, self._directions = numbers, reference, directions
        self._rng = near.rng
        self._layout = numbers.forward.layout
        self._singly = Singly(numbers, reference, directions, near)
        self.columns, self.entries_for = self._singly.columns, self._singly.entries_for
        self._kinked: set[int] = set()
        self._coarse = numbers.unit > COARSE
        self._on_kink: dict[int, int] = {}

    def leaf(self, i: int, directions: int | None) -> Seen:
        """Look at one leaf."""
        leaf, exact = self._layout.leaves[i], self._reference.exact[i]
        inside = np.arange(leaf.part.start, leaf.part.stop)
        inside = inside[self._directions.units[inside] > 0]
        if not inside.size:
            doubt = f"all of {leaf.name} lies on a bound of its domain, where no direction is left"
            doubt += f'; fixed=("{leaf.name}",) asks about the others alone'
            return Seen("no entry", [Entry(leaf.name, None, 0.0, 0.0, 0.0, 0.0, doubt=doubt)])
        v = self._directions.along(leaf.part)
        v, whole = self._along(i, v, both=True)
        if self._numbers.drowned(i, whole, v) and exact and self._reference.steady(v):
            self._numbers.lower(i)
        kinked = bool(whole.kinked.any())
        if kinked:
            self._kinked.add(i)
        few = MANY if self._coarse else SINGLY if exact else FEW
        singly = inside.size <= few and not self._directions.bound(i)
        if directions is None and (singly or self._apart(i, inside.size, exact)):
            seen = self._singly.entries(i, inside, kinked)
            outside = leaf.size - inside.size
            seen.how = f"all but {outside}" if outside else "every entry"
        else:
            seen = self._blocks(i, inside, kinked, directions)
        if kinked or seen.kinked:
            seen.take(self._joint(i))
        return seen

    def _apart(self, i: int, size: int, exact: bool) -> bool:
        """Tell whether it takes few moves to see every entry."""
        if exact or size <= 4 * BLOCK:
            return False
        found = self.columns.apart(i)
        return found is not None and len(found.groups) <= MOST_BLOCKS

    def _along(self, i: int, v: Array, both: bool) -> tuple[Array, Slopes]:
        return self._reference.along(v, self._reference.exact[i], both)

    # In blocks

    def _blocks(self, i: int, inside: Array, kinked: bool, directions: int | None) -> Seen:
        """Compare along random directions, in blocks of entries of about one size.

        A small entry then does not hide behind a large one; and no entry's error can hide but
        behind those of others, to all digits and by chance.
        """
        size, most = (SMALL_BLOCK, MORE_BLOCKS) if self._coarse else (BLOCK, MOST_BLOCKS)
        count = directions or min(most, -(-inside.size // size))
        if directions:
            blocks = [inside] * directions
        else:
            g = np.abs(self._numbers.g()[inside]) * self._directions.units[inside]
            g = np.nan_to_num(g.astype(np.float64))
            order = np.argsort(-g, kind="stable")
            split = np.array_split(order, count)
            blocks = [inside[part] for block in split for part in _of_one_size(block, g)]
        seen = Seen(how=f"{len(blocks)} direction{'s' * (len(blocks) > 1)}")
        for block in blocks:
            move = self._move(i, block, self._directions.along(block), kinked)
            if self._is_kinked(move):
                seen.take(self._at_kinks(i, block))
                continue
            seen.take(self._block(i, move, block))
        return seen

    def _move(self, i: int, block: Array, v: Array, both: bool) -> Move:
        v, slopes = self._along(i, v, both)
        return Move(block[:1], v, np.zeros(slopes.left.size, int), slopes)

    def _is_kinked(self, move: Move) -> bool:
        return bool((move.slopes.kinked & (self._numbers.asked[0].dy != 0)).any())

    def _block(self, i: int, move: Move, block: Array) -> Seen:
        compared = self._numbers.compare(i, move, alone=False)
        steps = np.abs(move.v[block])
        # No smaller error of one entry would have passed.
        least = float(steps[steps > 0].min()) if steps.any() else 1.0
        seen = Seen(entries=compared.worst, allowed=float(compared.allowed[0]) / least)
        if not compared.off.any():
            return seen
        seen.entries = [e for e in compared.worst if e.ok]
        if i in self._singly.certain:  # nothing is left to be found out
            return seen
        exact = self._reference.exact[i]
        again = Move(move.entries, move.v, move.local, self._reference.second(move.v, exact))
        second = self._numbers.compare(i, again, alone=False)
        if not second.off.any():
            seen.entries = second.worst
            seen.allowed = float(second.allowed[0]) / least
            return seen
        k = next(k for k, entry in enumerate(second.worst) if not entry.ok)
        found = self._localised(i, move.v, block, k)
        if found is not None:
            alone = self._singly.entries(i, found, both=True)
            seen.take(alone)
            if i in self._singly.certain or any(e.doubt for e in alone.entries):
                return seen
        seen.entries += [e for e in second.worst if not e.ok]
        self._singly.certain.add(i)
        return seen

    def _localised(self, i: int, v: Array, block: Array, k: int) -> Array | None:
        """Find an entry that the mismatch along v comes from, for cotangent k: halve the block."""
        if self._directions.bound(i):
            return None
        while block.size > 1:
            halves = np.array_split(block, 2)
            block = max(halves, key=lambda half: self._mismatch(i, v, half, k))
        return block

    def _mismatch(self, i: int, v: Array, entries: Array, k: int) -> float:
        part = np.zeros_like(v)
        part[entries] = v[entries]
        gap = self._numbers.gap(self._move(i, entries, part, False), k)
        return math.inf if math.isnan(gap) else gap

    # At kinks

    def _at_kinks(self, i: int, block: Array) -> Seen:
        """Look at the entries of a block that has a kink in it, one by one as far as they go."""
        few, left = block, max(KINKED - self._on_kink.get(i, 0), 8)
        if block.size > left and self.columns.apart(i) is None:
            few = np.sort(self._rng.choice(block, left, replace=False))
        self._on_kink[i] = self._on_kink.get(i, 0) + few.size
        seen = self._singly.entries(i, few, both=True)
        # The others are looked at along directions in which equal values move equally.
        seen.kinked.append(few[:0])
        return seen

    def _joint(self, i: int | None) -> Seen:
        """Compare along directions in which tied entries move together, where those are smooth."""
        seen = Seen()
        leaf = self._layout.leaves[i or 0]
        for still in (None, 0.0, None, 0.0):
            v = self._directions.joint(i, still)
            exact = all(self._reference.exact) if i is None else self._reference.exact[i]
            v, slopes = self._reference.along(v, exact, True)
            if slopes.kinked.any() or not v.any():
                continue
            at = np.array([leaf.part.start])
            move = Move(at, v, np.zeros(slopes.left.size, int), slopes)
            compared = self._numbers.compare(i or 0, move, alone=False)
            if compared.off.any():
                again = Move(at, v, move.local, self._reference.second(v, exact))
                compared = self._numbers.compare(i or 0, again, alone=False)
                if again.slopes.kinked.any():
                    continue
            seen.entries += compared.worst
        return seen

    def kinked(self, i: int) -> bool:
        """Tell whether leaf i sits on a kink."""
        return i in self._kinked

    def is_certain(self, i: int) -> bool:
        """Tell whether leaf i is wrong by both references."""
        return i in self._singly.certain

    @property
    def certain(self) -> bool:
        """Whether a leaf is wrong by both references."""
        return bool(self._singly.certain)

    def joined(self) -> Seen:
        """Compare along directions in which equal values of different arguments move together."""
        names = " and ".join(leaf.name for leaf in self._layout.leaves)
        seen = self._joint(None)
        seen.kinked.append(np.zeros(0, int))
        seen.entries = [entry.but(leaf=names) for entry in seen.entries]
        return seen
