"""The readings: every documented way to compute the block, as a CBAM of the reference.

A reading is a `CBAM` with the candidate's weights in it; its structure says what it does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from npcbam.cbam import CBAM, ORDERS
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.checks import Array
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.pooling import TIES
from npcbam.presets import PRESETS
from npcbam.spatial_attention import SpatialAttention

BOTH = ("avg", "max")
WORDS = {"avg": "average", "max": "maximum"}
# Pools and blend.
DESCRIPTORS = ((BOTH, False), (BOTH, True), (("avg",), False), (("max",), False))
PLANES = {
    2: ((BOTH, False), (("max", "avg"), False)),
    1: ((BOTH, True), (("avg",), False), (("max",), False)),
}
# PyTorch's and Keras's.
EPS = (1e-5, 1e-3)
FAITHFUL = "faithful"
EXPECTATIONS = (FAITHFUL, *PRESETS)


def readings(weights: Mapping[str, Array]) -> list[CBAM]:
    """Return what `weights`, by the reference's paths, allow; the nearest to the paper first."""
    mlp = SharedMLP(
        weights["channel.mlp.w0"],
        weights["channel.mlp.w1"],
        weights.get("channel.mlp.b0"),
        weights.get("channel.mlp.b1"),
    )
    spatials: list[SpatialAttention | None] = [None]
    orders: tuple[str, ...] = ORDERS[:1]
    if "spatial.conv.w" in weights:
        spatials, orders = [*_spatials(weights)], ORDERS
    found = [
        CBAM(ChannelAttention(mlp, pools, blend=blend), spatial, order, residual)
        for (pools, blend), spatial, order, residual in itertools.product(
            DESCRIPTORS, spatials, orders, (False, True)
        )
    ]
    return sorted(found, key=lambda reading: len(departures(reading)))


def tie_rules(reading: CBAM) -> Iterator[CBAM]:
    """Yield the reading with every tie rule in either attention."""
    for channel, spatial in itertools.product(TIES, TIES if reading.spatial else TIES[:1]):
        yield replace(
            reading,
            channel=replace(reading.channel, ties=channel),
            spatial=reading.spatial and replace(reading.spatial, ties=spatial),
        )


def departures(reading: CBAM) -> list[str]:
    """Return what sets the reading apart from Eqs. 1 to 3; nothing if it is faithful."""
    channel, spatial = reading.channel, reading.spatial
    found = []
    if channel.blend:
        found.append("the channel gate passes the mean of both pools through the MLP once")
    if set(channel.pools) != set(BOTH):
        found.append(f"the channel gate pools the {WORDS[channel.pools[0]]} only")
    if spatial is None:
        found.append("there is no spatial gate")
    else:
        if spatial.blend:
            found.append("the spatial gate convolves the mean of both planes")
        if set(spatial.pools) != set(BOTH):
            found.append(f"the spatial gate pools the {WORDS[spatial.pools[0]]} only")
        kernel = spatial.conv.w.shape[2:]
        if any(size != 7 for size in kernel):
            found.append(f"the kernel has size {'x'.join(map(str, kernel))}, not 7")
    if reading.order != "channel-first":
        spelled = {"spatial-first": "the spatial gate comes first", "parallel": "both gates read x"}
        found.append(spelled[reading.order])
    if reading.residual:
        found.append("x is added back")
    return found


def conventions(reading: CBAM, ties: bool) -> dict[str, str]:
    """Return how the reading settles what the paper leaves open; `ties` if they were seen."""
    channel, spatial = reading.channel, reading.spatial
    biased = [name for name in ("b0", "b1") if getattr(channel.mlp, name) is not None]
    found = {
        "hidden units": f"{channel.mlp.w0.shape[0]} of {channel.mlp.w0.shape[1]} channels",
        "MLP biases": " and ".join(biased) or "none",
    }
    if spatial is not None:
        planes = " + ".join(spatial.pools) if spatial.blend else ", ".join(spatial.pools)
        found |= {
            "planes": f"[{planes}]",
            "convolution bias": "none" if spatial.conv.b is None else "one",
            "spatial norm": "none" if spatial.norm is None else f"eps {spatial.norm.eps:g}",
        }
    rules = list(dict.fromkeys(_rules(reading)))
    found["ties"] = (", ".join(rules) or "no maximum") if ties else "not seen"
    return found


def presets_of(reading: CBAM, ties: bool) -> list[str]:
    """Return the presets that the reading computes, of any reduction and kernel size."""
    return [name for name in PRESETS if _computes(reading, name, ties)]


def _computes(reading: CBAM, name: str, ties: bool) -> bool:
    how, channel, spatial = PRESETS[name], reading.channel, reading.spatial
    if (spatial is None) != (how.planes is None) or reading.order != "channel-first":
        return False
    same = [
        set(channel.pools) == set(how.pools),
        channel.blend == how.blend,
        (channel.mlp.b0 is not None) == (channel.mlp.b1 is not None) == how.mlp_bias,
        reading.residual == how.residual,
        not ties or all(rule == how.ties for rule in _rules(reading)),
    ]
    if spatial is not None:
        same += [
            spatial.pools == how.planes,
            spatial.blend == how.blend,
            (spatial.conv.b is not None) == how.conv_bias,
            (spatial.norm is not None) == (how.norm_momentum is not None),
        ]
    return all(same)


def _rules(reading: CBAM) -> list[str]:
    gates = [gate for gate in (reading.channel, reading.spatial) if gate is not None]
    return [gate.ties for gate in gates if "max" in gate.pools]


def _spatials(weights: Mapping[str, Array]) -> Iterator[SpatialAttention]:
    conv = Conv(weights["spatial.conv.w"], weights.get("spatial.conv.b"))
    norms: list[BatchNorm | None] = [None]
    if "spatial.norm.mean" in weights:
        mean, var = weights["spatial.norm.mean"], weights["spatial.norm.var"]
        gamma = weights.get("spatial.norm.gamma", np.ones(1))
        beta = weights.get("spatial.norm.beta", np.zeros(1))
        norms = [BatchNorm(gamma, beta, mean, var, eps) for eps in EPS]
    for (pools, blend), norm in itertools.product(PLANES[conv.w.shape[1]], norms):
        yield SpatialAttention(conv, pools, norm, blend=blend)
