"""Ms, Eq. 3, by axes: what the paper says of each, and the rules that set another value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npcbam import pooling
from npcbam.arguments import Array
from npcbam.conv import Conv
from npcbam.oracle.rules import (
    spatial_convolution,
    spatial_gate,
    spatial_norm,
    spatial_planes,
    spatial_pools,
)
from npcbam.oracle.rules.functions import NONE, POOLS, SIGMOID
from npcbam.oracle.rules.rule import Axes, Rule, Weights

# The padding is a mode of `np.pad`: zeros around.
SPATIAL_PAPER: Axes = {
    "pools": ("avg", "max"),
    "kernel": "correlation",
    "padding": "constant",
    "offset": 0,
    "dilation": 1,
    "norm": "running",
    "eps": 1e-5,
    "after": NONE,
    "factor": 1.0,
    "gate": SIGMOID,
    "spread": "none",
}

# All that is known of the spatial gate; the paper's first.
RULES: tuple[Rule, ...] = (
    *spatial_planes.RULES,
    *spatial_pools.RULES,
    *spatial_convolution.RULES,
    *spatial_norm.RULES,
    *spatial_gate.RULES,
)


PLANES: dict[str, Callable[[Array], Array]] = {
    "blend": lambda x: (pooling.mean(x, (1,)) + pooling.max(x, (1,))) / 2,
    "total": lambda x: pooling.mean(x, (1,)) + pooling.max(x, (1,)),
    "first": lambda x: x[:, :1],
    "second": lambda x: x[:, 1:2] if x.shape[1] > 1 else x[:, :1],
}


def spatial_logits(axes: Axes, weights: Weights, x: Array) -> Array:
    """Return what goes into the gate, (N, 1, *S)."""
    planes = [PLANES[p](x) if p in PLANES else POOLS[p](x, (1,)) for p in axes["pools"]]
    z = _convolve(axes, weights["k"], np.concatenate(planes, axis=1)) + weights.get("kb", 0)
    z = _normalise(axes, weights, z)
    if axes["spread"] == "mean-logits":
        z = z.mean(axis=tuple(range(2, z.ndim)), keepdims=True) + 0 * z
    scaled: Array = axes["factor"] * axes["after"](z)
    return scaled


def spatial_gated(axes: Axes, z: Array) -> Array:
    """Return the map Ms of its logits."""
    space = tuple(range(2, z.ndim))
    ms: Array = axes["gate"](z)
    if axes["spread"] == "mean":
        ms = ms.mean(axis=space, keepdims=True) + 0 * ms
    if axes["spread"] == "max":
        ms = pooling.max(ms, space) + 0 * ms
    return ms


def spatial_map(axes: Axes, weights: Weights, x: Array) -> Array:
    """Return Ms of x, (N, 1, *S), as the axes say."""
    return spatial_gated(axes, spatial_logits(axes, weights, x))


def _convolve(axes: Axes, k: Array, planes: Array) -> Array:
    space = tuple(range(2, k.ndim))
    if axes["kernel"] == "flipped":
        k = np.flip(k, axis=space)
    if axes["kernel"] == "transposed":
        k = np.swapaxes(k, -1, -2) if k.ndim > 3 else np.flip(k, axis=2)
    if axes["dilation"] > 1:
        sizes = [(n - 1) * axes["dilation"] + 1 for n in k.shape[2:]]
        dilated = np.zeros((*k.shape[:2], *sizes), k.dtype)
        dilated[(slice(None), slice(None), *[slice(None, None, axes["dilation"])] * len(sizes))] = k
        k = dilated
    if axes["padding"] == "constant" and not axes["offset"]:
        return Conv(np.ascontiguousarray(k))(np.ascontiguousarray(planes))
    around = [n // 2 for n in k.shape[2:]]
    margin = [(n + abs(axes["offset"]),) * 2 for n in around]
    padded = np.pad(planes, [(0, 0), (0, 0), *margin], mode=axes["padding"])
    whole = Conv(np.ascontiguousarray(k))(np.ascontiguousarray(padded))
    start = [n[0] - axes["offset"] for n in margin]
    inner = [slice(a, a + size) for a, size in zip(start, planes.shape[2:], strict=True)]
    return whole[(slice(None), slice(None), *inner)]


def _normalise(axes: Axes, weights: Weights, z: Array) -> Array:
    kind, _, unbiased = axes["norm"].partition("-")
    mean, var = weights.get("mean"), weights.get("var")
    if kind in ("batch", "sample"):
        over = (0, *range(2, z.ndim)) if kind == "batch" else tuple(range(2, z.ndim))
        mean = z.mean(axis=over, keepdims=True)
        count = z.size // mean.size
        var = np.square(z - mean).sum(axis=over, keepdims=True) / max(count - bool(unbiased), 1)
    elif mean is None or var is None or kind == "ignored":
        return z
    root = var + axes["eps"] if kind == "variance" else np.sqrt(var + axes["eps"])
    # Without an eps it may be 0 / 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        normal: Array = (z - mean) / root
    scaled: Array = normal * weights.get("gamma", 1) + weights.get("beta", 0)
    return scaled
