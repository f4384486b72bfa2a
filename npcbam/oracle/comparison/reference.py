"""What was read off a candidate, as a CBAM of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM, ORDERS
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules import CHANNEL_PAPER, SPATIAL_PAPER
from npcbam.pooling import AVG, MAX, POOLS, Pool
from npcbam.spatial_attention import SpatialAttention


def reference(reading: Reading, weights: Mapping[str, Array]) -> CBAM | None:
    """Return the reading as a CBAM of the reference, or None if it is none."""
    if reading.channel is None or reading.spatial is None or reading.compose is None:
        return None
    order, residual = (
        reading.compose.removesuffix("-residual"),
        reading.compose.endswith("residual"),
    )
    order = "channel-first" if order == "residual" else order
    channel = _channel_reference(reading.channel.axes, weights)
    spatial = None
    if order == "channel-only":
        order = "channel-first"
    elif (spatial := _spatial_reference(reading.spatial.axes, weights)) is None:
        return None
    if channel is None or order not in ORDERS:
        return None
    return CBAM(channel, spatial, order, residual)


def _channel_reference(
    axes: Mapping[str, Any], weights: Mapping[str, Array]
) -> ChannelAttention | None:
    merges = {"logits": False, "mean": True}
    free = {"pools": axes["pools"], "merge": axes["merge"]}
    if {**CHANNEL_PAPER, **free} != dict(axes) or axes["merge"] not in merges:
        return None
    if (pools := _pools(axes["pools"])) is None:
        return None
    mlp = SharedMLP(weights["w0"], weights["w1"], weights.get("b0"), weights.get("b1"))
    return ChannelAttention(mlp, pools, blend=merges[axes["merge"]])


def _spatial_reference(
    axes: Mapping[str, Any], weights: Mapping[str, Array]
) -> SpatialAttention | None:
    free = {"pools": axes["pools"], "eps": axes["eps"]}
    blend = axes["pools"] == ("blend",)
    pools = (AVG, MAX) if blend else _pools(axes["pools"])
    if {**SPATIAL_PAPER, **free} != dict(axes) or "k" not in weights or pools is None:
        return None
    norm = None
    if "mean" in weights:
        gamma, beta = weights.get("gamma", np.ones(1)), weights.get("beta", np.zeros(1))
        norm = BatchNorm(gamma, beta, weights["mean"], weights["var"], axes["eps"])
    return SpatialAttention(Conv(weights["k"], weights.get("kb")), pools, norm, blend=blend)


def _pools(names: Sequence[str]) -> tuple[Pool, ...] | None:
    """Return the pools of these names, if the reference has all, and each is there once."""
    known = [POOLS[name] for name in names if name in POOLS]
    return tuple(known) if len(set(known)) == len(names) else None
