"""State: the backward depends on what was called before, on a draw, or changes the weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.exhibit import PEERS, Forward, Rng, Twin, register

KIND = "second call or random state: "


@register(
    "openai/guided-diffusion#167",
    KIND + "random state",
    shows="other mask backward; differs from call to call",
    code="impure",
    named="second call of the pullback",
    array="another-mask",
)
def dropout_redrawn(rng: Rng, wrong: bool) -> Twin:
    """A checkpointed block re-runs its dropout in the backward without restoring the generator."""

    def vjp(x: Array) -> Forward:
        stream = np.random.default_rng(5)
        mask = 2.0 * (stream.random(x.shape) < 0.5)
        y = x * x * mask

        def pullback(dy: Array) -> Any:
            if wrong:
                again = 2.0 * (stream.random(x.shape) < 0.5)  # the next draw, not the same
            else:
                again = mask
            return 2 * x * dy * again

        return y, pullback

    return vjp, (rng.normal(size=(4, 6)),)


@register(
    "eriklindernoren/ML-From-Scratch mlfromscratch/deep_learning/layers.py @a2806c6"
    " (self.layer_input)",
    KIND + "second call",
    shows="silent, only where a layer is used twice",
    code="stale",
    leaves=("x", "w"),
    note="the layer is shared by all calls of the function",
    hides="One forward and one backward after it are right.",
    misjudged=tuple(PEERS),
    named="after f ran on other arguments",
)
def input_kept_on_layer(rng: Rng, wrong: bool) -> Twin:
    """The layer keeps its input on itself, so that a second use overwrites what the first backward
    needs.
    """
    layer: dict[str, Array] = {}

    def vjp(x: Array, w: Array) -> Forward:
        layer["x"] = x
        y = np.tanh(x @ w)

        def pullback(dy: Array) -> Any:
            if wrong:
                kept = layer["x"]  # of the latest forward, whoever called it
            else:
                kept = x
            dz = dy * (1 - np.tanh(kept @ w) ** 2)
            return dz @ w.T, kept.T @ dz

        return y, pullback

    return vjp, (rng.normal(size=(2, 3)), rng.normal(size=(3, 3)))


@register(
    "itskonrad/miniMNIST-c#7",
    KIND + "optimiser mixed in",
    shows="silent, about twice too large; another result each call",
    code="writes",
    leaves=("x", "w"),
    named="writes to the argument w",
)
def step_inside_backward(rng: Rng, wrong: bool) -> Twin:
    """The backward also updates the weights, and adds to the input gradient a second time with the
    new ones.
    """

    def vjp(x: Array, w: Array) -> Forward:
        y = x @ w

        def pullback(dy: Array) -> Any:
            dx, dw = dy @ w.T, np.outer(x, dy)
            if wrong:
                w[...] -= 0.01 * dw  # a step of the optimiser, which has no place here
                dx += dy @ w.T
            return dx, dw

        return y, pullback

    return vjp, (rng.normal(size=4), rng.normal(size=(4, 3)))
