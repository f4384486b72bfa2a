"""What was read off a candidate, as a CBAM of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM, ORDERS
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.oracle.comparison.one_gate import OneGate, Reference
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules.rule import FAITHFUL
from npcbam.oracle.rules.stage import Composition, Way
from npcbam.pooling import AVG, MAX, POOLS, Pool
from npcbam.spatial_attention import SpatialAttention


def reference(
    reading: Reading, weights: Mapping[str, Array], of_map: bool = False
) -> Reference | None:
    """Return the reading as a block of the reference, or None if it is none.

    Parameters
    ----------
    of_map : whether y has the shape of a map, and not that of features
    """
    composition, ways = reading.composition, reading.ways
    if composition is None or not reading.known:
        return None
    channel = _channel(ways["channel"], weights) if "channel" in ways else None
    spatial = _spatial(ways["spatial"], weights) if "spatial" in ways else None
    if len(ways) != (channel is not None) + (spatial is not None):
        return None
    if reading.block.part != "whole":
        gives = _given(composition, of_map)
        return OneGate(channel, spatial, composition.residual, gives) if gives else None
    order = "channel-first" if composition.rule.code == "channel-only" else composition.rule.code
    if channel is None or order not in ORDERS:
        return None
    return CBAM(channel, spatial, order, composition.residual)


def _given(composition: Composition, of_map: bool) -> str:
    """Return what one gate gives, "" if that is neither its map nor the features it refines."""
    if composition.rule.code == "channel-first":
        return "features"
    faithful = composition.rule.status == FAITHFUL
    return ("map" if of_map else "spread") if faithful else ""


def _channel(way: Way, weights: Mapping[str, Array]) -> ChannelAttention | None:
    axes = way.axes
    merges = {"logits": False, "mean": True}
    free = {"pools": axes["pools"], "merge": axes["merge"]}
    if {**way.stage.paper, **free} != dict(axes) or axes["merge"] not in merges:
        return None
    if (pools := _pools(axes["pools"])) is None:
        return None
    mlp = SharedMLP(weights["w0"], weights["w1"], weights.get("b0"), weights.get("b1"))
    return ChannelAttention(mlp, pools, blend=merges[axes["merge"]])


def _spatial(way: Way, weights: Mapping[str, Array]) -> SpatialAttention | None:
    axes = way.axes
    free = {"pools": axes["pools"], "eps": axes["eps"]}
    blend = axes["pools"] == ("blend",)
    pools = (AVG, MAX) if blend else _pools(axes["pools"])
    if {**way.stage.paper, **free} != dict(axes) or pools is None:
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
