"""Wrong masks: the backward takes the branch that the forward did not take."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "mask: wrong mask"


@register(
    "PaddlePaddle/Paddle#12538",
    KIND,
    also=("apache/mxnet#3277",),
    shows="silent, only for negative alpha",
    leaves=("x", "a"),
    hides="With a slope of 0.25, as it is initialised, output and input have the same sign.",
    named="dy itself",
    array="cotangent",
)
def prelu_mask_by_output(rng: Rng, wrong: bool) -> Twin:
    """The branch is chosen by the output's sign, which is the wrong one where alpha is negative."""

    def vjp(x: Array, a: Array) -> Forward:
        y = np.where(x > 0, x, a * x)

        def pullback(dy: Array) -> Any:
            if wrong:
                on = y > 0  # a x is above 0 too where a and x are both below
            else:
                on = x > 0
            dx = dy * np.where(on, 1.0, a)
            da = np.asarray((dy * np.where(on, 0.0, x)).sum())
            return dx, da

        return y, pullback

    return vjp, (rng.normal(size=(4, 3)), np.array(-0.3))


@register(
    "tenstorrent/tt-metal#48201",
    KIND,
    shows="all gradients zero",
    named="all zeros",
    array="zero",
)
def clamp_inverted(rng: Rng, wrong: bool) -> Twin:
    """The in-range mask of a clamp with two tensor bounds uses the comparisons inverted, so it is
    empty.
    """
    low, high = np.full(8, -0.7), np.full(8, 0.9)

    def vjp(x: Array) -> Forward:
        y = np.minimum(np.maximum(x, low), high)

        def pullback(dy: Array) -> Any:
            if wrong:
                on = (x <= low) & (x >= high)  # nothing is both
            else:
                on = (x >= low) & (x <= high)
            return dy * on

        return y, pullback

    x = np.array([-1.5, -0.4, -0.1, 0.2, 0.5, 0.8, 1.3, 2.0])
    return vjp, (x + 0.01 * rng.normal(size=8),)


@register(
    "kaldi-asr/kaldi#3890",
    KIND,
    shows="silent, only at zeros of the input",
    hides="Random input is never exactly 0; after a ReLU half of it is.",
    named="where x = 0",
    array="cotangent-partly",
)
def dropout_by_ratio(rng: Rng, wrong: bool) -> Twin:
    """The dropout mask is recovered as output / input, and where the input is 0 the gradient passes
    unscaled.
    """
    keep = np.array([1, 0, 1, 0, 1, 1, 0, 0]) / 0.5

    def vjp(x: Array) -> Forward:
        y = x * keep

        def pullback(dy: Array) -> Any:
            if wrong:
                mask = np.divide(y, x, out=np.ones_like(x), where=x != 0)  # 1 for 0/0
            else:
                mask = keep
            return dy * mask

        return y, pullback

    x = rng.normal(size=8)
    x[[1, 2, 6]] = 0.0
    return vjp, (x,)
