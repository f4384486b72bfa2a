"""Pooling a group of samples block by block, and what the pools give back to it.

The mean and the maximum are computed here; lp and log-sum-exp, which hardly anybody uses, are those
of `pooling`. All positions are one axis: the shapes are (N, C, P).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.fused.kernels import max_over, sum_over
from npcbam.pooling import AVG, MAX, MAX_EVEN, Pool
from npcbam.types import Pullback

# The rules for ties that are computed here.
TOP = (MAX, MAX_EVEN)
# Some samples and some channels of theirs: either all channels or a single sample.
Block: TypeAlias = tuple[slice, slice]
ALL = (slice(None), slice(None))
# The features of a block, (n, c, P), which hold until the next call.
Features: TypeAlias = Callable[[Block], Array]


@dataclass(frozen=True, eq=False)
class Share:
    """What pooled features get back.

    Attributes
    ----------
    even : what is alike along the pooled axis, which has size 1
    at, values : single places of the flat map, and what is added there
    dense : all the rest, or None
    """

    even: Array
    at: Array
    values: Array
    dense: Array | None


@dataclass(frozen=True, eq=False)
class Pools:
    """The pools of one attention.

    Attributes
    ----------
    pools : as in the attentions
    shape : (N, C, P), what is pooled
    axis : 1 to pool over channels, 2 to pool over positions
    """

    pools: tuple[Pool, ...]
    shape: tuple[int, ...]
    axis: int

    def pool(
        self, features: Features, blocks: Sequence[Block], dtype: np.dtype[Any]
    ) -> list[Array]:
        """Return one descriptor for each pool, (N, 1, P) or (N, C, 1), from blocks in any order."""
        sums = np.zeros(self._pooled(), dtype)
        tops = np.full(self._pooled(), -np.inf, dtype)
        avg, top = AVG in self.pools, self._top() is not None
        for block in blocks if avg or top else ():
            f, at = features(block), self._of(block)
            if avg:
                sums[at] += sum_over(f, self.axis)
            if top:
                np.maximum(tops[at], max_over(f, self.axis), out=tops[at])
        sums /= dtype.type(self.shape[self.axis])
        known = {AVG: sums, MAX: tops, MAX_EVEN: tops}
        return [
            known[pool] if pool in known else self._readable(pool, features)[0]
            for pool in self.pools
        ]

    def held(self, f: Array, block: Block, pooled: Sequence[Array]) -> Array:
        """Return where a block holds maxima, in the flat map; to look is quicker than argmax."""
        at = self._top()
        if at is None:
            return np.empty(0, np.intp)
        top = pooled[at][self._of(block)]
        held = f == top
        if np.isnan(top).any():
            held |= np.isnan(f) & np.isnan(top)
        start = block[0].start * self.shape[1] + block[1].start
        places: Array = np.flatnonzero(held) + start * self.shape[2]
        return places

    def share(self, features: Features, held: Sequence[Array], dpooled: Sequence[Array]) -> Share:
        """Return what the features get, given what `held` told of all blocks in memory's order."""
        even, at = np.zeros_like(dpooled[0]), np.empty(0, np.intp)
        values, dense = np.empty(0, even.dtype), None
        for pool, d in zip(self.pools, dpooled, strict=True):
            if pool == AVG:
                even = d / d.dtype.type(self.shape[self.axis])
            elif pool in TOP:
                at, values = self._to_max(pool, np.concatenate(held), d)
            else:
                df = self._readable(pool, features)[1](d)
                dense = df if dense is None else dense + df
        return Share(even, at, values, dense)

    def _to_max(self, pool: Pool, at: Array, dtop: Array) -> tuple[Array, Array]:
        """Return which places get what, by the tie rule."""
        _, channels, size = self.shape
        owner = at // size if self.axis == 2 else at // (channels * size) * size + at % size
        if pool == MAX_EVEN:
            count = np.bincount(owner, minlength=dtop.size)
            return at, (dtop.reshape(-1) / count.astype(dtop.dtype))[owner]
        first = np.empty(dtop.size, at.dtype)
        first[owner[::-1]] = at[::-1]  # what is written last comes first in memory
        return first, dtop.reshape(-1)

    def _top(self) -> int | None:
        """Return which of the pools is the maximum, if one is."""
        return next((i for i, pool in enumerate(self.pools) if pool in TOP), None)

    def _readable(self, pool: Pool, features: Features) -> tuple[Array, Pullback]:
        return pool.vjp(features(ALL), (self.axis,))

    def _pooled(self) -> tuple[int, ...]:
        return tuple(1 if axis == self.axis else n for axis, n in enumerate(self.shape))

    def _of(self, block: Block) -> Block:
        """Return what of the pooled map belongs to a block."""
        return block if self.axis == 2 else (block[0], slice(None))
