"""Mistakes that show where weights and conventions are given: another kernel might have been learnt.

Golden vectors and exercises have given weights. A rule makes y of the right block and of x, or None
where the block leaves nothing to get wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.channel import channel_logits, channel_map
from npcbam.oracle.rules.composition import RIGHT
from npcbam.oracle.rules.functions import MC
from npcbam.oracle.rules.right_block import RightBlock
from npcbam.oracle.rules.rule import WRONG, Rule
from npcbam.oracle.rules.spatial_planes import RIGHT as SPATIAL
from npcbam.pointwise import sigmoid

Made: TypeAlias = Callable[[RightBlock, Array], Array | None]


def _left_out(b: RightBlock, x: Array) -> Array | None:
    return replace(b, residual=False)(x) if b.residual else None


def _first_window(b: RightBlock, x: Array) -> Array | None:
    corner: tuple[Any, ...] = (slice(2),) * (x.ndim - 2)
    return _pooled(b, x, x, x[..., *corner])


def _over_channels(b: RightBlock, x: Array) -> Array | None:
    first = x.mean(1).reshape(len(x), 1, -1)[..., :1]
    column = (*x.shape[:2], *[1] * (x.ndim - 2))
    return _pooled(b, x, np.broadcast_to(first, (*x.shape[:2], 1)).reshape(column), x)


def _pooled(b: RightBlock, x: Array, averaged: Array, maximised: Array) -> Array | None:
    """Return y where the average and the maximum of x are those of other arrays."""
    if b.channel["pools"] != ("avg", "max") or b.channel["merge"] != "logits":
        return None
    parts = {"avg": averaged, "max": maximised}
    zs = [channel_logits({**b.channel, "pools": (k,)}, b.weights, v) for k, v in parts.items()]
    mc = sigmoid((zs[0] + zs[1]).reshape(*x.shape[:2], *[1] * (x.ndim - 2)))
    return b.of(replace(b.stages(), mc=lambda _: mc), x)


def _samples_mixed(b: RightBlock, x: Array) -> Array:
    mc = channel_map(b.channel, b.weights, x).mean(0, keepdims=True)
    return b.of(replace(b.stages(), mc=lambda _: mc), x)


def _without(*keys: str) -> Made:
    """Return a mistake that leaves out these weights, if they are there."""

    def made(b: RightBlock, x: Array) -> Array | None:
        if not set(keys) <= b.weights.keys():
            return None
        return replace(b, weights={k: v for k, v in b.weights.items() if k not in keys})(x)

    return made


def _swapped(b: RightBlock, x: Array) -> Array | None:
    if "k" not in b.weights or b.weights["k"].shape[1] != 2:
        return None
    return replace(b, weights={**b.weights, "k": b.weights["k"][:, ::-1]})(x)


def _centre(b: RightBlock, x: Array) -> Array | None:
    if "k" not in b.weights:
        return None
    k = b.weights["k"]
    inner: tuple[Any, ...] = tuple(slice(n // 2 - 1, n // 2 + 2) for n in k.shape[2:])
    return replace(b, weights={**b.weights, "k": k[..., *inner]})(x)


RULES = (
    Rule(
        code="residual-left-out",
        stage="compose",
        status=WRONG,
        sentence="x is not added back",
        why="The vectors of a preset with a residual have x added to F''. Without it the block may damp what the "
        "trained weights expect whole.",
        made=_left_out,
        bad=RIGHT,
        fix=RIGHT + " + x",
        sources=("Fig. 3",),
    ),
    Rule(
        code="channel-first-window",
        stage="channel",
        status=WRONG,
        sentence="the maximum is that of the first 2 positions an axis, and not of the whole map",
        why="A pool with a fixed window and one output sees a corner of the map. On maps as small as the window it is "
        "right, which hides it.",
        made=_first_window,
        bad="corner = x[:, :, :2, :2]\nmc = column(sigmoid(mlp(avg(x)) + mlp(top(corner))))",
        fix=MC,
        sources=("Eq. 2", "seen in public code"),
    ),
    Rule(
        code="channel-over-channels",
        stage="channel",
        status=WRONG,
        sentence="the average is over the channels of one position, and not over space",
        why="An axis is taken for another, so that every channel gets the same descriptor. What tells channels apart "
        "is the maximum alone.",
        made=_over_channels,
        bad="f_avg = np.broadcast_to(x.mean(1)[:, 0, :1], x.shape[:2])\n"
        "mc = column(sigmoid(mlp(f_avg) + mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2", "seen in public code"),
    ),
    Rule(
        code="channel-over-samples",
        stage="channel",
        status=WRONG,
        sentence="the channel map is averaged over the samples",
        why="The same image gives another result in another batch. A mean runs over the batch's axis too.",
        made=_samples_mixed,
        bad="mc = column(sigmoid(mlp(avg(x)) + mlp(top(x)))).mean(0, keepdims=True)",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-no-bias",
        stage="channel",
        status=WRONG,
        sentence="the biases of the MLP are left out",
        why="The weights were trained with biases, and without them every gate is shifted. A loader that skips unknown "
        "keys does so without a word.",
        made=_without("b0", "b1"),
        bad=MC,
        fix="def mlp(f): return relu(f @ w0.T + b0) @ w1.T + b1\n" + MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="spatial-no-bias",
        stage="spatial",
        status=WRONG,
        sentence="the bias of the convolution is left out",
        why="The weights were trained with a bias, and without it the whole map is shifted. A loader that skips "
        "unknown keys does so without a word.",
        made=_without("kb"),
        bad=SPATIAL,
        fix="ms = sigmoid(conv(f.mean(1), f.max(1)) + kb)",
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-norm-not-affine",
        stage="spatial",
        status=WRONG,
        sentence="gamma and beta of the norm are left out",
        why="The norm was trained with a scale and a shift, and without them the map has another range. In the "
        "authors' code gamma starts at 0, so that it matters much.",
        made=_without("gamma", "beta"),
        bad="z = conv(f.mean(1), f.max(1))\nms = sigmoid((z - mean) / np.sqrt(var + 1e-5))",
        fix="z = conv(f.mean(1), f.max(1))\nms = sigmoid(gamma * (z - mean) / np.sqrt(var + 1e-5) + beta)",
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-planes-swapped",
        stage="spatial",
        status=WRONG,
        sentence="the two planes are in the other order than the kernel expects",
        why="Eq. 3 writes [avg, max] and the paper's figure shows [max, avg]: both are in use. Weights of one order in "
        "a block of the other give another map, and nothing fails.",
        made=_swapped,
        bad="ms = sigmoid(conv(f.max(1), f.mean(1)))",
        fix=SPATIAL,
        sources=("Eq. 3", "Fig. 2"),
    ),
    Rule(
        code="spatial-kernel-3",
        stage="spatial",
        status=WRONG,
        sentence="only the inner 3 taps an axis of the kernel are used",
        why="A padding of 1 where 3 belongs, or a loop that is too short, leaves the outer taps out. The shape of the "
        "map is right all the same.",
        made=_centre,
        bad="inner = np.pad(k[..., 2:5, 2:5], ((0, 0), (0, 0), (2, 2), (2, 2)))\n"
        'ms = sigmoid(np.einsum("nphwij,opij->nohw", windows(np.stack([f.mean(1), f.max(1)], 1)), inner))',
        fix='ms = sigmoid(np.einsum("nphwij,opij->nohw", windows(np.stack([f.mean(1), f.max(1)], 1)), k))',
        sources=("Eq. 3", "Table 2"),
    ),
)
