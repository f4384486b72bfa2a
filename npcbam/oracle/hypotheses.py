"""The known ways to compute each stage, as data: faithful, variant or wrong, each with its sentence.

A stage is a `dict` of axes. A row of a table sets one axis to another value than the paper's, and
says what that is. Three tables, one a stage: `CHANNEL` for Mc, `SPATIAL` for Ms, `COMPOSE` for what
is done with both. All rows run on complex numbers, so that the complex step gives their gradients.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npcbam import pooling
from npcbam.checks import Array
from npcbam.conv import Conv
from npcbam.oracle.findings import Status
from npcbam.pointwise import relu, sigmoid

FAITHFUL: Status = "faithful"
VARIANT: Status = "variant"
WRONG: Status = "wrong"
Weights = Mapping[str, Array]


@dataclass(frozen=True)
class Row:
    """One way to compute a stage, set apart from the paper's by `sets`.

    Attributes
    ----------
    code : a stable word for scripts
    status : "faithful" (a convention that the paper leaves open), "variant" or "wrong"
    message : what it does, in a sentence for a newcomer
    sets : the axes of the stage that it sets
    """

    code: str
    status: Status
    message: str
    sets: Mapping[str, Any] = field(default_factory=dict)


# Channel attention

CHANNEL_PAPER: dict[str, Any] = {
    "pools": ("avg", "max"),
    "merge": "logits",
    "activation": "relu",
    "output": "none",
    "gate": "sigmoid",
    "mlps": "shared",
}

CHANNEL = (
    Row("channel-paper", FAITHFUL, "the channel gate follows Eq. 2"),
    Row("channel-avg-only", VARIANT, "the channel gate pools the average only, as SE does", {"pools": ("avg",)}),
    Row("channel-max-only", VARIANT, "the channel gate pools the maximum only", {"pools": ("max",)}),
    Row("channel-lp", VARIANT, "the channel gate adds the authors' lp pool", {"pools": ("avg", "max", "lp")}),
    Row("channel-lse", VARIANT, "the channel gate adds the authors' log-sum-exp pool", {"pools": ("avg", "max", "lse")}),
    Row("channel-all-pools", VARIANT, "the channel gate uses all four of the authors' pools", {"pools": ("avg", "max", "lp", "lse")}),
    Row("channel-light", VARIANT, "the mean of both descriptors passes the MLP once, as in timm's light block", {"merge": "mean"}),
    Row("channel-avg-twice", WRONG, "the channel gate pools the average twice: the max descriptor has no effect on Mc", {"pools": ("avg", "avg")}),
    Row("channel-max-twice", WRONG, "the channel gate pools the maximum twice: the average descriptor has no effect on Mc", {"pools": ("max", "max")}),
    Row("channel-min-for-avg", WRONG, "the channel gate pools the minimum where the average belongs", {"pools": ("min", "max")}),
    Row("channel-min-for-max", WRONG, "the channel gate pools the minimum where the maximum belongs", {"pools": ("avg", "min")}),
    Row("channel-sum-for-avg", WRONG, "the channel gate sums over positions and forgets to divide by their number", {"pools": ("sum", "max")}),
    Row("channel-std-pool", WRONG, "the channel gate pools the standard deviation where the maximum belongs", {"pools": ("avg", "std")}),
    Row("channel-abs-max", WRONG, "the channel gate takes the largest magnitude where the maximum belongs", {"pools": ("avg", "absmax")}),
    Row("channel-max-from-zero", WRONG, "the maximum never goes below 0: it is padded with zeros, or starts from 0", {"pools": ("avg", "max0")}),
    Row("channel-first-position", WRONG, "the maximum is taken over the first axis of the map alone, and then averaged", {"pools": ("avg", "maxmean")}),
    Row("channel-merged-before-mlp", WRONG, "the descriptors are added before the MLP, and pass it once", {"merge": "sum"}),
    Row("channel-product", WRONG, "the descriptors are multiplied before the MLP", {"merge": "product"}),
    Row("channel-two-sigmoids", WRONG, "each branch has its own sigmoid and the two are added: the gate runs to 2", {"merge": "sigmoids"}),
    Row("channel-mean-of-sigmoids", WRONG, "each branch has its own sigmoid and the two are averaged", {"merge": "sigmoids-mean"}),
    Row("channel-product-of-sigmoids", WRONG, "each branch has its own sigmoid and the two are multiplied", {"merge": "sigmoids-product"}),
    Row("channel-max-of-logits", WRONG, "the larger of the two logits is taken in place of their sum", {"merge": "logits-max"}),
    Row("channel-mean-of-logits", WRONG, "the logits are averaged in place of added", {"merge": "logits-mean"}),
    Row("channel-difference", WRONG, "the logits are subtracted in place of added", {"merge": "logits-difference"}),
    Row("channel-relu-after", WRONG, "a ReLU follows the second layer, so that the gate never goes below one half", {"output": "relu"}),
    Row("channel-sigmoid-twice", WRONG, "the sigmoid is applied twice: the gate stays between 0.5 and 0.73", {"gate": "sigmoid-twice"}),
    Row("channel-no-sigmoid", WRONG, "the channel gate has no sigmoid: it is not bounded", {"gate": "none"}),
    Row("channel-tanh", WRONG, "tanh stands where the sigmoid belongs: the gate goes below 0", {"gate": "tanh"}),
    Row("channel-hardsigmoid", WRONG, "a hard sigmoid stands where the sigmoid belongs", {"gate": "hardsigmoid"}),
    Row("channel-softmax", WRONG, "a softmax over the channels stands where the sigmoid belongs", {"gate": "softmax"}),
    Row("channel-silu-gate", WRONG, "SiLU stands where the sigmoid belongs", {"gate": "silu"}),
    Row("channel-relu-gate", WRONG, "ReLU stands where the sigmoid belongs", {"gate": "relu"}),
    Row("channel-one-plus", WRONG, "1 is added to the channel gate", {"gate": "one-plus"}),
    Row("channel-one-minus", WRONG, "the channel gate is subtracted from 1", {"gate": "one-minus"}),
    Row("channel-doubled", WRONG, "the channel gate is doubled", {"gate": "twice"}),
    Row("channel-linear", WRONG, "the MLP has no activation between its layers", {"activation": "none"}),
    Row("channel-silu", WRONG, "SiLU stands in the MLP where ReLU belongs", {"activation": "silu"}),
    Row("channel-elu", WRONG, "ELU stands in the MLP where ReLU belongs", {"activation": "elu"}),
    Row("channel-gelu", WRONG, "GELU stands in the MLP where ReLU belongs", {"activation": "gelu"}),
    Row("channel-gelu-tanh", WRONG, "GELU (by tanh) stands in the MLP where ReLU belongs", {"activation": "gelu-tanh"}),
    Row("channel-leaky-relu", WRONG, "LeakyReLU (0.01) stands in the MLP where ReLU belongs", {"activation": "leaky-0.01"}),
    Row("channel-leaky-relu-0.1", WRONG, "LeakyReLU (0.1) stands in the MLP where ReLU belongs", {"activation": "leaky-0.1"}),
    Row("channel-leaky-relu-0.2", WRONG, "LeakyReLU (0.2) stands in the MLP where ReLU belongs", {"activation": "leaky-0.2"}),
    Row("channel-tanh-hidden", WRONG, "tanh stands in the MLP where ReLU belongs", {"activation": "tanh"}),
    Row("channel-sigmoid-hidden", WRONG, "a sigmoid stands in the MLP where ReLU belongs", {"activation": "sigmoid"}),
    Row("channel-relu6", WRONG, "ReLU6 stands in the MLP where ReLU belongs", {"activation": "relu6"}),
    Row("channel-hardswish", WRONG, "Hardswish stands in the MLP where ReLU belongs", {"activation": "hardswish"}),
    Row("channel-separate-mlps", WRONG, "each descriptor has an MLP of its own: Eq. 2 shares one", {"mlps": "separate"}),
    Row("channel-separate-mlps-swapped", WRONG, "each descriptor has an MLP of its own: Eq. 2 shares one", {"mlps": "swapped"}),
    Row("channel-single-layer", WRONG, "the MLP is a single layer, with no hidden one", {"mlps": "single"}),
    Row("channel-no-mlp", WRONG, "there is no MLP: the descriptors are the logits", {"mlps": "none"}),
)  # fmt: skip


def channel_logits(axes: Mapping[str, Any], weights: Weights, x: Array) -> Array:
    """Return what goes into the gate, (N, C), before "sigmoids" merges."""
    return _merged(axes, weights, x)[0]


def channel_map(axes: Mapping[str, Any], weights: Weights, x: Array) -> Array:
    """Return Mc of x, (N, C, 1, ...), as the axes say."""
    z, squashed = _merged(axes, weights, x)
    mc = z if squashed else GATES[axes["gate"]](z)
    return mc.reshape(*x.shape[:2], *[1] * (x.ndim - 2))


def _merged(axes: Mapping[str, Any], weights: Weights, x: Array) -> tuple[Array, bool]:
    space = tuple(range(2, x.ndim))
    f = [POOLS[pool](x, space).reshape(x.shape[:2]) for pool in axes["pools"]]
    merge = axes["merge"]
    if merge in ("mean", "sum", "product"):
        f = [functools.reduce(np.multiply if merge == "product" else np.add, f)]
        f = [f[0] / len(axes["pools"])] if merge == "mean" else f
    z = [OUTPUTS[axes["output"]](_mlp(axes, weights, d, i)) for i, d in enumerate(f)]
    if merge.startswith("sigmoids"):
        gates = [GATES[axes["gate"]](each) for each in z]
        total = functools.reduce(np.multiply if merge == "sigmoids-product" else np.add, gates)
        return (total / len(z) if merge == "sigmoids-mean" else total), True
    if merge == "logits-max":
        return functools.reduce(np.maximum, z), False
    if merge == "logits-difference":
        return functools.reduce(np.subtract, z), False
    total = functools.reduce(np.add, z)
    return (total / len(z) if merge == "logits-mean" else total), False


def _mlp(axes: Mapping[str, Any], weights: Weights, f: Array, which: int) -> Array:
    kind = axes["mlps"]
    if kind == "none":
        return f
    second = kind != "shared" and (which == 1) != (kind == "swapped")
    suffix = "" if kind in ("shared", "single") or not second else "'"
    h = f @ weights[f"w0{suffix}"].T + weights.get(f"b0{suffix}", 0)
    if kind == "single":
        return h
    h = ACTIVATIONS[axes["activation"]](h)
    return h @ weights[f"w1{suffix}"].T + weights.get(f"b1{suffix}", 0)


def _clip(z: Array, low: float, high: float) -> Array:
    return np.minimum(np.maximum(z, low), high)


def _erf(z: Array) -> Array:
    from scipy.special import erf

    value: Array = erf(z)
    return value


def _std(x: Array, axes: tuple[int, ...]) -> Array:
    centred = x - x.mean(axis=axes, keepdims=True)
    count = math.prod(x.shape[axis] for axis in axes)
    std: Array = np.sqrt(np.square(centred).sum(axis=axes, keepdims=True) / max(count - 1, 1))
    return std


POOLS: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "avg": pooling.mean,
    "max": pooling.max,
    "lp": pooling.lp,
    "lse": pooling.logsumexp,
    "min": lambda x, axes: -pooling.max(-x, axes),
    "sum": lambda x, axes: x.sum(axis=axes, keepdims=True),
    "std": _std,
    "absmax": lambda x, axes: pooling.max(np.maximum(x, -x), axes),
    "max0": lambda x, axes: np.maximum(pooling.max(x, axes), 0),
    "maxmean": lambda x, axes: pooling.mean(pooling.max(x, axes[:1]), axes),
    "square": lambda x, axes: pooling.mean(x * x, axes),
}
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
    "none": lambda z: z,
    "silu": lambda z: z * sigmoid(z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * (1 + _erf(z / math.sqrt(2))) / 2,
    "gelu-tanh": lambda z: z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2,
    "leaky-0.01": lambda z: np.where(z > 0, z, 0.01 * z),
    "leaky-0.1": lambda z: np.where(z > 0, z, 0.1 * z),
    "leaky-0.2": lambda z: np.where(z > 0, z, 0.2 * z),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu6": lambda z: _clip(z, 0, 6),
    "hardswish": lambda z: z * _clip(z + 3, 0, 6) / 6,
}
OUTPUTS: dict[str, Callable[[Array], Array]] = {"none": lambda z: z, "relu": relu}


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.real.max(axis=1, keepdims=True))
    share: Array = e / e.sum(axis=1, keepdims=True)
    return share


GATES: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid,
    "none": lambda z: z,
    "sigmoid-twice": lambda z: sigmoid(np.array(sigmoid(z))),
    "tanh": np.tanh,
    "hardsigmoid": lambda z: _clip(z + 3, 0, 6) / 6,
    "softmax": _softmax,
    "silu": lambda z: z * sigmoid(z),
    "relu": relu,
    "one-plus": lambda z: 1 + sigmoid(z),
    "one-minus": lambda z: 1 - sigmoid(z),
    "twice": lambda z: 2 * sigmoid(z),
}

# Spatial attention

SPATIAL_PAPER: dict[str, Any] = {
    "pools": ("avg", "max"),
    "kernel": "correlation",
    "padding": "zero",
    "offset": 0,
    "dilation": 1,
    "norm": "running",
    "eps": 1e-5,
    "after": "none",
    "gate": "sigmoid",
    "spread": "none",
}

SPATIAL = (
    Row("spatial-paper", FAITHFUL, "the spatial gate follows Eq. 3, planes [avg, max]"),
    Row("spatial-max-avg", FAITHFUL, "the planes are [max, avg]", {"pools": ("max", "avg")}),
    Row("spatial-eps-0.001", FAITHFUL, "the norm has eps 0.001, Keras's", {"eps": 1e-3}),
    Row("spatial-eps-0.001-max-avg", FAITHFUL, "planes [max, avg], and eps 0.001", {"eps": 1e-3, "pools": ("max", "avg")}),
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
    Row("spatial-first-channels", WRONG, "the planes are the first two channels, and no pools", {"pools": ("first", "second")}),
    Row("spatial-flipped-kernel", WRONG, "the kernel is flipped: a true convolution in place of a correlation", {"kernel": "flipped"}),
    Row("spatial-transposed-kernel", WRONG, "the kernel's rows and columns are exchanged", {"kernel": "transposed"}),
    Row("spatial-reflect-padding", WRONG, "the map is padded by reflection and not with zeros", {"padding": "reflect"}),
    Row("spatial-replicate-padding", WRONG, "the map is padded by its edge and not with zeros", {"padding": "edge"}),
    Row("spatial-circular-padding", WRONG, "the map is padded around and not with zeros", {"padding": "wrap"}),
    Row("spatial-shifted", WRONG, "the map is shifted by one position: the padding is not the same on both sides", {"offset": 1}),
    Row("spatial-shifted-back", WRONG, "the map is shifted by one position: the padding is not the same on both sides", {"offset": -1}),
    Row("spatial-dilated-2", WRONG, "the kernel is dilated by 2", {"dilation": 2}),
    Row("spatial-dilated-3", WRONG, "the kernel is dilated by 3", {"dilation": 3}),
    Row("spatial-dilated-4", WRONG, "the kernel is dilated by 4, as in BAM", {"dilation": 4}),
    Row("spatial-batch-statistics", WRONG, "the norm uses the batch's statistics in evaluation mode", {"norm": "batch"}),
    Row("spatial-sample-statistics", WRONG, "the norm uses each sample's own statistics", {"norm": "sample"}),
    Row("spatial-norm-ignored", WRONG, "the norm is built but not applied", {"norm": "ignored"}),
    Row("spatial-norm-sqrt", WRONG, "the norm divides by the variance and not by its root", {"norm": "variance"}),
    Row("spatial-relu-before-sigmoid", WRONG, "a ReLU stands before the sigmoid, so that the map never goes below one half", {"after": "relu"}),
    Row("spatial-no-sigmoid", WRONG, "the spatial gate has no sigmoid: it is not bounded", {"gate": "none"}),
    Row("spatial-silu", WRONG, "SiLU stands where the sigmoid belongs", {"gate": "silu"}),
    Row("spatial-tanh", WRONG, "tanh stands where the sigmoid belongs: the map goes below 0", {"gate": "tanh"}),
    Row("spatial-relu", WRONG, "ReLU stands where the sigmoid belongs", {"gate": "relu"}),
    Row("spatial-hardsigmoid", WRONG, "a hard sigmoid stands where the sigmoid belongs", {"gate": "hardsigmoid"}),
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
    return OUTPUTS[axes["after"]](z)


def spatial_map(axes: Mapping[str, Any], weights: Weights, x: Array) -> Array:
    """Return Ms of x, (N, 1, *S), as the axes say."""
    z = spatial_logits(axes, weights, x)
    space = tuple(range(2, x.ndim))
    if axes["gate"] == "softmax":
        return _softmax(z.reshape(len(z), -1)).reshape(z.shape)
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
    if axes["offset"]:
        planes = _shift(planes, axes["offset"])
    if axes["padding"] == "zero":
        return Conv(np.ascontiguousarray(k))(np.ascontiguousarray(planes))
    margin = [(0, 0), (0, 0), *((n // 2, n // 2) for n in k.shape[2:])]
    padded = np.pad(planes, margin, mode=axes["padding"])
    whole = Conv(np.ascontiguousarray(k))(np.ascontiguousarray(padded))
    inner = [
        slice(n // 2, n // 2 + size) for n, size in zip(k.shape[2:], planes.shape[2:], strict=True)
    ]
    return whole[(slice(None), slice(None), *inner)]


def _shift(planes: Array, by: int) -> Array:
    """Move the planes by one position along every spatial axis, zeros coming in."""
    moved = planes
    for axis in range(2, planes.ndim):
        moved = np.roll(moved, by, axis=axis)
        edge: list[Any] = [slice(None)] * planes.ndim
        edge[axis] = slice(0, by) if by > 0 else slice(by, None)
        moved[tuple(edge)] = 0
    return moved


def _normalise(axes: Mapping[str, Any], weights: Weights, z: Array) -> Array:
    if "mean" not in weights or axes["norm"] == "ignored":
        return z
    mean, var = weights["mean"], weights["var"]
    if axes["norm"] in ("batch", "sample"):
        over = (0, *range(2, z.ndim)) if axes["norm"] == "batch" else tuple(range(2, z.ndim))
        mean = z.mean(axis=over, keepdims=True)
        var = np.square(z - mean).mean(axis=over, keepdims=True)
    root = var + axes["eps"] if axes["norm"] == "variance" else np.sqrt(var + axes["eps"])
    scaled: Array = (z - mean) / root * weights.get("gamma", 1) + weights.get("beta", 0)
    return scaled


# Composition

Gate = Callable[[Array], Array]


@dataclass(frozen=True)
class Stages:
    """Both maps as functions of features, and their logits."""

    mc: Gate
    ms: Gate
    zc: Gate
    zs: Gate


def _first(x: Array, s: Stages) -> Array:
    refined = s.mc(x) * x
    y: Array = s.ms(refined) * refined
    return y


def _last(x: Array, s: Stages) -> Array:
    refined = s.ms(x) * x
    y: Array = s.mc(refined) * refined
    return y


def _parallel(x: Array, s: Stages) -> Array:
    return sigmoid(np.array(s.zc(x) + s.zs(x))) * x


def _full(z: Array, x: Array) -> Array:
    full: Array = z + 0 * x
    return full


COMPOSE: dict[str, tuple[Status, str, Callable[[Array, Stages], Array]]] = {
    "channel-first": (FAITHFUL, "channel first, then spatial, as in Eq. 1", _first),
    "residual": (VARIANT, "x is added to the output", lambda x, s: _first(x, s) + x),
    "spatial-first": (VARIANT, "the spatial gate comes first", _last),
    "spatial-first-residual": (VARIANT, "the spatial gate comes first, and x is added", lambda x, s: _last(x, s) + x),
    "parallel": (VARIANT, "both gates read x and their logits are added, the paper's parallel form", _parallel),
    "parallel-residual": (VARIANT, "the paper's parallel form, and x is added", lambda x, s: _parallel(x, s) + x),
    "channel-only": (VARIANT, "there is no spatial gate", lambda x, s: s.mc(x) * x),
    "channel-only-residual": (VARIANT, "there is no spatial gate, and x is added", lambda x, s: s.mc(x) * x + x),
    "spatial-reads-input": (WRONG, "the spatial map is computed from the raw input and not from F'", lambda x, s: s.mc(x) * s.ms(x) * x),
    "spatial-reads-input-residual": (WRONG, "the spatial map is computed from the raw input and not from F', and x is added", lambda x, s: s.mc(x) * s.ms(x) * x + x),
    "maps-added": (WRONG, "the two maps are computed in parallel and added", lambda x, s: (s.mc(x) + s.ms(x)) * x),
    "maps-averaged": (WRONG, "the two maps are computed in parallel and averaged", lambda x, s: (s.mc(x) + s.ms(x)) * x / 2),
    "maps-added-residual": (WRONG, "the two maps are computed in parallel and added, and x is added", lambda x, s: (s.mc(x) + s.ms(x)) * x + x),
    "spatial-not-applied": (WRONG, "the spatial gate is built but never applied", lambda x, s: s.mc(x) * x),
    "spatial-not-applied-residual": (WRONG, "the spatial gate is built but never applied, and x is added", lambda x, s: s.mc(x) * x + x),
    "channel-not-applied": (WRONG, "the channel gate is built but never applied", lambda x, s: s.ms(x) * x),
    "channel-not-applied-residual": (WRONG, "the channel gate is built but never applied, and x is added", lambda x, s: s.ms(x) * x + x),
    "identity": (WRONG, "neither gate is applied: the output is x", lambda x, s: x),
    "second-gate-on-input": (WRONG, "the spatial map is read off F' but multiplies x: the channel gate is lost", lambda x, s: s.ms(s.mc(x) * x) * x),
    "channel-gate-on-input": (WRONG, "the spatial gate comes first and is lost: Mc multiplies x", lambda x, s: s.mc(s.ms(x) * x) * x),
    "map-only": (WRONG, "only the spatial map is returned", lambda x, s: _full(s.ms(s.mc(x) * x), x)),
    "channel-map-only": (WRONG, "only the channel map is returned", lambda x, s: _full(s.mc(x), x)),
    "maps-only": (WRONG, "the product of the maps is returned, without the features", lambda x, s: s.ms(s.mc(x) * x) * s.mc(x) + 0 * x),
    "spatial-map-of-input-only": (WRONG, "only the spatial map of the input is returned", lambda x, s: _full(s.ms(x), x)),
    "features-squared": (WRONG, "the output is multiplied by x once more", lambda x, s: _first(x, s) * x),
    "channel-gate-squared": (WRONG, "the channel gate is applied twice", lambda x, s: s.ms(s.mc(x) ** 2 * x) * s.mc(x) ** 2 * x),
    "channel-gate-twice": (WRONG, "the channel attention runs twice", lambda x, s: _first(s.mc(x) * x, s)),
    "spatial-gate-squared": (WRONG, "the spatial gate is applied twice", lambda x, s: _first(x, s) * s.ms(s.mc(x) * x)),
    "both-residual": (WRONG, "each gate adds its own input back", lambda x, s: _both(x, s)),
    "subtracted": (WRONG, "the output is subtracted from x", lambda x, s: x - _first(x, s)),
    "final-relu": (WRONG, "a ReLU follows the block", lambda x, s: relu(_first(x, s))),
    "final-relu-residual": (WRONG, "x is added and a ReLU follows: the residual block's own ending is part of the module", lambda x, s: relu(_first(x, s) + x)),
    "final-sigmoid": (WRONG, "a sigmoid follows the block", lambda x, s: np.array(sigmoid(_first(x, s)))),
    "final-silu": (WRONG, "SiLU follows the block", lambda x, s: ACTIVATIONS["silu"](_first(x, s))),
    "halved": (WRONG, "the output is averaged with x", lambda x, s: (_first(x, s) + x) / 2),
}  # fmt: skip


def _both(x: Array, s: Stages) -> Array:
    refined = s.mc(x) * x + x
    y: Array = s.ms(refined) * refined + refined
    return y
