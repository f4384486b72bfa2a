"""The routes on which dy goes back to x, each with a gain.

The gradient of CBAM is a sum over routes: dy reaches x as a factor of either product, and through
either map, and there through either pool. `pulled` walks them with a gain on each. A backward that
is wrong in one stage has one gain that is not 1, and its value tells what is wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM, refine_vjp
from npcbam.channel_attention import ChannelAttention
from npcbam.pointwise import scale_vjp, sigmoid_vjp
from npcbam.pooling import describe_vjp
from npcbam.spatial_attention import SpatialAttention

# How much of what flows is let through on each route; 1 where a route is not named.
Gains: TypeAlias = Mapping[str, float]
Cotangents: TypeAlias = tuple[dict[str, Array], Array]
Attention: TypeAlias = ChannelAttention | SpatialAttention


def pulled(cbam: CBAM, x: Array, dy: Array, gains: Gains | None = None) -> Cotangents:
    """Return the gradients, by leaf, and dx, with what flows on each route times its gain.

    Gains, 1 where they are not given: "channel map" and "spatial map", which all that flows
    through a map passes; "channel max" and its like, into a pool; "channel features" and "spatial
    features", the factor that the map multiplies; and "residual".
    """
    gains = gains or {}
    walk = _pulled_parallel if cbam.order == "parallel" and cbam.spatial else _pulled_in_turn
    found, dx = walk(cbam, x, dy, gains)
    leaves = {f"{name}.{k}": leaf for name, d in found.items() for k, leaf in tree.leaves(d)}
    return leaves, dx + gains.get("residual", 1.0) * dy if cbam.residual else dx


def _pulled_in_turn(
    cbam: CBAM, x: Array, dy: Array, gains: Gains
) -> tuple[dict[str, Attention], Array]:
    names = ["channel", "spatial"] if cbam.spatial is not None else ["channel"]
    if cbam.order == "spatial-first":
        names.reverse()
    walked, f = [], x
    for name in names:
        attention: Attention = getattr(cbam, name)
        gate = attention(f)
        walked.append((name, attention, f, gate))
        f = gate * f
    found, df = {}, dy
    for name, attention, f, gate in reversed(walked):
        dgate, dfactor = scale_vjp(gate, f)[1](df)
        dz = sigmoid_vjp(attention.logits_vjp(f)[0])[1](dgate)
        found[name], dmap = _through(name, attention, f, dz, gains)
        df = gains.get(f"{name} features", 1.0) * dfactor + dmap
    return found, df


def _pulled_parallel(
    cbam: CBAM, x: Array, dy: Array, gains: Gains
) -> tuple[dict[str, Attention], Array]:
    assert cbam.spatial is not None
    zc, zs = cbam.channel.logits_vjp(x)[0], cbam.spatial.logits_vjp(x)[0]
    gate, sigmoid_pullback = sigmoid_vjp(zc + zs)
    dgate, dfactor = scale_vjp(gate, x)[1](dy)
    dz = sigmoid_pullback(dgate)
    space = tuple(range(2, x.ndim))
    dzc, dzs = dz.sum(axis=space, keepdims=True), dz.sum(axis=1, keepdims=True)
    dchannel, by_channel = _through("channel", cbam.channel, x, dzc, gains)
    dspatial, by_spatial = _through("spatial", cbam.spatial, x, dzs, gains)
    dx = gains.get("channel features", 1.0) * dfactor + by_channel + by_spatial
    return {"channel": dchannel, "spatial": dspatial}, dx


def _through(
    name: str, attention: Attention, x: Array, dz: Array, gains: Gains
) -> tuple[Attention, Array]:
    """Return the gradients of an attention, and what reaches x through its pools."""
    axes = (1,) if name == "spatial" else tuple(range(2, x.ndim))
    dz = gains.get(f"{name} map", 1.0) * dz
    dattention, _ = attention.logits_vjp(x)[1](dz)
    fs, _ = describe_vjp(x, axes, attention.pools, attention.blend)
    if isinstance(attention, SpatialAttention):
        planes, conv_pullback = attention.conv.vjp(np.concatenate(fs, axis=1))
        if attention.norm is not None:
            dz = attention.norm.vjp(planes)[1](dz)[1]
        dplanes = conv_pullback(dz)[1]
        dfs = np.split(dplanes, dplanes.shape[1], axis=1)
    else:
        flat = dz.reshape(x.shape[:2])
        vjps = (attention.mlp.vjp(f.reshape(x.shape[:2])) for f in fs)
        dfs = [
            pullback(flat)[1].reshape(f.shape) for (_, pullback), f in zip(vjps, fs, strict=True)
        ]
    if attention.blend:
        dfs = [dfs[0] / len(attention.pools)] * len(attention.pools)
    parts = []
    for pool, df in zip(attention.pools, dfs, strict=True):
        alone = pool.vjp(x, axes)[1]
        parts.append(gains.get(f"{name} {pool.name}", 1.0) * alone(df))
    return dattention, functools.reduce(np.add, parts)


def by_pool(leaf: str, cbam: CBAM, x: Array, dy: Array) -> dict[str, Array]:
    """Return what each descriptor gives to the gradient of a weight that they share."""
    channel = cbam.channel
    if not leaf.startswith("channel.mlp") or channel.blend or len(channel.pools) < 2:
        return {}
    x, dz = _at_channel(cbam, x, dy)
    found = {}
    for pool in channel.pools:
        f, _ = pool.vjp(x, tuple(range(2, x.ndim)))
        dmlp, _ = channel.mlp.vjp(f.reshape(x.shape[:2]))[1](dz)
        found[pool.name] = dict(tree.leaves(dmlp, "channel.mlp"))[leaf]
    return found


def _at_channel(cbam: CBAM, x: Array, dy: Array) -> tuple[Array, Array]:
    """Return what the channel gate reads, and the cotangent (N, C) of its logits."""
    channel, spatial = cbam.channel, cbam.spatial
    if cbam.order == "parallel" and spatial is not None:
        gate, sigmoid_pullback = sigmoid_vjp(channel.logits_vjp(x)[0] + spatial.logits_vjp(x)[0])
        dz = sigmoid_pullback(scale_vjp(gate, x)[1](dy)[0])
        return x, dz.sum(axis=tuple(range(2, x.ndim)))
    if spatial is not None and cbam.order == "spatial-first":
        x = spatial(x) * x
    mc, sigmoid_pullback = sigmoid_vjp(channel.logits_vjp(x)[0])
    if spatial is not None and cbam.order == "channel-first":
        dy = refine_vjp(spatial, mc * x)[1](dy)[1]
    return x, sigmoid_pullback(scale_vjp(mc, x)[1](dy)[0]).reshape(x.shape[:2])
