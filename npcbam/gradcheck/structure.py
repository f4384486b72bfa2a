"""Which entries of an argument never meet in one result, so that they can be moved together.

Of an elementwise function one move of all entries gives every derivative; of a layer that treats
samples apart, one move of an entry in every sample. Nothing is assumed: the entries whose index has
a bit set are moved, then the others, and a result that both move belongs to neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array

MOVE = 2.0**-8  # of the units of the entries


@dataclass(frozen=True, eq=False)
class Structure:
    """Entries of one leaf in groups that may move together.

    Attributes
    ----------
    groups : arrays of entries (of the vector of all arguments)
    code : (n of the leaf,) a number of each entry, unique within its group
    owner : (m,) the code of the entries that move a result; -1 where none does
    axes : along how many axes entries are apart
    """

    groups: Sequence[Array]
    code: Array
    owner: Array
    axes: tuple[int, ...]

    def local(self, start: int, group: Array) -> Array:
        """Return (m,) by which of a group each result is moved, -1 where by none."""
        codes = self.code[group - start]
        order = np.argsort(codes)
        at = np.minimum(np.searchsorted(codes[order], self.owner), group.size - 1)
        return np.where(codes[order][at] == self.owner, order[at], -1)


def find(
    moves: Callable[[Array], Array], start: int, shape: tuple[int, ...], most: int
) -> Structure | None:
    """Return the structure of a leaf; None if it would take more than `most` groups.

    Parameters
    ----------
    moves : takes entries (of the vector of all arguments) and tells which results move with them
    start, shape : where the leaf lies in that vector, and its shape
    """
    inside = start + np.arange(int(np.prod(shape)))
    index = np.indices(shape).reshape(len(shape), -1)
    code = np.zeros(inside.size, np.int64)
    rest = np.zeros(inside.size, np.int64)
    owner: Array | None = None
    seen: list[Array] = []
    axes = []
    for axis, size in enumerate(shape):
        apart = 0
        for bit in range(max(size - 1, 0).bit_length()):
            has = (index[axis] >> bit) & 1 == 1
            with_, without = moves(inside[has]), moves(inside[~has])
            owner = np.zeros(with_.size, np.int64) if owner is None else owner
            if (with_ & without).any():
                rest = 2 * rest + has
                if np.unique(rest).size > most:
                    return None
                continue
            apart += 1
            code, owner = 2 * code + has, 2 * owner + with_
            seen.append(with_ | without)
        if apart and 2**apart >= size:
            axes.append(axis)
    if owner is None or not code.any():
        return None
    moved = np.any(seen, axis=0)
    if (moved & ~np.all(seen, axis=0)).any():  # a result that moved once and stayed another time
        return None
    values, which = np.unique(rest, return_inverse=True)
    if values.size > most:
        return None
    groups = [inside[which == k] for k in range(values.size)]
    return Structure(groups, code, np.where(moved, owner, -1), tuple(axes))
