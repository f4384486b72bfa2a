"""The exercise on the product of a gate with features, `scale_vjp`."""

from __future__ import annotations

import numpy as np

from npcbam import pointwise
from npcbam.arguments import Array
from npcbam.lessons.exercise import Answer, Exercise, Mistake, Values, normal


def scale_vjp(gate: Array, x: Array) -> Answer:
    """Return the right product of a gate with features, and its pullback."""
    return pointwise.scale_vjp(gate, x)


def _to_gate(v: Values, terms: Array, mean: bool = False) -> Array:
    """Sum (or average) over what the gate was broadcast to."""
    axes = tuple(i for i, size in enumerate(v.gate.shape) if size != v.x.shape[i])
    return np.asarray((terms.mean if mean else terms.sum)(axis=axes, keepdims=True))


SCALE = Exercise(
    "scale_vjp",
    {"gate": "(N, C, 1, 1) or (N, 1, H, W)", "x": "(N, C, H, W)"},
    "y",
    "(N, C, H, W)",
    scale_vjp,
    {
        "channel gate": normal(0, (2, 3, 1, 1), (2, 3, 4, 5)),
        "spatial gate": normal(1, (2, 1, 4, 5), (2, 3, 4, 5)),
        "one sample": normal(2, (1, 2, 1, 1), (1, 2, 5, 3)),
    },
    (
        Mistake(
            "scale-added", "y is gate + x: ⊗ is the product of each element with its gate",
            lambda v: {"y": v.gate + v.x},
        ),
        Mistake(
            "scale-residual", "y has x added to it: gate ⊗ x is the product alone",
            lambda v: {"y": v.y + v.x},
        ),
        Mistake(
            "scale-gate-only", "y is the gate, spread over x, without x itself",
            lambda v: {"y": np.broadcast_to(v.gate, v.x.shape)},
        ),
        Mistake(
            "scale-not-summed",
            "dgate is not summed: one gate value multiplies many elements of x, and gets the sum "
            "of dy·x over all of them",
            lambda v: {"dgate": v.dy * v.x},
        ),
        Mistake(
            "scale-averaged",
            "dgate is the mean of dy·x over what the gate was broadcast to: it is the sum",
            lambda v: {"dgate": _to_gate(v, v.dy * v.x, mean=True)},
        ),
        Mistake(
            "scale-without-x",
            "dgate is the sum of dy alone: the slope of gate·x by the gate is x, so that it is the "
            "sum of dy·x",
            lambda v: {"dgate": _to_gate(v, v.dy)},
        ),
        Mistake(
            "scale-gate-by-gate",
            "dgate is the sum of dy·gate: each factor gets dy times the other one, here x",
            lambda v: {"dgate": _to_gate(v, v.dy * v.gate)},
        ),
        Mistake(
            "scale-gate-by-y",
            "dgate is the sum of dy·y: each factor gets dy times the other factor, not the product",
            lambda v: {"dgate": _to_gate(v, v.dy * v.y)},
        ),
        Mistake(
            "scale-batch-summed",
            "dgate is summed over the samples too: each sample has a gate of its own",
            lambda v: {"dgate": np.broadcast_to(
                _to_gate(v, v.dy * v.x).sum(0, keepdims=True), v.gate.shape)},
        ),
        Mistake(
            "scale-space-only",
            "dgate is summed over space whatever the gate is: a spatial gate was broadcast over "
            "the channels, and is summed over those",
            lambda v: {"dgate": (v.dy * v.x).sum((2, 3), keepdims=True)},
        ),
        Mistake(
            "scale-channels-only",
            "dgate is summed over the channels whatever the gate is: a channel gate was broadcast "
            "over space, and is summed over that",
            lambda v: {"dgate": (v.dy * v.x).sum(1, keepdims=True)},
        ),
        Mistake(
            "scale-gate-ignored",
            "dx is dy itself: the gate is missing, by which every element of x is multiplied",
            lambda v: {"dx": v.dy},
        ),
        Mistake(
            "scale-x-by-x", "dx is dy·x: each factor gets dy times the other one, here the gate",
            lambda v: {"dx": v.dy * v.x},
        ),
        Mistake(
            "scale-cotangent-ignored", "dx is the gate whatever dy is: dy must multiply it",
            lambda v: {"dx": np.broadcast_to(v.gate, v.x.shape)},
        ),
        Mistake(
            "scale-divided", "dx is dy divided by the gate: going back is no division",
            lambda v: {"dx": v.dy / v.gate},
        ),
        Mistake(
            "scale-both-routes",
            "dx has the gate's route in it: here gate and x are two arguments, each with a "
            "cotangent of its own",
            lambda v: {"dx": v.dx + v.dgate},
        ),
    ),
    (
        "A product has two factors. Move each of them by a little, one at a time: what multiplies "
        "the change?",
        "dx is dy times the gate. dgate is dy times x, summed over the axes in which the gate has "
        "size 1 and x has not, because one gate value went to all of those elements.",
        "dx = gate * dy\n"
        "shared = tuple(i for i in range(x.ndim) if gate.shape[i] != x.shape[i])\n"
        "dgate = (dy * x).sum(axis=shared, keepdims=True)",
    ),
)  # fmt: skip
