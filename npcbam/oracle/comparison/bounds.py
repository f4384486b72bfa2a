"""How far honest rounding may take every entry of a CBAM's results from its exact value.

First-order rounding analysis, forward and backward; see `near`. An entry is allowed what *it*
costs, on this input with these weights. Where a maximum or a relu may switch within the error of
what it reads, its derivative is allowed either side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npcbam import arguments, tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.channel_attention import ChannelAttention
from npcbam.norm import BatchNorm
from npcbam.oracle.comparison.errors import (
    Axes,
    Near,
    backward,
    broadcast,
    convolve,
    linear,
    reciprocal_root,
    relu,
    reshape,
    scale,
    sigmoid,
    stack,
)
from npcbam.oracle.comparison.one_gate import OneGate
from npcbam.oracle.comparison.pooled_errors import logsumexp, lp, maximum, mean
from npcbam.oracle.precision import PRECISIONS
from npcbam.pooling import AVG, LP, LSE
from npcbam.spatial_attention import SpatialAttention


def allowed(block: CBAM | OneGate, x: Array, dy: Array | None, dtype: str) -> dict[str, Array]:
    """Return how far rounding may take y and all gradients of a block from their exact values.

    Parameters
    ----------
    block : in float64, in evaluation; its parameters and `x` and `dy` are taken as exact, so round
        them to the precision before
    x, dy : (N, C, *S), finite; None for dy leaves the gradients out
    dtype : "float64", "float32", "float16", "bfloat16" or "tf32"

    Returns
    -------
    The largest |got - expected|, entry by entry, of "y", "dx" and, with a "d" before it, of every
    leaf of `block`, as in "dchannel.mlp.w0"; infinite where the precision may overflow

    >>> x = np.random.default_rng(0).normal(size=(2, 32, 6, 5))
    >>> bounds = allowed(CBAM.init(0, channels=32), x, x, "float32")
    >>> bool(bounds["y"].max() < 1e-5), bounds["dchannel.mlp.w0"].shape
    (True, (2, 32))
    """
    arguments.choice("dtype", dtype, PRECISIONS)
    kind = PRECISIONS[dtype]

    def exact(a: Array) -> Near:
        return Near(np.asarray(a, np.float64), np.zeros(a.shape), kind)

    leaves = {path: exact(leaf) for path, leaf in tree.leaves(block)}
    start = exact(x)
    # Infinite bounds times 0 are of no matter: they stay infinite.
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        y = (
            _cbam(block, leaves, start)
            if isinstance(block, CBAM)
            else _one_gate(block, leaves, start)
        )
        bounds = {"y": y.reach}
        if dy is not None:
            found = backward(y, exact(dy))
            wanted = {"dx": start} | {f"d{path}": leaf for path, leaf in leaves.items()}
            bounds |= {name: found[id(node)].reach for name, node in wanted.items()}
    return {name: np.where(np.isnan(bound), np.inf, bound) for name, bound in bounds.items()}


def _cbam(cbam: CBAM, leaves: dict[str, Near], x: Near) -> Near:
    def channel(f: Near) -> Near:
        return _channel_logits(cbam.channel, leaves, f)

    def spatial(f: Near) -> Near:
        assert cbam.spatial is not None
        return _spatial_logits(cbam.spatial, leaves, f)

    steps = [channel] if cbam.spatial is None else [channel, spatial]
    if cbam.order == "parallel" and cbam.spatial is not None:
        y = scale(sigmoid(channel(x) + spatial(x)), x)
    else:
        y = x
        for logits in steps[::-1] if cbam.order == "spatial-first" else steps:
            y = scale(sigmoid(logits(y)), y)
    return y + x if cbam.residual else y


def _one_gate(block: OneGate, leaves: dict[str, Near], x: Near) -> Near:
    if block.channel is not None:
        logits = _channel_logits(block.channel, leaves, x)
    else:
        assert block.spatial is not None
        logits = _spatial_logits(block.spatial, leaves, x)
    gate = sigmoid(logits)
    if block.gives == "map":
        return gate
    if block.gives == "spread":
        return broadcast(gate, x.value.shape)
    return scale(gate, x) + x if block.residual else scale(gate, x)


def _channel_logits(channel: ChannelAttention, leaves: dict[str, Near], x: Near) -> Near:
    w0, w1, b0, b1 = (leaves.get(f"channel.mlp.{name}") for name in ("w0", "w1", "b0", "b1"))
    assert w0 is not None
    assert w1 is not None
    zs = []
    for f in _descriptors(channel, x, tuple(range(2, x.value.ndim))):
        a = linear(w0, reshape(f, x.value.shape[:2]))
        h = relu(a if b0 is None else a + reshape(b0, (1, -1)))
        z = linear(w1, h)
        zs.append(z if b1 is None else z + reshape(b1, (1, -1)))
    ones = (1,) * (x.value.ndim - 2)
    return reshape(_total(zs), (*x.value.shape[:2], *ones))


def _spatial_logits(spatial: SpatialAttention, leaves: dict[str, Near], x: Near) -> Near:
    planes = stack(_descriptors(spatial, x, (1,)))
    z = convolve(leaves["spatial.conv.w"], planes)
    column = (1,) * x.value.ndim
    if spatial.conv.b is not None:
        z = z + reshape(leaves["spatial.conv.b"], column)
    return z if spatial.norm is None else _norm(spatial.norm, leaves, z)


def _norm(norm: BatchNorm, leaves: dict[str, Near], z: Near) -> Near:
    # As γ/√v z + (β - γ/√v mean), which loses no less than γ (z - mean)/√v + β.
    gamma, beta, mean, var = (
        reshape(leaves[f"spatial.norm.{name}"], (1,) * z.value.ndim)
        for name in ("gamma", "beta", "mean", "var")
    )
    slope = gamma * reciprocal_root(var, norm.eps)
    shift = beta + (slope * mean).times(-1.0)
    return scale(slope, z) + shift


def _descriptors(attention: ChannelAttention | SpatialAttention, x: Near, axes: Axes) -> list[Near]:
    smooth = {AVG: mean, LP: lp, LSE: logsumexp}
    pooled = [
        maximum(x, axes, pool) if pool.ties else smooth[pool](x, axes) for pool in attention.pools
    ]
    return [_total(pooled).times(1 / len(pooled))] if attention.blend else pooled


def _total(nears: Sequence[Near]) -> Near:
    total = nears[0]
    for near in nears[1:]:
        total = total + near
    return total
