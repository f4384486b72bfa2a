"""Mc, Eq. 2, by axes: what the paper says of each, and the rules that set another value."""

from __future__ import annotations

import functools

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules import (
    channel_activation,
    channel_gate,
    channel_merge,
    channel_mlp,
    channel_pools,
    channel_positions,
)
from npcbam.oracle.rules.functions import NONE, POOLS, RELU, SIGMOID
from npcbam.oracle.rules.rule import Axes, Rule, Weights

CHANNEL_PAPER: Axes = {
    "pools": ("avg", "max"),
    "over": "space",
    "before": NONE,
    "merge": "logits",
    "activation": RELU,
    "output": NONE,
    "factor": 1.0,
    "gate": SIGMOID,
    "mlps": "shared",
    "b1": "each",
}

# All that is known of the channel gate; the paper's first.
RULES: tuple[Rule, ...] = (
    *channel_gate.RULES,
    *channel_pools.RULES,
    *channel_positions.RULES,
    *channel_merge.RULES,
    *channel_mlp.RULES,
    *channel_activation.RULES,
)


def channel_logits(axes: Axes, weights: Weights, x: Array) -> Array:
    """Return what goes into the gate, (N, C, 1, ...), before "sigmoids" merges."""
    return _merged(axes, weights, x)[0]


def channel_map(axes: Axes, weights: Weights, x: Array) -> Array:
    """Return Mc of x, (N, C, 1, ...), as the axes say."""
    z, squashed = _merged(axes, weights, x)
    return z if squashed else axes["gate"](z)


def _merged(axes: Axes, weights: Weights, x: Array) -> tuple[Array, bool]:
    """Return the logits, or the map where each branch has a gate of its own."""
    f = _descriptors(axes, x)
    merge = axes["merge"]
    if merge in ("mean", "sum", "product"):
        f = [functools.reduce(np.multiply if merge == "product" else np.add, f)]
        f = [f[0] / len(axes["pools"])] if merge == "mean" else f
    z = [axes["factor"] * _mlp(axes, weights, d, i) for i, d in enumerate(f)]
    if merge.startswith("sigmoids"):
        gates = [axes["gate"](each) for each in z]
        total = functools.reduce(np.multiply if merge == "sigmoids-product" else np.add, gates)
        return (total / len(z) if merge == "sigmoids-mean" else total), True
    if merge == "logits-max":
        return functools.reduce(np.maximum, z), False
    if merge.startswith("logits-difference"):
        ordered = z[::-1] if merge == "logits-difference-back" else z
        return functools.reduce(np.subtract, ordered), False
    total = functools.reduce(np.add, z)
    return (total / len(z) if merge == "logits-mean" else total), False


def _descriptors(axes: Axes, x: Array) -> list[Array]:
    space = tuple(range(2, x.ndim))
    if axes["over"] == "scrambled":
        mixed = np.moveaxis(x.reshape(len(x), -1, x.shape[1]), -1, 1)
        x = mixed.reshape(*mixed.shape, *[1] * (x.ndim - 3))
    along = {"first": space[:1], "last": space[-1:]}.get(axes["over"], space)
    return [POOLS[pool](x, along) for pool in axes["pools"]]


def _mlp(axes: Axes, weights: Weights, f: Array, which: int) -> Array:
    kind, h = axes["mlps"], axes["before"](np.moveaxis(f, 1, -1))
    if kind != "none":
        second = kind not in ("shared", "single") and (which == 1) != (kind == "swapped")
        suffix = "'" if second else ""
        h = h @ weights[f"w0{suffix}"].T + weights.get(f"b0{suffix}", 0)
        if kind != "single":
            times = {"each": 1, "once": which == 0, "twice": 2}[axes["b1"]]
            bias = weights.get(f"b1{suffix}", 0)
            h = axes["activation"](h) @ weights[f"w1{suffix}"].T + times * bias
            h = axes["output"](h)
    return np.moveaxis(h, -1, 1)
