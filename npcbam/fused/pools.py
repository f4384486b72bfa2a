"""Pooling a group of samples in blocks of channels, and what the pools give back to it.

The mean and the maximum are computed here; lp and log-sum-exp, which hardly anybody uses, are those
of `pooling`. Positions are one axis: the shapes are (N, C, P).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from npcbam import pooling
from npcbam.checks import Array

# The features of some channels, (N, c, P), which hold until the next call.
Features: TypeAlias = Callable[[slice], Array]
EVERY = slice(None)


@dataclass(frozen=True, eq=False)
class Walk:
    """Features that are visited in blocks of channels, to be pooled over one axis.

    Attributes
    ----------
    features : those of a block
    blocks : slices of channels, one after the other; of several samples there is but one
    shape : (N, C, P)
    axis : 1 to pool over channels, 2 to pool over positions
    pools, ties : as in the attentions
    """

    features: Features
    blocks: Sequence[slice]
    shape: tuple[int, int, int]
    axis: int
    pools: tuple[str, ...]
    ties: str

    def pool(self, dtype: np.dtype) -> list[Array]:
        """Return one descriptor for each pool, (N, 1, P) or (N, C, 1)."""
        n, channels, size = self.shape
        if self.axis == 2:
            return self._over_positions(dtype)
        total = np.zeros((n, 1, size), dtype)
        top = np.full((n, 1, size), -np.inf, dtype)
        for c in self.blocks:
            f = self.features(c)
            # A product with ones takes a third of the time of a sum.
            total += np.ones((1, f.shape[1]), dtype) @ f
            np.maximum(top, np.maximum.reduce(f, axis=1, keepdims=True), out=top)
        total /= dtype.type(channels)
        return [self._named(pool, {"avg": total, "max": top}) for pool in self.pools]

    def _over_positions(self, dtype: np.dtype) -> list[Array]:
        n, channels, size = self.shape
        total = np.empty((n, channels, 1), dtype)
        top = np.empty((n, channels, 1), dtype)
        for c in self.blocks:
            f = self.features(c)
            total[:, c] = f @ np.ones((size, 1), dtype)
            top[:, c] = row_max(f)
        total /= dtype.type(size)
        return [self._named(pool, {"avg": total, "max": top}) for pool in self.pools]

    def _named(self, pool: str, known: dict[str, Array]) -> Array:
        if pool in known:
            return known[pool]
        return pooling.POOLS[pool](self.features(EVERY), (self.axis,))[0]

    def share(self, pooled: Sequence[Array], cotangents: Sequence[Array]) -> Share:
        """Return what the features get, given what `pool` gave and the cotangents of that."""
        share = Share()
        for pool, y, dy in zip(self.pools, pooled, cotangents, strict=True):
            if pool == "avg":
                share.even = dy / dy.dtype.type(self.shape[self.axis])
            elif pool == "max":
                share.at, share.values = self._to_max(y, dy)
            else:
                dense = pooling.POOLS[pool](self.features(EVERY), (self.axis,))[1](dy)
                share.dense = dense if share.dense is None else share.dense + dense
        return share

    def _to_max(self, top: Array, dtop: Array) -> tuple[Array, Array]:
        """Return where the maxima stand, in x flat, and what each place gets."""
        _, channels, size = self.shape
        # To look where x == top is far quicker than argmax over an axis with gaps.
        places = []
        for c in self.blocks:
            f, t = self.features(c), top[:, c] if self.axis == 2 else top
            held = f == t
            if np.isnan(t).any():
                held |= np.isnan(f) & np.isnan(t)
            places.append(np.flatnonzero(held) + (c.start or 0) * size)
        at = np.concatenate(places)
        owner = at // size if self.axis == 2 else at // (channels * size) * size + at % size
        if self.ties == "even":
            count = np.bincount(owner, minlength=top.size)
            return at, (dtop.ravel() / count.astype(dtop.dtype))[owner]
        first = np.empty(top.size, at.dtype)
        first[owner[::-1]] = at[::-1]  # the last to be written is the first
        return first, dtop.ravel()


@dataclass(eq=False)
class Share:
    """The cotangent of pooled features: some alike for all, some at single places, some dense."""

    even: Array | None = None
    at: Array | None = None
    values: Array | None = None
    dense: Array | None = None

    def add_to(self, df: Array, c: slice) -> None:
        """Add the even and the dense part to the cotangent of the features of a block."""
        if self.even is not None:
            df += self.even[:, c] if self.even.shape[1] > 1 else self.even
        if self.dense is not None:
            df += self.dense[:, c]


def row_max(x: Array) -> Array:
    """Return the maxima of the last axis of (N, C, P), as (N, C, 1).

    reduceat starts a row in a third of the time of reduce.
    """
    flat = x.reshape(-1)
    starts = np.arange(0, flat.size, x.shape[-1])
    return np.maximum.reduceat(flat, starts).reshape(*x.shape[:2], 1)
