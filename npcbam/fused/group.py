"""All steps of a CBAM on one group of samples, forward and backward.

The shapes are (N, C, P) here, with N the samples of the group and all P positions in one axis. A
group larger than `BLOCK` is one sample, which is walked in blocks of channels, so that what a step
leaves is still in the cache for the next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.channel_attention import ChannelAttention
from npcbam.fused.banded import Bands, adjoint, banded_vjp
from npcbam.fused.kernels import Memory, gate_channels, outer, sigmoid_vjp
from npcbam.fused.pools import Block, Features, Pools, Share
from npcbam.fused.products import mlp_vjp, times_row
from npcbam.spatial_attention import SpatialAttention

A = TypeVar("A", ChannelAttention, SpatialAttention)
# In bytes: a quarter of a usual second-level cache.
BLOCK = 2**19

# Given the group's dy and where to write its dx; returns the cotangent of the parameters.
Pull: TypeAlias = Callable[[Array, Array], CBAM]
# From the cotangent of a map to those of its layer and of what was pooled for it.
GatePullback: TypeAlias = Callable[[Array], tuple[A, list[Array]]]


def channel_vjp(
    channel: ChannelAttention, pooled: list[Array]
) -> tuple[Array, GatePullback[ChannelAttention]]:
    """Return Mc, (N, C, 1), of the pools' descriptors, (N, C, 1) each, in one pass of the MLP."""
    shape, count = pooled[0].shape, len(pooled)
    share = pooled[0].dtype.type(1) / pooled[0].dtype.type(count)
    fs = [share * functools.reduce(np.add, pooled)] if channel.blend else pooled
    z, mlp_pullback = mlp_vjp(channel.mlp, np.concatenate(fs)[:, :, 0])
    mc, sigmoid_pullback = sigmoid_vjp(z.reshape(len(fs), *shape).sum(axis=0))

    def channel_pullback(dmc: Array) -> tuple[ChannelAttention, list[Array]]:
        dz = sigmoid_pullback(dmc)
        dmlp, dpassed = mlp_pullback(np.concatenate([dz] * len(fs))[:, :, 0])
        dfs = list(dpassed.reshape(len(fs), *shape))
        dpooled = [share * dfs[0]] * count if channel.blend else dfs
        return replace(channel, mlp=dmlp), dpooled

    return mc, channel_pullback


@dataclass(frozen=True, eq=False)
class Spatial:
    """The spatial attention, with its kernel as bands that all groups share."""

    layer: SpatialAttention
    bands: Bands
    flipped: Callable[[], Bands]

    @classmethod
    def of(cls, layer: SpatialAttention, space: tuple[int, ...]) -> Spatial:
        """Prepare `layer` for maps of (N, C, *space)."""
        w = layer.conv.w
        flipped = functools.cache(lambda: Bands.of(adjoint(w), space))
        return cls(layer, Bands.of(w, space), flipped)

    def vjp(self, pooled: list[Array]) -> tuple[Array, GatePullback[SpatialAttention]]:
        """Return Ms, (N, 1, P), of the pools' planes, (N, 1, P) each."""
        layer, count = self.layer, len(pooled)
        share = pooled[0].dtype.type(1) / pooled[0].dtype.type(count)
        planes = [share * functools.reduce(np.add, pooled)] if layer.blend else pooled
        maps = np.concatenate(planes, axis=1).reshape(len(pooled[0]), -1, *self.bands.space)
        z, conv_pullback = banded_vjp(layer.conv, self.bands, self.flipped, maps)
        if layer.norm is not None:
            z, norm_pullback = layer.norm.vjp(z)
        ms, sigmoid_pullback = sigmoid_vjp(z.reshape(len(z), 1, -1))

        def spatial_pullback(dms: Array) -> tuple[SpatialAttention, list[Array]]:
            dz, dnorm = sigmoid_pullback(dms).reshape(z.shape), None
            if layer.norm is not None:
                dnorm, dz = norm_pullback(dz)
            dconv, dmaps = conv_pullback(dz)
            dplanes = np.split(dmaps.reshape(len(z), dmaps.shape[1], -1), dmaps.shape[1], axis=1)
            dpooled = [share * dplanes[0]] * count if layer.blend else dplanes
            return replace(layer, conv=dconv, norm=dnorm), dpooled

        return ms, spatial_pullback


