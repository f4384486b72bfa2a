"""The known mistakes where weights and conventions are given: what each makes of them.

Most are rows of the oracle's tables in `hypotheses`, applied to the conventions of a preset. The
others can be told from right blocks by given weights alone: another kernel or bias might have been
learnt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Stage
from npcbam.oracle.rules import (
    CHANNEL,
    COMPOSE,
    FAITHFUL,
    SPATIAL,
    WRONG,
    Row,
    channel_logits,
    channel_map,
)
from npcbam.oracle.rules.right_block import RightBlock
from npcbam.pointwise import sigmoid

# Compositions that are no mistake, and those that say what becomes of x themselves.
NONE = ("channel-first", "residual", "channel-only")
WHOLE = (
    *("identity", "map-only", "channel-map-only", "maps-only", "spatial-map-of-input-only"),
    *("subtracted", "both-residual", "halved"),
)
# Those of a block without a spatial gate too.
OF_CHANNEL_ALONE = (
    *("identity", "channel-map-only", "subtracted", "halved", "features-squared"),
    *("channel-gate-squared", "channel-gate-twice", "final-relu", "final-sigmoid", "final-silu"),
)


Made: TypeAlias = Callable[[RightBlock, Array], Array | None]


@dataclass(frozen=True)
class Mistake:
    """A known way to get CBAM wrong: its stable name, where it is, and what it does."""

    code: str
    stage: Stage
    sentence: str
    made: Made = field(repr=False)

    def __call__(self, right: RightBlock, x: Array) -> Array | None:
        """Return its y, or None where the block leaves nothing to get wrong."""
        return self.made(right, x)


def _channel(row: Row) -> Mistake:
    def made(b: RightBlock, x: Array) -> Array | None:
        pools = b.channel["pools"]
        other = len(row.sets.get("pools", pools)) != len(pools) and row.status == WRONG
        axes = {**b.channel, **row.sets}
        if other or axes == b.channel or ("merge" in row.sets and len(pools) == 1):
            return None
        if "b1" in row.sets and "b1" not in b.weights:
            return None
        return replace(b, channel=axes)(x)

    return Mistake(row.code, "channel", row.message, made)


def _spatial(row: Row) -> Mistake:
    def made(b: RightBlock, x: Array) -> Array | None:
        norm = "norm" in row.sets or "eps" in row.sets
        if "k" not in b.weights or (norm and "mean" not in b.weights):
            return None
        if "pools" in row.sets and not _exchanges(row.sets["pools"], b.spatial["pools"]):
            return None
        axes = {**b.spatial, **row.sets}
        return None if axes == b.spatial else replace(b, spatial=axes)(x)

    return Mistake(row.code, "spatial", row.message, made)


def _exchanges(planes: tuple[str, ...], own: tuple[str, ...]) -> bool:
    """Tell whether `planes` are as many as a block's own, and none of those has moved."""
    if len(planes) != len(own):
        return False
    kept = any(one == two for one, two in zip(planes, own, strict=True))
    return kept or not set(planes) & set(own)


def _compose(name: str) -> Mistake:
    def made(b: RightBlock, x: Array) -> Array | None:
        if "k" not in b.weights and name not in OF_CHANNEL_ALONE:
            return None
        if b.residual and f"{name}-residual" in COMPOSE:
            return replace(b, compose=f"{name}-residual", residual=False)(x)
        return replace(b, compose=name, residual=b.residual and name not in WHOLE)(x)

    return Mistake(name, "compose", COMPOSE[name][1], made)


def _without(*keys: str) -> Made:
    """Return a mistake that leaves out these weights, if they are there."""

    def made(b: RightBlock, x: Array) -> Array | None:
        if not set(keys) <= b.weights.keys():
            return None
        return replace(b, weights={k: v for k, v in b.weights.items() if k not in keys})(x)

    return made


def _swapped(b: RightBlock, x: Array) -> Array | None:
    if "k" not in b.weights or b.weights["k"].shape[1] != 2:
        return None
    return replace(b, weights={**b.weights, "k": b.weights["k"][:, ::-1]})(x)


