"""Is dx a subgradient where maxima are tied, whoever of the tied gets how much?

Any share of the gradient among the largest entries is one, as long as none of it is lost or turned
round: topk and sort give all of it to one of them, which one is their own affair. The shares are
read off dx; a block whose maxima share so must then give this dx, entry by entry.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.comparison.one_gate import Reference
from npcbam.oracle.comparison.pulled import Pulled
from npcbam.oracle.comparison.tie_rules import OF_CHANNELS, OF_SPACE, with_maxima
from npcbam.oracle.rules.conventions import OTHER
from npcbam.pooling import Pool, max_vjp
from npcbam.types import Pullback


def sharing(fractions: Array) -> Pool:
    """Return the maximum that gives each of several tied entries this part of the gradient.

    Where the features have another shape than `fractions`, the first gets it.
    """

    def sharing_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
        y, first_pullback = max_vjp(x, axes)
        if x.shape != fractions.shape:
            return y, first_pullback
        tied = x == y
        several = tied & (tied.sum(axis=tuple(axes), keepdims=True) > 1)

        def sharing_pullback(dy: Array) -> Array:
            return np.where(several, fractions * dy, first_pullback(dy))

        return y, sharing_pullback

    return Pool("max", sharing_vjp, OTHER)


def as_shared(block: Reference, given: Pulled) -> Reference | None:
    """Return `block` with maxima that share as in a dx with ties; None if dx is no subgradient.

    A gate that follows a known rule keeps it.
    """
    with np.errstate(invalid="ignore"):
        for channel, spatial in _Tied(block, given).pools():
            found = with_maxima(block, channel, spatial)
            if (np.abs(given.dx - given.dx_of(found)) <= given.tolerance["dx"]).all():
                return found
    return None


@dataclass(frozen=True, eq=False)
class _Tied:
    """A dx where there are ties, and what it is made of."""

    block: Reference
    given: Pulled

    def pools(self) -> Iterator[tuple[Pool, Pool]]:
        """Yield pairs of maxima that may give this dx, and lose none of it."""
        given, shape = self.given, self.given.x.shape
        none, every = sharing(np.zeros(shape)), sharing(np.ones(shape))
        without = self._with(none, none)
        by_channel, by_spatial = self._with(every, none), self._with(none, every)
        # What each tied entry would get if it got all that its gate has to give.
        channel_whole, spatial_whole = by_channel - without, by_spatial - without
        space = tuple(range(2, given.x.ndim))
        for spatial in OF_CHANNELS:
            shares = _parts(given.dx - self._with(none, spatial), channel_whole)
            if self._is_whole(shares, channel_whole, space):
                yield sharing(shares), spatial
        for channel in OF_SPACE:
            shares = _parts(given.dx - self._with(channel, none), spatial_whole)
            if self._is_whole(shares, spatial_whole, (1,)):
                yield channel, sharing(shares)
        shared = _apart(given.dx - without, channel_whole, spatial_whole)
        wholes, axes = (channel_whole, spatial_whole), (space, (1,))
        if all(self._is_whole(*each) for each in zip(shared, wholes, axes, strict=True)):
            yield sharing(shared[0]), sharing(shared[1])

    def _with(self, channel: Pool, spatial: Pool) -> Array:
        return self.given.dx_of(with_maxima(self.block, channel, spatial))

    def _is_whole(self, shares: Array, whole: Array, axes: tuple[int, ...]) -> bool:
        """Tell whether the parts of each tie add up to 1, and none is below 0."""
        doubt = np.abs(_parts(self.given.tolerance["dx"], whole))
        total, tied = shares.sum(axis=axes), (whole != 0).any(axis=axes)
        gap = np.abs(total - 1) * tied
        return bool((gap <= doubt.sum(axis=axes)).all() and (shares >= -doubt).all())


def _parts(got: Array, whole: Array) -> Array:
    return np.divide(got, whole, out=np.zeros_like(got), where=whole != 0)


def _apart(got: Array, channel_whole: Array, spatial_whole: Array) -> tuple[Array, Array]:
    """Return the parts of both gates, where an entry may be tied in either.

    In both, each gate is taken to give an entry all, nothing, or as much as all the others.
    """
    choices = []
    for whole, axes in ((channel_whole, tuple(range(2, got.ndim))), (spatial_whole, (1,))):
        count = np.maximum((whole != 0).sum(axis=axes, keepdims=True), 1)
        choices.append([np.zeros(got.shape), np.ones(got.shape), np.ones(got.shape) / count])
    pairs = list(itertools.product(*choices))
    gaps = [np.abs(got - c * channel_whole - s * spatial_whole) for c, s in pairs]
    best = np.argmin(gaps, axis=0)
    both = (channel_whole != 0) & (spatial_whole != 0)
    channel, spatial = (np.choose(best, [pair[i] for pair in pairs]) for i in (0, 1))
    return (
        np.where(both, channel, _parts(got, channel_whole)),
        np.where(both, spatial, _parts(got, spatial_whole)),
    )
