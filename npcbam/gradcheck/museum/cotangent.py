"""The cotangent: ignored, used twice, skipped at 0; and gradients that are not there at all."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import rms_norm, rms_norm_pullback, softmax
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

IGNORED = "cotangent ignored or used twice: "
COUNT = "number or structure of cotangents"


@register(
    "elixir-nx/nx#1779",
    IGNORED + "not linear in the cotangent",
    shows="silent under sum, where the cotangent is 1",
    code="nonlinear",
    hides="1 times 1 is 1: a check of the gradient of a sum passes.",
    misjudged=("torch",),
    named="once too often",
    array="factor-twice",
)
def clip_squares_cotangent(rng: Rng, wrong: bool) -> Twin:
    """The upstream gradient is already inside the mask and is multiplied in a second time."""

    def vjp(x: Array) -> Forward:
        y = np.clip(x, -0.7, 0.9)

        def pullback(dy: Array) -> Any:
            dx = np.where((x > -0.7) & (x < 0.9), dy, 0.0)
            if wrong:
                dx = dx * dy  # dy is in it already
            return dx

        return y, pullback

    x = np.array([-1.5, -0.4, -0.1, 0.2, 0.5, 1.3])
    return vjp, (x + 0.01 * rng.normal(size=6),)


@register(
    "chainer/chainer#1178",
    IGNORED + "cotangent ignored",
    also=("tusen-ai/simpledet#136", "sherjilozair/ctc#2"),
    shows="silent where the loss is the last node",
    code="nonlinear",
    hides="A cotangent of ones, as a loss gets it, is ignored without harm.",
    named="lacks the factor dy",
    array="factor-missing",
)
def huber_ignores_cotangent(rng: Rng, wrong: bool) -> Twin:
    """The loss returns its own gradient, whatever comes from above."""

    def vjp(x: Array) -> Forward:
        far = np.abs(x)
        y = np.where(far <= 1, 0.5 * x * x, far - 0.5)

        def pullback(dy: Array) -> Any:
            slope = np.clip(x, -1, 1)
            if wrong:
                dx = slope  # where is dy?
            else:
                dx = dy * slope
            return dx

        return y, pullback

    x = np.array([-2.0, -0.3, 0.2, 0.7, 1.6])
    return vjp, (x + 0.02 * rng.normal(size=5),)


@register(
    "pytorch/pytorch#11750",
    IGNORED + "cotangent ignored",
    shows="silent where that is 1",
    code="nonlinear",
    leaves=("z",),
    hides="A cotangent of 1 passes.",
    named="not linear in dy",
)
def ctc_partly_scaled(rng: Rng, wrong: bool) -> Twin:
    """Only some of the CTC gradient's terms are multiplied by the incoming gradient."""
    # Four steps that spell the label 1; 0 is the blank, and repeated labels are one.
    paths = [
        path
        for path in itertools.product(range(3), repeat=4)
        if [label for label, _ in itertools.groupby(path) if label] == [1]
    ]

    def vjp(z: Array) -> Forward:
        p = softmax(z)
        chance = np.array([np.prod([p[t, k] for t, k in enumerate(path)]) for path in paths])
        y = -np.log(chance.sum())

        def pullback(dy: Array) -> Any:
            share = np.zeros_like(z)
            for path, each in zip(paths, chance, strict=True):
                share[np.arange(4), list(path)] += each / chance.sum()
            if wrong:
                dz = p - share * dy  # p has no dy
            else:
                dz = (p - share) * dy
            return dz

        return y, pullback

    return vjp, (rng.normal(size=(4, 3)),)


@register(
    "BVLC/caffe#2895",
    IGNORED + "cotangent zero",
    shows="silent, only for a zero cotangent",
    code="nonlinear",
    hides="No random cotangent is 0.",
    misjudged=("jax", "CS231n", "scipy"),
    named="dy = 0",
)
def loss_weight_zero(rng: Rng, wrong: bool) -> Twin:
    """With loss weight 0 the backward is skipped and the buffer still holds other numbers."""
    rows, target = np.arange(3), np.array([1, 0, 3])

    def vjp(x: Array) -> Forward:
        p = softmax(x)
        y = -np.log(p[rows, target])

        def pullback(dy: Array) -> Any:
            dx = p.copy()  # the buffer, which the forward had used
            if wrong:
                skip = not dy.any()  # "nothing to do", and the buffer is handed over as it is
            else:
                skip = False
            if skip:
                return dx
            dx[rows, target] -= 1
            return dx * dy[:, None]

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)),)


@register(
    "unslothai/unsloth#4550",
    COUNT,
    shows="the weights never train",
    code="structure",
    leaves=("w",),
    hides="The input gradient, which is what is checked, is right.",
    named="None",
    array="zero",
)
def rms_no_weight_gradient(rng: Rng, wrong: bool) -> Twin:
    """The backward returns None for the weight."""

    def vjp(x: Array, w: Array) -> Forward:
        y, scale = rms_norm(x, w)

        def pullback(dy: Array) -> Any:
            dx, dw = rms_norm_pullback(dy, x, w, scale)
            if wrong:
                dw = None  # "no gradient is needed"
            return dx, dw

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)), rng.uniform(0.5, 1.5, 4))


@register(
    "feifeibear/long-context-attention#156",
    COUNT,
    also=("BobMcDear/attorch#13", "huawei-noah/AdderNet#21"),
    shows="a crash",
    code="count",
    leaves=(),
    named="must return 3 cotangents",
)
def too_few_cotangents(rng: Rng, wrong: bool) -> Twin:
    """An argument was added to the forward, but no cotangent for it."""

    def vjp(q: Array, k: Array, v: Array) -> Forward:
        y = (q @ k.T) @ v

        def pullback(dy: Array) -> Any:
            ds = dy @ v.T
            if wrong:
                return ds @ k, ds.T @ q  # as it was before v was an argument
            else:
                return ds @ k, ds.T @ q, (q @ k.T).T @ dy

        return y, pullback

    return vjp, (rng.normal(size=(2, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))
