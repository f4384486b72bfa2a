"""The known ways to compute Ms, Eq. 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npcbam import pooling
from npcbam.arguments import Array
from npcbam.conv import Conv
from npcbam.oracle.rules.functions import GATES, OUTPUTS, POOLS, softmax
from npcbam.oracle.rules.rule import FAITHFUL, VARIANT, WRONG, Row, Weights

SPATIAL_PAPER: dict[str, Any] = {
    "pools": ("avg", "max"),
    "kernel": "correlation",
    "padding": "zero",
    "offset": 0,
    "dilation": 1,
    "norm": "running",
    "eps": 1e-5,
    "after": "none",
    "factor": 1.0,
    "gate": "sigmoid",
    "spread": "none",
}

SPATIAL = (
    Row("spatial-paper", FAITHFUL, "the spatial gate follows Eq. 3, planes [avg, max]"),
    Row("spatial-max-avg", FAITHFUL, "the planes are [max, avg]", {"pools": ("max", "avg")}),
    Row("spatial-eps-0.001", FAITHFUL, "the norm has eps 0.001, Keras's", {"eps": 1e-3}),
    Row("spatial-eps-0.001-max-avg", FAITHFUL, "planes [max, avg], and eps 0.001", {"eps": 1e-3, "pools": ("max", "avg")}),
    Row("spatial-eps-0.0001", FAITHFUL, "the norm has eps 0.0001", {"eps": 1e-4}),
    Row("spatial-eps-1e-06", FAITHFUL, "the norm has eps 1e-06", {"eps": 1e-6}),
    Row("spatial-eps-1e-12", FAITHFUL, "the norm has eps 1e-12", {"eps": 1e-12}),
    Row("spatial-no-eps", WRONG, "the norm has no eps: where the variance is 0 it divides by 0", {"eps": 0.0}),
    Row("spatial-light", VARIANT, "one plane, the mean of both pools, as in timm's light block", {"pools": ("blend",)}),
    Row("spatial-light-eps", VARIANT, "one plane, the mean of both pools; eps 0.001", {"pools": ("blend",), "eps": 1e-3}),
    Row("spatial-avg-only", VARIANT, "the spatial gate pools the average only", {"pools": ("avg",)}),
    Row("spatial-max-only", VARIANT, "the spatial gate pools the maximum only", {"pools": ("max",)}),
    Row("spatial-min-for-avg", WRONG, "the minimum over the channels stands where the average belongs", {"pools": ("min", "max")}),
    Row("spatial-max-min", WRONG, "the minimum over the channels stands where the average belongs", {"pools": ("max", "min")}),
    Row("spatial-min-for-max", WRONG, "the minimum over the channels stands where the maximum belongs", {"pools": ("avg", "min")}),
    Row("spatial-avg-twice", WRONG, "both planes are the average: the maximum has no effect on Ms", {"pools": ("avg", "avg")}),
    Row("spatial-max-twice", WRONG, "both planes are the maximum: the average has no effect on Ms", {"pools": ("max", "max")}),
    Row("spatial-sum-for-avg", WRONG, "the sum over the channels stands where the average belongs", {"pools": ("sum", "max")}),
    Row("spatial-max-sum", WRONG, "the sum over the channels stands where the average belongs", {"pools": ("max", "sum")}),
    Row("spatial-sum-plane", WRONG, "the planes are added, and not stacked or averaged", {"pools": ("total",)}),
    Row("spatial-std-for-max", WRONG, "the standard deviation over the channels stands where the maximum belongs", {"pools": ("avg", "std")}),
    Row("spatial-std-for-max-biased", WRONG, "the standard deviation over the channels stands where the maximum belongs", {"pools": ("avg", "std-biased")}),
    Row("spatial-std-for-avg", WRONG, "the standard deviation over the channels stands where the average belongs", {"pools": ("std", "max")}),
    Row("spatial-std-for-avg-biased", WRONG, "the standard deviation over the channels stands where the average belongs", {"pools": ("std-biased", "max")}),
    Row("spatial-median-for-avg", WRONG, "the median over the channels stands where the average belongs", {"pools": ("median", "max")}),
    Row("spatial-median-for-max", WRONG, "the median over the channels stands where the maximum belongs", {"pools": ("avg", "median")}),
    Row("spatial-abs-max", WRONG, "the largest magnitude over the channels stands where the maximum belongs", {"pools": ("avg", "absmax")}),
    Row("spatial-lp-for-avg", WRONG, "the norm of the channels stands where the average belongs", {"pools": ("lp", "max")}),
    Row("spatial-first-channels", WRONG, "the planes are the first two channels, and no pools", {"pools": ("first", "second")}),
    Row("spatial-flipped-kernel", WRONG, "the kernel is flipped: a true convolution in place of a correlation", {"kernel": "flipped"}),
    Row("spatial-transposed-kernel", WRONG, "the kernel's rows and columns are exchanged", {"kernel": "transposed"}),
    Row("spatial-reflect-padding", WRONG, "the map is padded by reflection and not with zeros", {"padding": "reflect"}),
    Row("spatial-replicate-padding", WRONG, "the map is padded by its edge and not with zeros", {"padding": "edge"}),
    Row("spatial-circular-padding", WRONG, "the map is padded around and not with zeros", {"padding": "wrap"}),
    Row("spatial-shifted", WRONG, "the map is shifted by one position: the padding is not the same on both sides", {"offset": 1}),
    Row("spatial-shifted-back", WRONG, "the map is shifted by one position: the padding is not the same on both sides", {"offset": -1}),
    Row("spatial-shifted-2", WRONG, "the map is shifted by two positions: the padding is not the same on both sides", {"offset": 2}),
    Row("spatial-shifted-back-2", WRONG, "the map is shifted by two positions: the padding is not the same on both sides", {"offset": -2}),
    Row("spatial-shifted-3", WRONG, "the map is shifted by three positions: the padding is not the same on both sides", {"offset": 3}),
    Row("spatial-shifted-back-3", WRONG, "the map is shifted by three positions: the padding is not the same on both sides", {"offset": -3}),
    Row("spatial-dilated-2", WRONG, "the kernel is dilated by 2", {"dilation": 2}),
    Row("spatial-dilated-3", WRONG, "the kernel is dilated by 3", {"dilation": 3}),
    Row("spatial-dilated-4", WRONG, "the kernel is dilated by 4, as in BAM", {"dilation": 4}),
    Row("spatial-batch-statistics", WRONG, "the norm uses the batch's statistics in evaluation mode", {"norm": "batch"}),
    Row("spatial-sample-statistics", WRONG, "the norm uses each sample's own statistics, as InstanceNorm and GroupNorm do", {"norm": "sample"}),
    Row("spatial-batch-statistics-unbiased", WRONG, "the norm uses the batch's statistics in evaluation mode, and divides their squares by one less than their number", {"norm": "batch-unbiased"}),
    Row("spatial-sample-statistics-unbiased", WRONG, "the norm uses each sample's own statistics, and divides their squares by one less than their number", {"norm": "sample-unbiased"}),
    Row("spatial-norm-ignored", WRONG, "the norm is built but not applied", {"norm": "ignored"}),
    Row("spatial-norm-sqrt", WRONG, "the norm divides by the variance and not by its root", {"norm": "variance"}),
    Row("spatial-relu-before-sigmoid", WRONG, "a ReLU stands before the sigmoid, so that the map never goes below one half", {"after": "relu"}),
    Row("spatial-no-sigmoid", WRONG, "the spatial gate has no sigmoid: it is not bounded", {"gate": "none"}),
    Row("spatial-silu", WRONG, "SiLU stands where the sigmoid belongs", {"gate": "silu"}),
    Row("spatial-tanh", WRONG, "tanh stands where the sigmoid belongs: the map goes below 0", {"gate": "tanh"}),
    Row("spatial-relu", WRONG, "ReLU stands where the sigmoid belongs", {"gate": "relu"}),
    Row("spatial-hardsigmoid", WRONG, "a hard sigmoid stands where the sigmoid belongs", {"gate": "hardsigmoid"}),
    Row("spatial-clamp", WRONG, "the logits are cut off at 0 and 1, and not squashed by a sigmoid", {"gate": "clamp"}),
    Row("spatial-sigmoid-twice", WRONG, "the sigmoid is applied twice: the map stays between 0.5 and 0.73", {"gate": "sigmoid-twice"}),
    Row("spatial-one-plus", WRONG, "1 is added to the spatial map, and so F' to F''", {"gate": "one-plus"}),
    Row("spatial-one-minus", WRONG, "the spatial map is subtracted from 1", {"gate": "one-minus"}),
    Row("spatial-softmax", WRONG, "a softmax over the positions stands where the sigmoid belongs", {"gate": "softmax"}),
    Row("spatial-one-number", WRONG, "the map is averaged to one number per image", {"spread": "mean"}),
    Row("spatial-one-number-before", WRONG, "the logits are averaged to one number per image before the sigmoid", {"spread": "mean-logits"}),
    Row("spatial-max-number", WRONG, "the map is reduced to its largest value, one number per image", {"spread": "max"}),
)  # fmt: skip

PLANES: dict[str, Callable[[Array], Array]] = {
    "blend": lambda x: (pooling.mean(x, (1,)) + pooling.max(x, (1,))) / 2,
    "total": lambda x: pooling.mean(x, (1,)) + pooling.max(x, (1,)),
    "first": lambda x: x[:, :1],
    "second": lambda x: x[:, 1:2] if x.shape[1] > 1 else x[:, :1],
}


def spatial_logits(axes: Mapping[str, Any], weights: Weights, x: Array) -> Array:
    """Return what goes into the gate, (N, 1, *S)."""
    planes = [PLANES[p](x) if p in PLANES else POOLS[p](x, (1,)) for p in axes["pools"]]
    z = _convolve(axes, weights["k"], np.concatenate(planes, axis=1)) + weights.get("kb", 0)
    z = _normalise(axes, weights, z)
    if axes["spread"] == "mean-logits":
        z = z.mean(axis=tuple(range(2, z.ndim)), keepdims=True) + 0 * z
    scaled: Array = axes["factor"] * OUTPUTS[axes["after"]](z)
    return scaled


def spatial_map(axes: Mapping[str, Any], weights: Weights, x: Array) -> Array:
    """Return Ms of x, (N, 1, *S), as the axes say."""
    z = spatial_logits(axes, weights, x)
    space = tuple(range(2, x.ndim))
    if axes["gate"] == "softmax":
        return softmax(z.reshape(len(z), -1)).reshape(z.shape)
    ms = GATES[axes["gate"]](z)
    if axes["spread"] == "mean":
        ms = ms.mean(axis=space, keepdims=True) + 0 * ms
    if axes["spread"] == "max":
        ms = pooling.max(ms, space) + 0 * ms
    return ms


def _convolve(axes: Mapping[str, Any], k: Array, planes: Array) -> Array:
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
    if axes["padding"] == "zero" and not axes["offset"]:
        return Conv(np.ascontiguousarray(k))(np.ascontiguousarray(planes))
    mode = {"zero": "constant"}.get(axes["padding"], axes["padding"])
    around = [n // 2 for n in k.shape[2:]]
    margin = [(n + abs(axes["offset"]),) * 2 for n in around]
    padded = np.pad(planes, [(0, 0), (0, 0), *margin], mode=mode)
    whole = Conv(np.ascontiguousarray(k))(np.ascontiguousarray(padded))
    start = [n[0] - axes["offset"] for n in margin]
    inner = [slice(a, a + size) for a, size in zip(start, planes.shape[2:], strict=True)]
    return whole[(slice(None), slice(None), *inner)]


def _normalise(axes: Mapping[str, Any], weights: Weights, z: Array) -> Array:
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
