"""The known ways to compute Mc, Eq. 2."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.functions import ACTIVATIONS, GATES, OUTPUTS, POOLS
from npcbam.oracle.rules.rule import FAITHFUL, VARIANT, WRONG, Row, Weights

CHANNEL_PAPER: dict[str, Any] = {
    "pools": ("avg", "max"),
    "over": "space",
    "before": "none",
    "merge": "logits",
    "activation": "relu",
    "output": "none",
    "factor": 1.0,
    "gate": "sigmoid",
    "mlps": "shared",
    "b1": "each",
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
    Row("channel-std-pool-biased", WRONG, "the channel gate pools the standard deviation where the maximum belongs", {"pools": ("avg", "std-biased")}),
    Row("channel-std-for-avg", WRONG, "the channel gate pools the standard deviation where the average belongs", {"pools": ("std", "max")}),
    Row("channel-std-for-avg-biased", WRONG, "the channel gate pools the standard deviation where the average belongs", {"pools": ("std-biased", "max")}),
    Row("channel-median-for-avg", WRONG, "the channel gate pools the median where the average belongs", {"pools": ("median", "max")}),
    Row("channel-median-for-max", WRONG, "the channel gate pools the median where the maximum belongs", {"pools": ("avg", "median")}),
    Row("channel-square-for-avg", WRONG, "the channel gate averages the squares where the average belongs", {"pools": ("square", "max")}),
    Row("channel-abs-max", WRONG, "the channel gate takes the largest magnitude where the maximum belongs", {"pools": ("avg", "absmax")}),
    Row("channel-max-from-zero", WRONG, "the maximum never goes below 0: it is padded with zeros, or starts from 0", {"pools": ("avg", "max0")}),
    Row("channel-first-position", WRONG, "the maximum is taken over the first axis of the map alone, and then averaged", {"pools": ("avg", "maxmean")}),
    Row("channel-one-axis", WRONG, "the pools run along the first axis of the map alone, so that Mc differs from column to column", {"over": "first"}),
    Row("channel-last-axis", WRONG, "the pools run along the last axis of the map alone, so that Mc differs from row to row", {"over": "last"}),
    Row("channel-scrambled", WRONG, "the features are reshaped to (N, H*W, C) without moving an axis: each pool mixes channels", {"over": "scrambled"}),
    Row("channel-merged-before-mlp", WRONG, "the descriptors are added before the MLP, and pass it once", {"merge": "sum"}),
    Row("channel-product", WRONG, "the descriptors are multiplied before the MLP", {"merge": "product"}),
    Row("channel-two-sigmoids", WRONG, "each branch has its own sigmoid and the two are added: the gate runs to 2", {"merge": "sigmoids"}),
    Row("channel-mean-of-sigmoids", WRONG, "each branch has its own sigmoid and the two are averaged", {"merge": "sigmoids-mean"}),
    Row("channel-product-of-sigmoids", WRONG, "each branch has its own sigmoid and the two are multiplied", {"merge": "sigmoids-product"}),
    Row("channel-max-of-logits", WRONG, "the larger of the two logits is taken in place of their sum", {"merge": "logits-max"}),
    Row("channel-mean-of-logits", WRONG, "the logits are averaged in place of added, so that the gate is flatter", {"merge": "logits-mean"}),
    Row("channel-difference", WRONG, "the logits are subtracted in place of added", {"merge": "logits-difference"}),
    Row("channel-relu-after", WRONG, "a ReLU follows the second layer, so that the gate never goes below one half", {"output": "relu"}),
    Row("channel-sigmoid-twice", WRONG, "the sigmoid is applied twice: the gate stays between 0.5 and 0.73", {"gate": "sigmoid-twice"}),
    Row("channel-no-sigmoid", WRONG, "the channel gate has no sigmoid: it is not bounded", {"gate": "none"}),
    Row("channel-tanh", WRONG, "tanh stands where the sigmoid belongs: the gate goes below 0", {"gate": "tanh"}),
    Row("channel-hardsigmoid", WRONG, "a hard sigmoid stands where the sigmoid belongs", {"gate": "hardsigmoid"}),
    Row("channel-clamp", WRONG, "the logits are cut off at 0 and 1, and not squashed by a sigmoid", {"gate": "clamp"}),
    Row("channel-softmax", WRONG, "a softmax over the channels stands where the sigmoid belongs", {"gate": "softmax"}),
    Row("channel-silu-gate", WRONG, "SiLU stands where the sigmoid belongs", {"gate": "silu"}),
    Row("channel-relu-gate", WRONG, "ReLU stands where the sigmoid belongs", {"gate": "relu"}),
    Row("channel-one-plus", WRONG, "1 is added to the channel gate", {"gate": "one-plus"}),
    Row("channel-one-minus", WRONG, "the channel gate is subtracted from 1", {"gate": "one-minus"}),
    Row("channel-doubled", WRONG, "the channel gate is doubled", {"gate": "twice"}),
    Row("channel-linear", WRONG, "the MLP has no activation between its layers", {"activation": "none"}),
    Row("channel-relu-before", WRONG, "the ReLU stands before the first layer of the MLP and not after it", {"before": "relu", "activation": "none"}),
    Row("channel-relu-on-pools", WRONG, "a ReLU cuts the descriptors before the MLP", {"before": "relu"}),
    Row("channel-bias-once", WRONG, "b1 is added once to the sum of the logits, and not in each pass through the MLP", {"b1": "once"}),
    Row("channel-bias-twice", WRONG, "b1 is added twice in each pass through the MLP", {"b1": "twice"}),
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
    Row("channel-softplus", WRONG, "Softplus stands in the MLP where ReLU belongs", {"activation": "softplus"}),
    Row("channel-mish", WRONG, "Mish stands in the MLP where ReLU belongs", {"activation": "mish"}),
    Row("channel-selu", WRONG, "SELU stands in the MLP where ReLU belongs", {"activation": "selu"}),
    Row("channel-separate-mlps", WRONG, "each descriptor has an MLP of its own: Eq. 2 shares one", {"mlps": "separate"}),
    Row("channel-separate-mlps-swapped", WRONG, "each descriptor has an MLP of its own: Eq. 2 shares one", {"mlps": "swapped"}),
    Row("channel-single-layer", WRONG, "the MLP is a single layer, with no hidden one", {"mlps": "single"}),
    Row("channel-no-mlp", WRONG, "there is no MLP: the descriptors are the logits", {"mlps": "none"}),
)  # fmt: skip


def channel_logits(axes: Mapping[str, Any], weights: Weights, x: Array) -> Array:
    """Return what goes into the gate, (N, C, 1, ...), before "sigmoids" merges."""
    return _merged(axes, weights, x)[0]


def channel_map(axes: Mapping[str, Any], weights: Weights, x: Array) -> Array:
    """Return Mc of x, (N, C, 1, ...), as the axes say."""
    z, squashed = _merged(axes, weights, x)
    return z if squashed else GATES[axes["gate"]](z)


def _merged(axes: Mapping[str, Any], weights: Weights, x: Array) -> tuple[Array, bool]:
    """Return the logits, or the map where each branch has a gate of its own."""
    f = _descriptors(axes, x)
    merge = axes["merge"]
    if merge in ("mean", "sum", "product"):
        f = [functools.reduce(np.multiply if merge == "product" else np.add, f)]
        f = [f[0] / len(axes["pools"])] if merge == "mean" else f
    z = [axes["factor"] * _mlp(axes, weights, d, i) for i, d in enumerate(f)]
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


def _descriptors(axes: Mapping[str, Any], x: Array) -> list[Array]:
    space = tuple(range(2, x.ndim))
    if axes["over"] == "scrambled":
        mixed = np.moveaxis(x.reshape(len(x), -1, x.shape[1]), -1, 1)
        x = mixed.reshape(*mixed.shape, *[1] * (x.ndim - 3))
    along = {"first": space[:1], "last": space[-1:]}.get(axes["over"], space)
    return [POOLS[pool](x, along) for pool in axes["pools"]]


def _mlp(axes: Mapping[str, Any], weights: Weights, f: Array, which: int) -> Array:
    kind, h = axes["mlps"], np.moveaxis(f, 1, -1)
    if axes["before"] == "relu":
        h = ACTIVATIONS["relu"](h)
    if kind != "none":
        second = kind not in ("shared", "single") and (which == 1) != (kind == "swapped")
        suffix = "'" if second else ""
        h = h @ weights[f"w0{suffix}"].T + weights.get(f"b0{suffix}", 0)
        if kind != "single":
            times = {"each": 1, "once": which == 0, "twice": 2}[axes["b1"]]
            bias = weights.get(f"b1{suffix}", 0)
            h = ACTIVATIONS[axes["activation"]](h) @ weights[f"w1{suffix}"].T + times * bias
            h = OUTPUTS[axes["output"]](h)
    return np.moveaxis(h, -1, 1)
