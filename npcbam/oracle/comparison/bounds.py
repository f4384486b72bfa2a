"""How far honest rounding may take every entry of a CBAM's results from its exact value.

First-order rounding analysis, forward and backward; see `near`. An entry is allowed what *it*
costs, on this input with these weights. Where a maximum or a relu may switch within the error of
what it reads, its derivative is allowed either side.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable

import numpy as np

from npcbam import arguments, tree
from npcbam.arguments import Array
from npcbam.channel_attention import ChannelAttention
from npcbam.norm import BatchNorm
from npcbam.oracle.comparison import layer_errors
from npcbam.oracle.comparison.layer_errors import Axes, broadcast, reshape, sigmoid
from npcbam.oracle.comparison.one_gate import OneGate, Reference
from npcbam.oracle.comparison.rounding_errors import Near, backward
from npcbam.oracle.precision import PRECISIONS
from npcbam.pooling import AVG, LP, LSE
from npcbam.spatial_attention import SpatialAttention


def allowed(block: Reference, x: Array, dy: Array | None, dtype: str) -> dict[str, Array]:
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

    >>> from npcbam import CBAM
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
        y = _forward(block, leaves, start)
        bounds = {"y": y.reach}
        if dy is not None:
            found = backward(y, exact(dy))
            wanted = {"dx": start} | {f"d{path}": leaf for path, leaf in leaves.items()}
            bounds |= {name: found[id(node)].reach for name, node in wanted.items()}
    return {name: np.where(np.isnan(bound), np.inf, bound) for name, bound in bounds.items()}


def _forward(block: Reference, leaves: dict[str, Near], x: Near) -> Near:
    if isinstance(block, OneGate):
        gate = sigmoid(_logits(block.attention, leaves, x))
        shown = {"map": gate, "spread": broadcast(gate, x.value.shape)}
        y = shown[block.gives] if block.gives in shown else gate * x
    elif block.spatial is not None and block.order == "parallel":
        logits = (_logits(each, leaves, x) for each in (block.channel, block.spatial))
        y = sigmoid(_total(logits)) * x
    else:
        gates: list[ChannelAttention | SpatialAttention] = [block.channel]
        if block.spatial is not None:
            gates.append(block.spatial)
        y = x
        for each in gates[::-1] if block.order == "spatial-first" else gates:
            y = sigmoid(_logits(each, leaves, y)) * y
    return y + x if block.residual else y


def _logits(
    attention: ChannelAttention | SpatialAttention, leaves: dict[str, Near], x: Near
) -> Near:
    if isinstance(attention, ChannelAttention):
        return _channel_logits(attention, leaves, x)
    return _spatial_logits(attention, leaves, x)


def _channel_logits(channel: ChannelAttention, leaves: dict[str, Near], x: Near) -> Near:
    w0, w1 = leaves["channel.mlp.w0"], leaves["channel.mlp.w1"]
    b0, b1 = leaves.get("channel.mlp.b0"), leaves.get("channel.mlp.b1")
    zs = []
    for f in _descriptors(channel, x, tuple(range(2, x.value.ndim))):
        a = layer_errors.linear(w0, reshape(f, x.value.shape[:2]))
        h = layer_errors.relu(a if b0 is None else a + reshape(b0, (1, -1)))
        z = layer_errors.linear(w1, h)
        zs.append(z if b1 is None else z + reshape(b1, (1, -1)))
    ones = (1,) * (x.value.ndim - 2)
    return reshape(_total(zs), (*x.value.shape[:2], *ones))


def _spatial_logits(spatial: SpatialAttention, leaves: dict[str, Near], x: Near) -> Near:
    planes = layer_errors.stack(_descriptors(spatial, x, (1,)))
    z = layer_errors.convolve(leaves["spatial.conv.w"], planes)
    if spatial.conv.b is not None:
        z = z + reshape(leaves["spatial.conv.b"], (1,) * x.value.ndim)
    return z if spatial.norm is None else _norm(spatial.norm, leaves, z)


def _norm(norm: BatchNorm, leaves: dict[str, Near], z: Near) -> Near:
    # As γ/√v z + (β - γ/√v mean), which loses no less than γ (z - mean)/√v + β.
    gamma, beta, mean, var = (
        reshape(leaves[f"spatial.norm.{name}"], (1,) * z.value.ndim)
        for name in ("gamma", "beta", "mean", "var")
    )
    slope = gamma * layer_errors.reciprocal_root(var, norm.eps)
    return slope * z + (beta + (slope * mean).times(-1.0))


def _descriptors(attention: ChannelAttention | SpatialAttention, x: Near, axes: Axes) -> list[Near]:
    smooth = {AVG: layer_errors.mean, LP: layer_errors.lp, LSE: layer_errors.logsumexp}
    pooled = [
        layer_errors.maximum(x, axes, pool) if pool.ties else smooth[pool](x, axes)
        for pool in attention.pools
    ]
    return [_total(pooled).times(1 / len(pooled))] if attention.blend else pooled


def _total(nears: Iterable[Near]) -> Near:
    return functools.reduce(operator.add, nears)
