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
from npcbam.oracle.comparison.one_gate import Reference
from npcbam.oracle.comparison.pulled import Given
from npcbam.oracle.rules.conventions import NOT_SEEN
from npcbam.pooling import MAX, MAX_EVEN, Pool, max_vjp
from npcbam.types import Pullback


def _last_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
    pooled = tuple(axes)
    y, first_pullback = max_vjp(np.flip(x, pooled), pooled)

    def last_pullback(dy: Array) -> Array:
        return np.flip(first_pullback(dy), pooled)

    return y, last_pullback


def _in_turn(ties: str, from_last: bool = False) -> Pool:
    """Return the maximum over one axis after the other."""

    def in_turn_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
        y, pullbacks = x, []
        for axis in sorted(axes, reverse=from_last):
            y, pullback = max_vjp(y, (axis,), ties)
            pullbacks.append(pullback)

        def in_turn_pullback(dy: Array) -> Array:
            for pullback in reversed(pullbacks):
                dy = pullback(dy)
            return dy

        return y, in_turn_pullback

    return Pool("max", in_turn_vjp, f"{ties}-in-turn" + "-from-last" * from_last)


LAST = Pool("max", _last_vjp, "last")  # as max and amax of no framework
IN_TURN = (_in_turn("even"), _in_turn("even", from_last=True), _in_turn("first"))
OF_LAYERS = (MAX, MAX_EVEN)
# The channels are one axis, over which nothing can be pooled in turn.
OF_SPACE, OF_CHANNELS = (*OF_LAYERS, *IN_TURN, LAST), (*OF_LAYERS, LAST)


def with_maxima(block: Reference, channel: Pool, spatial: Pool) -> Reference:
    """Return the block with these pools for the maxima of its gates."""
    tops = {"channel": channel, "spatial": spatial}
    gates = {name: getattr(block, name) for name in tops}
    changed = {
        name: replace(gate, pools=tuple(tops[name] if p.ties else p for p in gate.pools))
        for name, gate in gates.items()
        if gate is not None
    }
    return replace(block, **changed)


def tie_rules(block: Reference) -> Iterator[Reference]:
    """Yield the block with every tie rule of the layers in either gate."""
    for pair in _pairs(block, OF_LAYERS, OF_LAYERS):
        yield with_maxima(block, *pair)


def other_tie_rules(block: Reference) -> Iterator[Reference]:
    """Yield the block with the tie rules that `tie_rules` leaves out, in one gate or in both."""
    for pair in _pairs(block, OF_SPACE, OF_CHANNELS):
        if not set(pair) <= set(OF_LAYERS):
            yield with_maxima(block, *pair)


def _pairs(
    block: Reference, channel: Sequence[Pool], spatial: Sequence[Pool]
) -> Iterator[tuple[Pool, Pool]]:
    """Pair these pools of both gates; of a gate that is not there the first alone."""
    channel = channel if block.channel is not None else channel[:1]
    spatial = spatial if block.spatial is not None else spatial[:1]
    return itertools.product(channel, spatial)


def rules_of(block: Reference) -> str:
    """Return the tie rules of both gates, as in "even+first"; "none" without a maximum."""
    gates = [gate for gate in (block.channel, block.spatial) if gate is not None]
    named = dict.fromkeys(pool.ties for gate in gates for pool in gate.pools if pool.ties)
    return "+".join(named) or "none"


def with_ties(block: Reference, seen: Sequence[Given]) -> tuple[Reference, str]:
    """Return the block with the tie rules whose gradient is the nearest, and these.

    Where rounding is coarse every rule is as near as another: let the precision be a high one.
    """
    tied = next((each for each in seen if each.name == "ties"), None)
    if tied is None:
        return next(tie_rules(block)), NOT_SEEN
    found = nearest(tie_rules(block), tied)
    return found, rules_of(found)


def nearest(blocks: Iterator[Reference], tied: Given) -> Reference:
    """Return the block whose gradient is the nearest where there are ties."""
    return min(blocks, key=lambda block: _gap(tied.dx, tied.dx_of(block)))


def _gap(got: Array, expected: Array) -> float:
    # Summed: at low precision the largest is that of an entry whose rounding made it the maximum.
    with np.errstate(invalid="ignore"):
        gap = float(np.abs(got - expected).sum())
    return gap if np.isfinite(gap) else np.inf
