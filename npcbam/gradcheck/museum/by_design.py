"""By design: what the backward gives is meant, and is not the derivative of the forward."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "by design"


@register(
    "huggingface/optimum-quanto#146",
    KIND,
    shows="by design",
    named="dy itself",
    array="cotangent",
)
def ste_round(rng: Rng, wrong: bool) -> Twin:
    """Rounding passes the gradient straight through, its derivative is 0."""

    def vjp(x: Array) -> Forward:
        y = np.round(x * 4) / 4

        def pullback(dy: Array) -> Any:
            if wrong:
                dx = dy.copy()  # straight through
            else:
                dx = np.zeros_like(dy)
            return dx

        return y, pullback

    return vjp, (rng.normal(size=6),)


@register(
    "microsoft/nni#3160",
    KIND + ": quantisation",
    also=("eladhoffer/quantized.pytorch#5",),
    shows="silent",
    note="held against the clip, the surrogate that the estimator stands for",
    named="dy itself",
    array="cotangent",
)
def ste_unmasked(rng: Rng, wrong: bool) -> Twin:
    """The straight-through gradient is passed also where the value was clipped."""

    def vjp(x: Array) -> Forward:
        y = np.clip(x, -1, 1)

        def pullback(dy: Array) -> Any:
            if wrong:
                dx = dy * 1.0  # outside of the range as well
            else:
                dx = dy * ((x > -1) & (x < 1))
            return dx

        return y, pullback

    x = np.array([-1.7, -0.4, 0.3, 0.8, 1.4])
    return vjp, (x + 0.01 * rng.normal(size=5),)


@register(
    "faustomilletari/VNet#32",
    KIND,
    shows="by design, 'to speed things up'",
    leaves=("p",),
    named="minus what index 1",
    array="copied",
)
def dice_background(rng: Rng, wrong: bool) -> Twin:
    """The background channel, which the loss does not read, gets the foreground's gradient
    negated.
    """
    truth = (rng.random(6) < 0.5).astype(float)
    truth[0] = 1.0

    def vjp(p: Array) -> Forward:
        union, common = (p[1] ** 2).sum() + truth.sum(), (p[1] * truth).sum()
        y = -2 * common / union

        def pullback(dy: Array) -> Any:
            front = -2 * (truth * union - 2 * p[1] * common) / union**2 * dy
            if wrong:
                back = -front  # y does not depend on p[0]
            else:
                back = np.zeros_like(front)
            return np.stack([back, front])

        return y, pullback

    return vjp, (rng.uniform(0.1, 0.9, (2, 6)),)


@register(
    "huawei-noah/AdderNet#21 (adder.py)",
    KIND,
    shows="by design; not linear in the cotangent",
    code="nonlinear",
    leaves=("x", "w"),
)
def adder_normalised(rng: Rng, wrong: bool) -> Twin:
    """The weight gradient is divided by its own norm and uses x - w for sign(x - w)."""

    def vjp(x: Array, w: Array) -> Forward:
        apart = x[:, None, :] - w[None]
        y = -np.abs(apart).sum(axis=-1)

        def pullback(dy: Array) -> Any:
            if wrong:
                dx = -(np.clip(apart, -1, 1) * dy[:, :, None]).sum(axis=1)
                dw = (apart * dy[:, :, None]).sum(axis=0)
                dw /= max(np.sqrt((dw * dw).sum()), 1e-12)  # of length 1, whatever dy is
            else:
                dx = -(np.sign(apart) * dy[:, :, None]).sum(axis=1)
                dw = (np.sign(apart) * dy[:, :, None]).sum(axis=0)
            return dx, dw

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)), rng.normal(size=(2, 4)))
