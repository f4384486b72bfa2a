"""The routes on which dy goes back to x, each with a gain.

The gradient of CBAM is a sum over routes: dy reaches x as a factor of either product, and through
either map, and there through either pool. `pulled` walks them with a gain on each. A backward that
is wrong in one stage has one gain that is not 1, and its value tells what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

from npcbam import tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM, refine_vjp
from npcbam.channel_attention import ChannelAttention
from npcbam.pointwise import scale_vjp, sigmoid_vjp
from npcbam.pooling import Pool
from npcbam.spatial_attention import SpatialAttention
from npcbam.types import Pullback

# How much of what flows is let through on each route; 1 where a route is not named.
Gains: TypeAlias = Mapping[str, float]
Cotangents: TypeAlias = tuple[dict[str, Array], Array]
Attention: TypeAlias = ChannelAttention | SpatialAttention


class Walked(Protocol):
    """A block that walks its routes itself, such as one gate alone."""

    @property
    def channel(self) -> ChannelAttention | None:
        """The channel gate."""

    def pulled(self, x: Array, dy: Array, gains: Gains) -> Cotangents:
        """Return what `pulled` does."""

    def at_logits(self, x: Array, dy: Array) -> Array:
        """Return the cotangent of its only gate's logits."""


def pulled(block: CBAM | Walked, x: Array, dy: Array, gains: Gains | None = None) -> Cotangents:
    """Return the gradients, by leaf, and dx, with what flows on each route times its gain.

    Gains, 1 where they are not given: "channel map" and "spatial map", which all that flows
    through a map passes; "channel max" and its like, into a pool; "channel features" and "spatial
    features", the factor that the map multiplies; and "residual".
    """
    gains = gains or {}
    if not isinstance(block, CBAM):
        return block.pulled(x, dy, gains)
    if block.order == "parallel" and block.spatial is not None:
        found, dx = _pulled_parallel(block, block.spatial, x, dy, gains)
    else:
        found, dx = _pulled_in_turn(block, x, dy, gains)
    leaves = {f"{name}.{k}": leaf for name, d in found.items() for k, leaf in tree.leaves(d)}
    return leaves, dx + gains.get("residual", 1.0) * dy if block.residual else dx


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
        found[name], dmap = through(name, attention, f, dz, gains)
        df = gains.get(f"{name} features", 1.0) * dfactor + dmap
    return found, df


def _pulled_parallel(
    cbam: CBAM, spatial: SpatialAttention, x: Array, dy: Array, gains: Gains
) -> tuple[dict[str, Attention], Array]:
    zc, zs = cbam.channel.logits_vjp(x)[0], spatial.logits_vjp(x)[0]
    gate, sigmoid_pullback = sigmoid_vjp(zc + zs)
    dgate, dfactor = scale_vjp(gate, x)[1](dy)
    dz = sigmoid_pullback(dgate)
    space = tuple(range(2, x.ndim))
    dzc, dzs = dz.sum(axis=space, keepdims=True), dz.sum(axis=1, keepdims=True)
    dchannel, by_channel = through("channel", cbam.channel, x, dzc, gains)
    dspatial, by_spatial = through("spatial", spatial, x, dzs, gains)
    dx = gains.get("channel features", 1.0) * dfactor + by_channel + by_spatial
    return {"channel": dchannel, "spatial": dspatial}, dx


def through(
    name: str, attention: Attention, x: Array, dz: Array, gains: Gains
) -> tuple[Attention, Array]:
    """Return the gradients of an attention, given its logits', and what reaches x by its map."""
    pools = [_with_gain(pool, gains.get(f"{name} {pool.name}", 1.0)) for pool in attention.pools]
    walked = replace(attention, pools=tuple(pools))
    dattention, dx = walked.logits_vjp(x)[1](gains.get(f"{name} map", 1.0) * dz)
    return replace(dattention, pools=attention.pools), dx


def _with_gain(pool: Pool, gain: float) -> Pool:
    """Return the pool, of whose gradient x gets `gain` times what it should."""

    def pool_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
        y, pullback = pool.vjp(x, axes)
        return y, lambda dy: gain * pullback(dy)

    return pool if gain == 1 else replace(pool, vjp=pool_vjp)


def by_pool(leaf: str, block: CBAM | Walked, x: Array, dy: Array) -> dict[str, Array]:
    """Return what each descriptor gives to the gradient of a weight that they share."""
    channel = block.channel
    if channel is None or not leaf.startswith("channel.mlp"):
        return {}
    if channel.blend or len(channel.pools) < 2:
        return {}
    x, dz = _at_channel(block, x, dy) if isinstance(block, CBAM) else (x, block.at_logits(x, dy))
    found = {}
    for pool in channel.pools:
        alone, _ = replace(channel, pools=(pool,)).logits_vjp(x)[1](dz)
        found[pool.name] = dict(tree.leaves(alone, "channel"))[leaf]
    return found


def _at_channel(cbam: CBAM, x: Array, dy: Array) -> tuple[Array, Array]:
    """Return what the channel gate reads, and the cotangent of its logits."""
    channel, spatial = cbam.channel, cbam.spatial
    if cbam.order == "parallel" and spatial is not None:
        gate, sigmoid_pullback = sigmoid_vjp(channel.logits_vjp(x)[0] + spatial.logits_vjp(x)[0])
        dz = sigmoid_pullback(scale_vjp(gate, x)[1](dy)[0])
        return x, dz.sum(axis=tuple(range(2, x.ndim)), keepdims=True)
    if spatial is not None and cbam.order == "spatial-first":
        x = spatial(x) * x
    mc, sigmoid_pullback = sigmoid_vjp(channel.logits_vjp(x)[0])
    if spatial is not None and cbam.order == "channel-first":
        dy = refine_vjp(spatial, mc * x)[1](dy)[1]
    return x, sigmoid_pullback(scale_vjp(mc, x)[1](dy)[0])
