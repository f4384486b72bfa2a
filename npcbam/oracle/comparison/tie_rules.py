"""Who gets the gradient of a tied maximum: the rules that candidates follow, as pools.

The layers have two of them, `first` and `even`. A maximum over one axis after the other settles
ties axis by axis; from the last axis on, each taking the first, this is `first` again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.comparison.one_gate import OneGate
from npcbam.pooling import MAX, MAX_EVEN, Pool, max_vjp
from npcbam.types import Pullback

B = TypeVar("B", bound=CBAM | OneGate)


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


def with_maxima(block: B, channel: Pool, spatial: Pool) -> B:
    """Return the block with these pools for the maxima of its gates."""
    tops = {"channel": channel, "spatial": spatial}
    gates = {name: getattr(block, name) for name in tops}
    changed = {
        name: replace(gate, pools=tuple(tops[name] if p.ties else p for p in gate.pools))
        for name, gate in gates.items()
        if gate is not None
    }
    return replace(block, **changed)


def tie_rules(block: B) -> Iterator[B]:
    """Yield the block with every tie rule of the layers in either gate."""
    of_channel, of_spatial = _has_gates(block)
    for pair in itertools.product(OF_LAYERS[: 1 + of_channel], OF_LAYERS[: 1 + of_spatial]):
        yield with_maxima(block, *pair)


def other_tie_rules(block: B) -> Iterator[B]:
    """Yield the block with the tie rules that `tie_rules` leaves out, in one gate or in both."""
    of_channel, of_spatial = _has_gates(block)
    channel, spatial = OF_SPACE if of_channel else (MAX,), OF_CHANNELS if of_spatial else (MAX,)
    for pair in itertools.product(channel, spatial):
        if not set(pair) <= set(OF_LAYERS):
            yield with_maxima(block, *pair)


def rules_of(block: CBAM | OneGate) -> str:
    """Return the tie rules of both gates, as in "even+first"; "none" without a maximum."""
    gates = [gate for gate in (block.channel, block.spatial) if gate is not None]
    named = dict.fromkeys(pool.ties for gate in gates for pool in gate.pools if pool.ties)
    return "+".join(named) or "none"


def _has_gates(block: CBAM | OneGate) -> tuple[bool, bool]:
    return block.channel is not None, block.spatial is not None
