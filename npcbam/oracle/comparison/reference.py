"""What was read off a candidate, as a CBAM of the reference."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.cbam import CBAM, ORDERS
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules import CHANNEL_PAPER, SPATIAL_PAPER
from npcbam.pooling import OTHER_TIES, POOLS, TIES
from npcbam.spatial_attention import SpatialAttention

# The channels are one axis, over which nothing can be pooled in turn.
OF_SPACE, OF_CHANNELS = (*TIES, *OTHER_TIES), (*TIES, "last")


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
    pools = axes["pools"]
    if {**CHANNEL_PAPER, **free} != dict(axes) or axes["merge"] not in merges:
        return None
    if len(set(pools)) < len(pools) or not set(pools) <= set(POOLS):
        return None
    mlp = SharedMLP(weights["w0"], weights["w1"], weights.get("b0"), weights.get("b1"))
    return ChannelAttention(mlp, pools, blend=merges[axes["merge"]])


def _spatial_reference(
    axes: Mapping[str, Any], weights: Mapping[str, Array]
) -> SpatialAttention | None:
    free = {"pools": axes["pools"], "eps": axes["eps"]}
    blend = axes["pools"] == ("blend",)
    pools = ("avg", "max") if blend else axes["pools"]
    if {**SPATIAL_PAPER, **free} != dict(axes) or "k" not in weights:
        return None
    if len(set(pools)) < len(pools) or not set(pools) <= set(POOLS):
        return None
    norm = None
    if "mean" in weights:
        gamma, beta = weights.get("gamma", np.ones(1)), weights.get("beta", np.zeros(1))
        norm = BatchNorm(gamma, beta, weights["mean"], weights["var"], axes["eps"])
    return SpatialAttention(Conv(weights["k"], weights.get("kb")), pools, norm, blend=blend)


def tie_rules(cbam: CBAM) -> Iterator[CBAM]:
    """Yield the CBAM with every tie rule in either attention."""
    for one, two in itertools.product(TIES, TIES if cbam.spatial else TIES[:1]):
        spatial = cbam.spatial and replace(cbam.spatial, ties=two)
        yield replace(cbam, channel=replace(cbam.channel, ties=one), spatial=spatial)


class _Channel(ChannelAttention):
    """The channel attention with a tie rule that is no option of it."""

    def __post_init__(self) -> None:
        arguments.choice("ties", self.ties, OF_SPACE)


class _Spatial(SpatialAttention):
    """The spatial attention with a tie rule that is no option of it."""

    def __post_init__(self) -> None:
        arguments.choice("ties", self.ties, OF_CHANNELS)


def other_tie_rules(cbam: CBAM) -> Iterator[CBAM]:
    """Yield the CBAM with the tie rules that `tie_rules` leaves out, one of them or two."""
    for one, two in itertools.product(OF_SPACE, OF_CHANNELS if cbam.spatial else TIES[:1]):
        if one not in TIES or two not in TIES:
            channel = _Channel(**{**vars(cbam.channel), "ties": one})
            spatial = cbam.spatial and _Spatial(**{**vars(cbam.spatial), "ties": two})
            yield replace(cbam, channel=channel, spatial=spatial)
