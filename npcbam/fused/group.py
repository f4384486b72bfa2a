"""All steps of a CBAM on one group of samples, forward and backward.

The shapes are (N, C, P) here, with N the samples of the group and all P positions in one axis. A
group larger than `BLOCK` is one sample, which is walked in blocks of channels, so that what a step
leaves is still in the cache for the next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from npcbam.cbam import CBAM
from npcbam.channel_attention import ChannelAttention
from npcbam.checks import Array
from npcbam.fused.banded import Bands, adjoint, banded_vjp
from npcbam.fused.pools import Walk
from npcbam.pointwise import sigmoid_vjp
from npcbam.spatial_attention import SpatialAttention

# In bytes: an eighth of a usual second-level cache.
BLOCK = 2**18

# Given the group's dy and where to write its dx; returns the cotangent of the parameters.
Pull: TypeAlias = Callable[[Array, Array], CBAM]


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

    def vjp(
        self, pooled: list[Array]
    ) -> tuple[Array, Callable[[Array], tuple[SpatialAttention, list[Array]]]]:
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


def channel_vjp(
    channel: ChannelAttention, pooled: list[Array]
) -> tuple[Array, Callable[[Array], tuple[ChannelAttention, list[Array]]]]:
    """Return Mc, (N, C, 1), of the pools' descriptors, (N, C, 1) each, in one pass of the MLP."""
    shape, count = pooled[0].shape, len(pooled)
    share = pooled[0].dtype.type(1) / pooled[0].dtype.type(count)
    fs = [share * functools.reduce(np.add, pooled)] if channel.blend else pooled
    z, mlp_pullback = channel.mlp.vjp(np.concatenate(fs)[:, :, 0])
    mc, sigmoid_pullback = sigmoid_vjp(z.reshape(len(fs), *shape).sum(axis=0))

    def channel_pullback(dmc: Array) -> tuple[ChannelAttention, list[Array]]:
        dz = sigmoid_pullback(dmc)
        dmlp, dpassed = mlp_pullback(np.concatenate([dz] * len(fs))[:, :, 0])
        dfs = list(dpassed.reshape(len(fs), *shape))
        dpooled = [share * dfs[0]] * count if channel.blend else dfs
        return replace(channel, mlp=dmlp), dpooled

    return mc, channel_pullback


def group_vjp(cbam: CBAM, spatial: Spatial | None, x_group: Array, y_group: Array) -> Pull:
    """Refine `x_group` into `y_group`, both (N, C, *S); return its `Pull`.

    Saved for backward: the descriptors, the planes and the two maps.
    """
    x = x_group.reshape(*x_group.shape[:2], -1)
    y, blocks = y_group.reshape(x.shape), _blocks(x)

    rows = Walk(lambda c: x[:, c], blocks, x.shape, 2, cbam.channel.pools, cbam.channel.ties)
    descriptors = rows.pool(x.dtype)
    mc, channel_pullback = channel_vjp(cbam.channel, descriptors)
    if spatial is not None:

        def gated(c: slice) -> Array:
            return np.multiply(x[:, c], mc[:, c], out=y[:, c])

        layer = spatial.layer
        columns = Walk(gated, blocks, x.shape, 1, layer.pools, layer.ties)
        planes = columns.pool(x.dtype)
        ms, spatial_pullback = spatial.vjp(planes)
    for c in blocks:
        if spatial is not None:
            y[:, c] *= ms
        else:
            np.multiply(x[:, c], mc[:, c], out=y[:, c])
        if cbam.residual:
            y[:, c] += x[:, c]

    def group_pull(dy_group: Array, dx_group: Array) -> CBAM:
        dy, dx = dy_group.reshape(x.shape), dx_group.reshape(x.shape)
        dmc = np.empty_like(mc)
        dspatial = None
        if spatial is None:
            for c in blocks:
                dmc[:, c] = (x[:, c] * dy[:, c]).sum(axis=2, keepdims=True)
        else:
            dms = np.zeros_like(ms)
            for c in blocks:
                t = x[:, c] * dy[:, c]
                dms += mc[:, c].swapaxes(1, 2) @ t
                dmc[:, c] = t @ ms.swapaxes(1, 2)
            dspatial, dplanes = spatial_pullback(dms)
            gates = replace(columns, features=lambda c: x[:, c] * mc[:, c])
            over = gates.share(planes, dplanes)
            if over.even is not None:
                dmc += x @ over.even.swapaxes(1, 2)
            if over.dense is not None:
                dmc += (x * over.dense).sum(axis=2, keepdims=True)
            if over.at is not None:
                row = over.at // x.shape[2]
                v = over.values * x.ravel()[over.at]
                dmc += np.bincount(row, v, minlength=mc.size).reshape(mc.shape).astype(x.dtype)
        dchannel, ddescriptors = channel_pullback(dmc)
        along = rows.share(descriptors, ddescriptors)
        for c in blocks:
            if spatial is None:
                d = dy[:, c] * mc[:, c]
            else:
                d = dy[:, c] * ms
                over.add_to(d, c)
                d *= mc[:, c]
            along.add_to(d, c)
            dx[:, c] = d + dy[:, c] if cbam.residual else d
        if spatial is not None and over.at is not None:
            dx.reshape(-1)[over.at] += mc.ravel()[row] * over.values
        if along.at is not None:
            dx.reshape(-1)[along.at] += along.values
        return replace(cbam, channel=dchannel, spatial=dspatial)

    return group_pull


def _blocks(x: Array) -> list[slice]:
    """Cut the channels of one large sample into blocks; several samples are one."""
    channels = x.shape[1]
    size = channels if len(x) > 1 else max(1, BLOCK // (x.nbytes // channels))
    return [slice(c, c + size) for c in range(0, channels, size)]
