"""The derivative of another function, or of the right one at another place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import sigmoid, silu, silu_slope
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "another function's derivative"
PLACE = KIND + ": derivative at the wrong place"


@register(
    "harvard-edge/cs249r_book#1399",
    KIND + ": forward and backward differ",
    shows="silent, up to a fifth",
    named="tanh form",
    array="another-function",
)
def gelu_two_formulas(rng: Rng, wrong: bool) -> Twin:
    """The forward is x sigmoid(1.702 x), the backward differentiates the tanh formula."""

    def vjp(x: Array) -> Forward:
        s = sigmoid(1.702 * x)
        y = x * s

        def pullback(dy: Array) -> Any:
            if wrong:
                c = math.sqrt(2 / math.pi)  # of the other approximation of gelu
                t = np.tanh(c * (x + 0.044715 * x**3))
                slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 0.134145 * x * x)
            else:
                slope = s + 1.702 * x * s * (1 - s)
            return dy * slope

        return y, pullback

    return vjp, (rng.normal(size=9),)


@register(
    "tenstorrent/tt-metal#52144",
    KIND,
    shows="silent",
    named="x**1.7",
    array="another-function",
)
def rpow_as_pow(rng: Rng, wrong: bool) -> Twin:
    """The backward of base**x is that of x**base."""
    base = 1.7

    def vjp(x: Array) -> Forward:
        y = base**x

        def pullback(dy: Array) -> Any:
            if wrong:
                slope = base * x ** (base - 1)  # of x**base
            else:
                slope = math.log(base) * y
            return dy * slope

        return y, pullback

    return vjp, (rng.uniform(0.5, 2, 6),)


@register(
    "ooples/AiDotNet.Tensors#186 (review)",
    PLACE,
    shows="silent (square layer)",
    leaves=("x", "w", "b"),
    hides="A layer that is not square crashes.",
    named="silu(x)",
    array="another-function",
)
def swish_at_raw_input(rng: Rng, wrong: bool) -> Twin:
    """A fused linear + bias + swish takes swish' at the raw input and not at the pre-activation."""

    def vjp(x: Array, w: Array, b: Array) -> Forward:
        z = x @ w + b
        y = silu(z)

        def pullback(dy: Array) -> Any:
            if wrong:
                dz = dy * silu_slope(x)  # swish saw z
            else:
                dz = dy * silu_slope(z)
            return dz @ w.T, x.T @ dz, dz.sum(axis=0)

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)), rng.normal(size=(4, 4)), rng.normal(size=4))


@register(
    "davidrmiller/neural2d#40",
    PLACE,
    shows="silent",
    named="taken at y",
    array="derivative-elsewhere",
)
def tanh_of_output(rng: Rng, wrong: bool) -> Twin:
    """The derivative 1 - tanh² is called with the neuron's output, which is tanh already."""

    def vjp(x: Array) -> Forward:
        y = np.tanh(x)

        def pullback(dy: Array) -> Any:
            if wrong:
                slope = 1 - np.tanh(y) ** 2  # y is tanh(x) already
            else:
                slope = 1 - y**2
            return dy * slope

        return y, pullback

    return vjp, (rng.normal(size=7),)
