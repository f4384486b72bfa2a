"""Who gets the gradient of a tied maximum: the rules that candidates follow, as pools.

The layers have two of them, `first` and `even`. A maximum over one axis after the other settles
ties axis by axis; from the last axis on, each taking the first, this is `first` again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.channel_attention import ChannelAttention
from npcbam.pooling import MAX, MAX_EVEN, Pool, max_vjp
from npcbam.spatial_attention import SpatialAttention
from npcbam.types import Pullback


def _last_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
    pooled = tuple(axes)
    y, first_pullback = max_vjp(np.flip(x, pooled), pooled)

    def last_pullback(dy: Array) -> Array:
        return np.flip(first_pullback(dy), pooled)

    return y, last_pullback


def _in_turn_vjp(x: Array, axes: Sequence[int], ties: str) -> tuple[Array, Pullback]:
    y, pullbacks = x, []
    for axis in axes:
        y, pullback = max_vjp(y, (axis,), ties)
        pullbacks.append(pullback)

    def in_turn_pullback(dy: Array) -> Array:
        for pullback in reversed(pullbacks):
            dy = pullback(dy)
        return dy

    return y, in_turn_pullback


def _even_in_turn_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
    return _in_turn_vjp(x, sorted(axes), "even")


def _even_in_turn_from_last_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
    return _in_turn_vjp(x, sorted(axes, reverse=True), "even")


def _first_in_turn_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
    return _in_turn_vjp(x, sorted(axes), "first")


LAST = Pool("max", _last_vjp, "last")  # as max and amax of no framework
IN_TURN = (
    Pool("max", _even_in_turn_vjp, "even-in-turn"),
    Pool("max", _even_in_turn_from_last_vjp, "even-in-turn-from-last"),
    Pool("max", _first_in_turn_vjp, "first-in-turn"),
)
OF_LAYERS = (MAX, MAX_EVEN)
# The channels are one axis, over which nothing can be pooled in turn.
OF_SPACE, OF_CHANNELS = (*OF_LAYERS, *IN_TURN, LAST), (*OF_LAYERS, LAST)


def with_maxima(cbam: CBAM, channel: Pool, spatial: Pool) -> CBAM:
    """Return the CBAM with these pools for the maxima of its gates."""

    def pools(gate: ChannelAttention | SpatialAttention, top: Pool) -> tuple[Pool, ...]:
        return tuple(top if pool.ties else pool for pool in gate.pools)

    of_spatial = cbam.spatial and replace(cbam.spatial, pools=pools(cbam.spatial, spatial))
    of_channel = replace(cbam.channel, pools=pools(cbam.channel, channel))
    return replace(cbam, channel=of_channel, spatial=of_spatial)


def tie_rules(cbam: CBAM) -> Iterator[CBAM]:
    """Yield the CBAM with every tie rule of the layers in either gate."""
    for pair in itertools.product(OF_LAYERS, OF_LAYERS if cbam.spatial else (MAX,)):
        yield with_maxima(cbam, *pair)


def other_tie_rules(cbam: CBAM) -> Iterator[CBAM]:
    """Yield the CBAM with the tie rules that `tie_rules` leaves out, in one gate or in both."""
    for pair in itertools.product(OF_SPACE, OF_CHANNELS if cbam.spatial else (MAX,)):
        if not set(pair) <= set(OF_LAYERS):
            yield with_maxima(cbam, *pair)


def rules_of(cbam: CBAM) -> str:
    """Return the tie rules of both gates, as in "even+first"; "none" without a maximum."""
    gates = [gate for gate in (cbam.channel, cbam.spatial) if gate is not None]
    named = dict.fromkeys(pool.ties for gate in gates for pool in gate.pools if pool.ties)
    return "+".join(named) or "none"
