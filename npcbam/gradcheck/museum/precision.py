"""Precision: cancellation, a count that overflows, a dtype that is not x's."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import sigmoid
from npcbam.gradcheck.museum.exhibit import PEERS, Forward, Rng, Twin, register

KIND = "precision or dtype: "


@register(
    "chainer/chainer#684",
    KIND + "dtype of the cotangent",
    also=("HIPS/autograd#199",),
    shows="a crash downstream, or twice the memory",
    code="dtype",
    hides="A check in float64 has nothing to widen.",
    misjudged=tuple(PEERS),
    named="expected dtype float32",
)
def dtype_widened(rng: Rng, wrong: bool) -> Twin:
    """A division turns the float32 gradient into float64."""
    target = np.array([0, 1, 1, 0, 1])

    def vjp(x: Array) -> Forward:
        y = np.log1p(np.exp(x)) - target.astype(x.dtype) * x

        def pullback(dy: Array) -> Any:
            dx = dy * (sigmoid(x) - target)  # target has 64 bits, and so has the result
            if not wrong:
                dx = dx.astype(x.dtype)
            return dx

        return y, pullback

    return vjp, (rng.normal(size=5).astype(np.float32),)


@register(
    "jax-ml/jax#39794",
    KIND + "cancellation",
    shows="0 instead of 4e-18",
    hides="Beside a y of -1 an error of 4e-18 is below any absolute tolerance.",
    misjudged=tuple(PEERS),
    named="all zeros",
    array="zero",
)
def expm1_far_tail(rng: Rng, wrong: bool) -> Twin:
    """The derivative is expm1(x) + 1, which is 0 far to the left."""

    def vjp(x: Array) -> Forward:
        y = np.expm1(x)

        def pullback(dy: Array) -> Any:
            if wrong:
                slope = y + 1  # y is -1 to the last digit
            else:
                slope = np.exp(x)
            return dy * slope

        return y, pullback

    return vjp, (np.array([-40.0, -38.0]),)


@register(
    "tinygrad/tinygrad#12296",
    KIND + "precision of an accumulation",
    shows="all gradients zero, from 65520 ties on",
    note="the arrays are float32, half precision is in the count, because npcbam takes no float16",
    hides="With fewer elements the count is finite.",
    named="zeros",
    array="ties",
)
def half_tie_count(rng: Rng, wrong: bool) -> Twin:
    """Tied maxima are counted in half precision, the count overflows and every share is 0."""

    def vjp(x: Array) -> Forward:
        y = x.max()

        def pullback(dy: Array) -> Any:
            hit = x == y
            if wrong:
                with np.errstate(over="ignore"):
                    count = float(np.float64(hit.sum()).astype(np.float16))  # infinite
            else:
                count = float(hit.sum())
            return (hit * (float(dy) / count)).astype(x.dtype)

        return y, pullback

    return vjp, (np.ones(70000, dtype=np.float32),)