def _centre(b: RightBlock, x: Array) -> Array | None:
    if "k" not in b.weights:
        return None
    k = b.weights["k"]
    inner: tuple[Any, ...] = tuple(slice(n // 2 - 1, n // 2 + 2) for n in k.shape[2:])
    return replace(b, weights={**b.weights, "k": k[..., *inner]})(x)


def _first_window(b: RightBlock, x: Array) -> Array | None:
    corner: tuple[Any, ...] = (slice(2),) * (x.ndim - 2)
    return _pooled(b, x, x, x[..., *corner])


def _over_channels(b: RightBlock, x: Array) -> Array | None:
    first = x.mean(1).reshape(len(x), 1, -1)[..., :1]
    column = (*x.shape[:2], *[1] * (x.ndim - 2))
    return _pooled(b, x, np.broadcast_to(first, (*x.shape[:2], 1)).reshape(column), x)


def _pooled(b: RightBlock, x: Array, averaged: Array, maximised: Array) -> Array | None:
    """Return y where the average and the maximum of x are those of other arrays."""
    if b.channel["pools"] != ("avg", "max") or b.channel["merge"] != "logits":
        return None
    parts = {"avg": averaged, "max": maximised}
    zs = [channel_logits({**b.channel, "pools": (k,)}, b.weights, v) for k, v in parts.items()]
    mc = sigmoid((zs[0] + zs[1]).reshape(*x.shape[:2], *[1] * (x.ndim - 2)))
    return b.of(replace(b.stages(), mc=lambda _: mc), x)


def _samples_mixed(b: RightBlock, x: Array) -> Array:
    mc = channel_map(b.channel, b.weights, x).mean(0, keepdims=True)
    return b.of(replace(b.stages(), mc=lambda _: mc), x)


def _added(b: RightBlock, x: Array) -> Array | None:
    return None if b.residual else b(x) + x


def _left_out(b: RightBlock, x: Array) -> Array | None:
    return replace(b, residual=False)(x) if b.residual else None


def _is_one_departure(row: Row) -> bool:
    """Tell whether a row of the spatial gate is a mistake that planes and eps as given allow."""
    other = row.status != FAITHFUL and row.sets.get("pools") != ("blend",)
    return len(row.sets) == 1 and (other or "eps" in row.sets)


MISTAKES = (
    *[_channel(row) for row in CHANNEL if row.status != FAITHFUL and "mlps" not in row.sets],
    *[_spatial(row) for row in SPATIAL if _is_one_departure(row)],
    *[_compose(name) for name in COMPOSE if name not in NONE and not name.endswith("-residual")],
    Mistake("residual", "compose", COMPOSE["residual"][1], _added),
    Mistake("residual-left-out", "compose", "x is not added back", _left_out),
    Mistake(
        "channel-first-window",
        "channel",
        "the maximum is that of the first 2 positions an axis, and not of the whole map",
        _first_window,
    ),
    Mistake(
        "channel-over-channels",
        "channel",
        "the average is over the channels of one position, and not over space",
        _over_channels,
    ),
    Mistake(
        "channel-over-samples",
        "channel",
        "the channel map is averaged over the samples",
        _samples_mixed,
    ),
    Mistake(
        "channel-no-bias",
        "channel",
        "the biases of the MLP are left out",
        _without("b0", "b1"),
    ),
    Mistake(
        "spatial-no-bias", "spatial", "the bias of the convolution is left out", _without("kb")
    ),
    Mistake(
        "spatial-norm-not-affine",
        "spatial",
        "gamma and beta of the norm are left out",
        _without("gamma", "beta"),
    ),
    Mistake(
        "spatial-planes-swapped",
        "spatial",
        "the two planes are in the other order than the kernel expects",
        _swapped,
    ),
    Mistake(
        "spatial-kernel-3",
        "spatial",
        "only the inner 3 taps an axis of the kernel are used",
        _centre,
    ),
)
