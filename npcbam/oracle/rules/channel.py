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


# By what branches are merged that are not added.
MERGED = {
    "sigmoids-product": np.multiply,
    "logits-max": np.maximum,
    "logits-difference": np.subtract,
    "logits-difference-back": np.subtract,
}


def channel_logits(axes: Axes, weights: Weights, x: Array) -> Array:
    """Return what goes into the gate, (N, C, 1, ...); the map if each branch has its own gate."""
    f = _descriptors(axes, x)
    merge = axes["merge"]
    if merge in ("mean", "sum", "product"):
        f = [functools.reduce(np.multiply if merge == "product" else np.add, f)]
        f = [f[0] / len(axes["pools"])] if merge == "mean" else f
    z = [axes["factor"] * _mlp(axes, weights, d, i) for i, d in enumerate(f)]
    if merge.startswith("sigmoids"):
        z = [axes["gate"](each) for each in z]
    if merge.endswith("-back"):
        z = z[::-1]
    total: Array = functools.reduce(MERGED.get(merge, np.add), z)
    return total / len(z) if merge.endswith("-mean") else total


def channel_gated(axes: Axes, z: Array) -> Array:
    """Return the map Mc of its logits."""
    mc: Array = z if axes["merge"].startswith("sigmoids") else axes["gate"](z)
    return mc


def channel_map(axes: Axes, weights: Weights, x: Array) -> Array:
    """Return Mc of x, (N, C, 1, ...), as the axes say."""
    return channel_gated(axes, channel_logits(axes, weights, x))


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