def group_vjp(cbam: CBAM, spatial: Spatial | None, x_group: Array, y_group: Array) -> Pull:
    """Refine `x_group` into `y_group`, both (N, C, *S), and return its `Pull`.

    Saved for backward: x, the descriptors, the planes and the two maps.
    """
    x = x_group.reshape(*x_group.shape[:2], -1)
    blocks, channel = list(_blocks(x)), cbam.channel
    rows = Pools(channel.pools, x.shape, axis=2)
    descriptors = rows.pool(lambda block: x[block], blocks, x.dtype)
    mc, channel_pullback = channel_vjp(channel, descriptors)
    ms = np.ones((len(x), 1, x.shape[2]), x.dtype)
    if spatial is not None:
        columns = Pools(spatial.layer.pools, x.shape, axis=1)
        # Backwards, because what was pooled last is still in the cache.
        planes = columns.pool(_gated(x, mc, blocks), blocks[::-1], x.dtype)
        ms, spatial_pullback = spatial.vjp(planes)
    _refine(x, mc, ms, blocks, y_group.reshape(x.shape), cbam.residual)

    def group_pull(dy_group: Array, dx_group: Array) -> CBAM:
        dy, dx = dy_group.reshape(x.shape), dx_group.reshape(x.shape)
        gated = _gated(x, mc, blocks)
        in_rows, in_planes = [], []

        def look(block: Block) -> None:
            in_rows.append(rows.held(x[block], block, descriptors))
            if spatial is not None:
                in_planes.append(columns.held(gated(block), block, planes))

        dms, dmc = _pull_gates(x, mc, ms, blocks, dy, look)
        dspatial, to_planes = None, None
        if spatial is not None:
            dspatial, dplanes = spatial_pullback(dms)
            to_planes = columns.share(gated, in_planes, dplanes)
            dmc += _through(to_planes, x)
        dchannel, ddescriptors = channel_pullback(dmc)
        to_rows = rows.share(lambda block: x[block], in_rows, ddescriptors)
        _pull_features(mc, ms, blocks, to_planes, to_rows, dy, dx, cbam.residual)
        return replace(cbam, channel=dchannel, spatial=dspatial)

    return group_pull


def _blocks(x: Array) -> Iterator[Block]:
    """Cut into whole samples, or one sample's channels, that the cache has room for."""
    n, channels, _ = x.shape
    row = x.nbytes // (n * channels)
    samples, size = max(1, BLOCK // (row * channels)), min(channels, max(1, BLOCK // row))
    for i in range(0, n, samples):
        for c in range(0, channels, size):
            yield slice(i, min(i + samples, n)), slice(c, min(c + size, channels))


def _gated(x: Array, mc: Array, blocks: list[Block]) -> Features:
    """Return what computes F' = mc ⊗ x of a block."""
    memory = Memory(x[blocks[0]])

    def features(block: Block) -> Array:
        return gate_channels(x[block], mc[block], memory.like(x[block]))

    return features


def _refine(x: Array, mc: Array, ms: Array, blocks: list[Block], y: Array, residual: bool) -> None:
    """Write (mc ⊗ ms) ⊗ x, and x if `residual`, into y, which is thus walked once."""
    memory = Memory(x[blocks[0]])
    for block in blocks:
        gate = outer(mc[block], ms[block[0]], memory.like(x[block]))
        if residual:
            gate *= x[block]
            np.add(gate, x[block], out=y[block])
        else:
            np.multiply(gate, x[block], out=y[block])


def _pull_gates(
    x: Array,
    mc: Array,
    ms: Array,
    blocks: list[Block],
    dy: Array,
    look: Callable[[Block], None],
) -> tuple[Array, Array]:
    """Return the cotangents of ms, and of mc as a factor alone; `look` at each block meanwhile."""
    dms, dmc = np.zeros_like(ms), np.empty_like(mc)
    memory = Memory(x[blocks[0]])
    for block in blocks:
        t = np.multiply(x[block], dy[block], out=memory.like(x[block]))
        dms[block[0]] += mc[block].swapaxes(1, 2) @ t
        dmc[block] = times_row(t, ms[block[0]])
        look(block)
    return dms, dmc


def _through(planes: Share, x: Array) -> Array:
    """Return what mc gets through the planes: Σ dF' x over the positions."""
    dmc = x @ planes.even.swapaxes(1, 2)
    terms = planes.values * x.reshape(-1)[planes.at]
    # Summed in float64, which costs nothing here.
    found = np.bincount(planes.at // x.shape[2], terms, minlength=dmc.size)
    dmc += found.reshape(dmc.shape).astype(x.dtype)
    if planes.dense is not None:
        dmc += (x * planes.dense).sum(axis=2, keepdims=True)
    return dmc


def _pull_features(
    mc: Array,
    ms: Array,
    blocks: list[Block],
    planes: Share | None,
    rows: Share,
    dy: Array,
    dx: Array,
    residual: bool,
) -> None:
    """Write dx = mc (ms dy + what the planes give) + what the descriptors give."""
    gates, shares = Memory(dx[blocks[0]]), Memory(dx[blocks[0]])
    even = np.zeros_like(ms) if planes is None else planes.even
    for block in blocks:
        d = outer(mc[block], ms[block[0]], gates.like(dy[block]))
        d *= dy[block]
        if planes is not None and planes.dense is not None:
            d += mc[block] * planes.dense[block]
        if rows.dense is not None:
            d += rows.dense[block]
        if residual:
            d += dy[block]
        share = outer(mc[block], even[block[0]], shares.like(d), rows.even[block])
        np.add(d, share, out=dx[block])
    flat = dx.reshape(-1)
    if planes is not None:
        flat[planes.at] += mc.reshape(-1)[planes.at // dx.shape[2]] * planes.values
    flat[rows.at] += rows.values
