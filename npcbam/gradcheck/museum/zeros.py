"""Wrong at 0: a zero is taken as if nothing came through, or as a special case."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import sigmoid
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "wrong at 0: "


@register(
    "tensorflow/tensorflow#119430",
    KIND + "zero handled as if nothing came through",
    also=("tracel-ai/burn#5141", "pymc-devs/pytensor#1956"),
    shows="silent zeros, only with zeros in the input",
    hides="Random input is never exactly 0.",
    named="zero where x = 0",
    array="zero-where",
)
def cumprod_with_zero(rng: Rng, wrong: bool) -> Twin:
    """reverse-cumsum(dy y) / x with 0/0 replaced by 0."""

    def vjp(x: Array) -> Forward:
        y = np.cumprod(x)

        def pullback(dy: Array) -> Any:
            dx = np.zeros_like(x)
            if wrong:
                later = np.cumsum((dy * y)[::-1])[::-1]
                np.divide(later, x, out=dx, where=x != 0)  # 0 at x = 0: the others are a factor
            else:
                for i in range(len(x)):
                    others = x.copy()
                    others[i] = 1
                    dx[i] = (dy * np.cumprod(others))[i:].sum()
            return dx

        return y, pullback

    x = rng.uniform(0.5, 2, 5)
    x[2] = 0.0
    return vjp, (x,)


@register(
    "jax-ml/jax#37729",
    KIND + "zero handled as if nothing came through",
    shows="silent, only at zero weights",
    leaves=("b",),
    hides="Random weights are never exactly 0; masks are.",
    named="zero where b = 0",
    array="zero-where",
)
def lse_zero_weight(rng: Rng, wrong: bool) -> Twin:
    """log sum b exp(a): where b is 0, a is replaced by minus infinity, and b's gradient is 0."""
    a = rng.normal(size=4)

    def vjp(b: Array) -> Forward:
        e = np.exp(a - a.max())
        total = (e * b).sum()
        y = np.log(total) + a.max()

        def pullback(dy: Array) -> Any:
            if wrong:
                de = np.where(b == 0, 0.0, e)  # exp(-inf); yet b would count if it moved
            else:
                de = e
            return dy * de / total

        return y, pullback

    return vjp, (np.array([2.0, 0.0, 5.0, 1.0]),)


@register(
    "jax-ml/jax#2140",
    KIND + "zero handled as a special case",
    shows="silent, at exactly 0 only",
    hides="Random input is never exactly 0.",
    named="zero where x = 0",
    array="zero-where",
)
def log_sigmoid_at_zero(rng: Rng, wrong: bool) -> Twin:
    """min(x,0) - log1p(exp(-|x|)) at 0: the two kinks cancel, but their rules give 0 instead of
    1/2.
    """

    def vjp(x: Array) -> Forward:
        y = np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

        def pullback(dy: Array) -> Any:
            slope = sigmoid(-x)
            if wrong:
                slope = np.where(x == 0, 0.0, slope)  # the function is smooth: 1/2
            return dy * slope

        return y, pullback

    x = rng.normal(size=5)
    x[2] = 0.0
    return vjp, (x,)
