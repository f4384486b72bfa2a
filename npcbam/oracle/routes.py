"""The routes on which dy goes back to x, each with a valve.

The gradient of CBAM is a sum over routes: dy reaches x as a factor of either product, and through
either map, and there through either pool. `pulled` walks them with a valve on each. A backward that
is wrong in one stage has one valve at another value than 1, and the value tells what is wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM, refine_vjp
from npcbam.channel_attention import ChannelAttention
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.precision import PRECISIONS
from npcbam.pointwise import scale_vjp, sigmoid_vjp
from npcbam.pooling import describe_vjp
from npcbam.spatial_attention import SpatialAttention

# In units of the largest entry: what a transform and its inverse spread over all the others.
SPREAD = 16
Valves = Mapping[str, float]
Cotangents = tuple[dict[str, Array], Array]
Attention = ChannelAttention | SpatialAttention


@dataclass(frozen=True, eq=False)
class Pulled:
    """What a candidate's backward gave on one input, and what it should have given.

    Attributes
    ----------
    name, x, dy : the input and the cotangent
    dparams, dx : the gradients that it gave, by leaf of the reading
    cbam : the reading
    dtype : the precision that it ran at
    """

    name: str
    x: Array
    dy: Array
    dparams: Mapping[str, Array]
    dx: Array
    cbam: CBAM
    dtype: str = "float64"

    @functools.cached_property
    def room(self) -> dict[str, Array]:
        """How far rounding may take each gradient, entry by entry: of "dx", and by leaf.

        Where an entry is 0 in every sum, by a Fourier transform it is 0 up to rounding.
        """
        room, (leaves, dx) = allowed(self.cbam, self.x, self.dy, self.dtype), self.expected
        found = {}
        for name, value in {"dx": dx, **leaves}.items():
            least = SPREAD * PRECISIONS[self.dtype].unit * float(np.abs(value).max(initial=0))
            bound = room["dx" if name == "dx" else f"d{name}"]
            found[name] = np.where(bound == 0, least, bound)
        return found

    @functools.cached_property
    def expected(self) -> Cotangents:
        """The gradients of the reading, by leaf, and dx."""
        dcbam, dx = self.cbam.vjp(self.x)[1](self.dy)
        return dict(tree.leaves(dcbam)), dx

    def turned(self, valves: Valves) -> Cotangents:
        """Return the gradients by leaf, and dx, with these valves; see `pulled`."""
        return pulled(self.cbam, self.x, self.dy, valves)


def pulled(cbam: CBAM, x: Array, dy: Array, valves: Valves | None = None) -> Cotangents:
    """Return the gradients, by leaf, and dx, with what flows on each route times its valve.

    Valves, 1 where they are not given: "channel map" and "spatial map", which all that flows
    through a map passes; "channel max" and its like, into a pool; "channel features" and "spatial
    features", the factor that the map multiplies; and "residual".
    """
    open_ = valves or {}
    walk = _pulled_parallel if cbam.order == "parallel" and cbam.spatial else _pulled_in_turn
    found, dx = walk(cbam, x, dy, open_)
    leaves = {f"{name}.{k}": leaf for name, d in found.items() for k, leaf in tree.leaves(d)}
    return leaves, dx + open_.get("residual", 1.0) * dy if cbam.residual else dx


def _pulled_in_turn(
    cbam: CBAM, x: Array, dy: Array, valves: Valves
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
        found[name], dmap = _through(name, attention, f, dz, valves)
        df = valves.get(f"{name} features", 1.0) * dfactor + dmap
    return found, df


def _pulled_parallel(
    cbam: CBAM, x: Array, dy: Array, valves: Valves
) -> tuple[dict[str, Attention], Array]:
    assert cbam.spatial is not None
    zc, zs = cbam.channel.logits_vjp(x)[0], cbam.spatial.logits_vjp(x)[0]
    gate, sigmoid_pullback = sigmoid_vjp(zc + zs)
    dgate, dfactor = scale_vjp(gate, x)[1](dy)
    dz = sigmoid_pullback(dgate)
    space = tuple(range(2, x.ndim))
    dzc, dzs = dz.sum(axis=space, keepdims=True), dz.sum(axis=1, keepdims=True)
    dchannel, by_channel = _through("channel", cbam.channel, x, dzc, valves)
    dspatial, by_spatial = _through("spatial", cbam.spatial, x, dzs, valves)
    dx = valves.get("channel features", 1.0) * dfactor + by_channel + by_spatial
    return {"channel": dchannel, "spatial": dspatial}, dx


def _through(
    name: str, attention: Attention, x: Array, dz: Array, valves: Valves
) -> tuple[Attention, Array]:
    """Return the gradients of an attention, and what reaches x through its pools."""
    axes = (1,) if name == "spatial" else tuple(range(2, x.ndim))
    dz = valves.get(f"{name} map", 1.0) * dz
    dattention, _ = attention.logits_vjp(x)[1](dz)
    fs, _ = describe_vjp(x, axes, attention.pools, attention.ties, attention.blend)
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
        alone = describe_vjp(x, axes, (pool,), attention.ties, blend=False)[1]
        parts.append(valves.get(f"{name} {pool}", 1.0) * alone([df]))
    return dattention, functools.reduce(np.add, parts)


def by_pool(leaf: str, each: Pulled) -> dict[str, Array]:
    """Return what each descriptor gives to a weight that they share."""
    channel = each.cbam.channel
    if not leaf.startswith("channel.mlp") or channel.blend or len(channel.pools) < 2:
        return {}
    whole = each.expected[0][leaf]
    x, dz = _at_channel(each)
    fs, _ = describe_vjp(x, tuple(range(2, x.ndim)), channel.pools, channel.ties, blend=False)
    found = {}
    for pool, f in zip(channel.pools, fs, strict=True):
        dmlp, _ = channel.mlp.vjp(f.reshape(x.shape[:2]))[1](dz)
        found[pool] = dict(tree.leaves(dmlp, "channel.mlp"))[leaf]
    total: Array = functools.reduce(np.add, found.values())
    return found if np.allclose(total, whole, 1e-9, 1e-9 * np.abs(whole).max()) else {}


def _at_channel(each: Pulled) -> tuple[Array, Array]:
    """Return what the channel gate reads, and the cotangent (N, C) of its logits."""
    cbam, x, df = each.cbam, each.x, each.dy
    channel, spatial = cbam.channel, cbam.spatial
    if cbam.order == "parallel" and spatial is not None:
        gate, sigmoid_pullback = sigmoid_vjp(channel.logits_vjp(x)[0] + spatial.logits_vjp(x)[0])
        dz = sigmoid_pullback(scale_vjp(gate, x)[1](df)[0])
        return x, dz.sum(axis=tuple(range(2, x.ndim)))
    if spatial is not None and cbam.order == "spatial-first":
        x = spatial(x) * x
    mc, sigmoid_pullback = sigmoid_vjp(channel.logits_vjp(x)[0])
    if spatial is not None and cbam.order == "channel-first":
        df = refine_vjp(spatial, mc * x)[1](df)[1]
    return x, sigmoid_pullback(scale_vjp(mc, x)[1](df)[0]).reshape(x.shape[:2])
