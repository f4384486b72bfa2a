"""Summed over the wrong axis, or not summed: what broadcasting takes, the backward must add up."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import softmax
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "broadcast or reduction axis: "


@register(
    "deeplearning4j/nd4j#2424",
    KIND + "broadcast",
    shows="wrong shape",
    code="shape",
    leaves=("b",),
    hides="torch adds up by itself what was broadcast, and says nothing.",
    misjudged=("torch", "torch fast"),
    named="not summed",
    array="not-summed",
)
def row_not_summed(rng: Rng, wrong: bool) -> Twin:
    """The gradient of a [1,4] row added to a [3,4] array is returned as [3,4], not summed back."""

    def vjp(a: Array, b: Array) -> Forward:
        y = a + b

        def pullback(dy: Array) -> Any:
            da = dy.copy()
            if wrong:
                db = dy.copy()  # [3,4]: the row was used three times
            else:
                db = dy.sum(axis=0, keepdims=True)
            return da, db

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)), rng.normal(size=(1, 4)))


@register(
    "HIPS/autograd#376",
    KIND + "broadcast",
    shows="wrong shape",
    code="shape",
    named="spread",
    array="not-spread",
)
def einsum_length_one(rng: Rng, wrong: bool) -> Twin:
    """einsum('i,i') with an operand of length 1 gives back a gradient of length 1."""
    z = rng.normal(size=1)

    def vjp(x: Array) -> Forward:
        y = np.einsum("i,i", x, z)

        def pullback(dy: Array) -> Any:
            dx = np.einsum(",i", dy, z)  # as long as z, which has length 1
            if wrong:
                return dx
            else:
                return np.broadcast_to(dx, x.shape).copy()

        return y, pullback

    return vjp, (rng.normal(size=2),)


@register(
    "ooples/AiDotNet.Tensors#234",
    KIND + "reduction axis",
    shows="wrong shape from rank 3 on",
    code="shape",
    leaves=("b",),
    hides="With [batch, features], the only shape that was tried, axis 0 is the right one.",
    misjudged=("torch", "torch fast"),
    named="not summed",
    array="not-summed",
)
def bias_axis_0_only(rng: Rng, wrong: bool) -> Twin:
    """The bias gradient of a layer on [batch, seq, features] is summed over axis 0 only."""

    def vjp(x: Array, w: Array, b: Array) -> Forward:
        y = x @ w + b

        def pullback(dy: Array) -> Any:
            dx = dy @ w.T
            dw = np.einsum("bsi,bso->io", x, dy)
            if wrong:
                db = dy.sum(axis=0)  # leaves [seq, features]
            else:
                db = dy.sum(axis=(0, 1))
            return dx, dw, db

        return y, pullback

    return vjp, (rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5)), rng.normal(size=5))


@register(
    "flagos-ai/FlagGems#4992",
    KIND + "reduction axis",
    shows="silent where shape[1] equals shape[-1]",
    named="axis 3 in place of axis 1",
    array="other-axis",
)
def prelu_axis(rng: Rng, wrong: bool) -> Twin:
    """The backward reads the per-channel slope along the last axis and not along axis 1."""

    def vjp(x: Array, w: Array) -> Forward:
        slope = w[None, :, None, None]
        y = np.where(x > 0, x, slope * x)

        def pullback(dy: Array) -> Any:
            if wrong:
                used = w[None, None, None, :]  # a column's slope for a channel's
            else:
                used = slope
            dx = dy * np.where(x > 0, 1.0, used)
            dw = (dy * np.where(x > 0, 0.0, x)).sum(axis=(0, 2, 3))
            return dx, dw

        return y, pullback

    return vjp, (rng.normal(size=(2, 3, 2, 3)), rng.uniform(0.1, 0.9, 3))


@register(
    "HawkAaron/warp-transducer#23",
    KIND + "broadcast",
    shows="silent where batch equals outputs, else a crash",
    named="axis 3 in place of axis 0",
    array="other-axis",
)
def transducer_batch_axis(rng: Rng, wrong: bool) -> Twin:
    """With reduction 'none' the [batch] cotangent multiplies the last axis of
    [batch,time,label,out].
    """
    target = rng.normal(size=(3, 2, 2, 3))

    def vjp(x: Array) -> Forward:
        y = ((x - target) ** 2).sum(axis=(1, 2, 3))

        def pullback(dy: Array) -> Any:
            if wrong:
                return 2 * (x - target) * dy  # broadcasts along the outputs
            else:
                return 2 * (x - target) * dy[:, None, None, None]

        return y, pullback

    return vjp, (rng.normal(size=(3, 2, 2, 3)),)


@register(
    "eriklindernoren/ML-From-Scratch mlfromscratch/deep_learning/layers.py @a2806c6 (UpSampling2D)",
    KIND + "missing sum",
    shows="silent",
    named="only the first",
    array="only-first",
)
def upsample_slices(rng: Rng, wrong: bool) -> Twin:
    """The gradient of nearest upsampling is every second element, not the block's sum."""

    def vjp(x: Array) -> Forward:
        y = x.repeat(2, axis=0).repeat(2, axis=1)

        def pullback(dy: Array) -> Any:
            if wrong:
                return dy[::2, ::2].copy()  # one of the four copies
            else:
                return dy.reshape(2, 2, 3, 2).sum(axis=(1, 3))

        return y, pullback

    return vjp, (rng.normal(size=(2, 3)),)


@register(
    "linkedin/Liger-Kernel#1298",
    KIND + "cotangent not used element by element",
    also=("#968",),
    shows="silent",
    leaves=("x", "w"),
    hides="A cotangent of ones, which a sum of the losses sends back, has no second value.",
    named="first dy for all",
    array="one-for-all",
)
def token_weights(rng: Rng, wrong: bool) -> Twin:
    """With reduction 'none' every gradient is multiplied by the first token's cotangent."""
    tokens, target = np.arange(4), np.array([1, 0, 2, 2])

    def vjp(x: Array, w: Array) -> Forward:
        p = softmax(x @ w)
        y = -np.log(p[tokens, target])

        def pullback(dy: Array) -> Any:
            dz = p.copy()
            dz[tokens, target] -= 1
            if wrong:
                dz *= dy[0]  # one number for all tokens
            else:
                dz *= dy[:, None]
            return dz @ w.T, x.T @ dz

        return y, pullback

    return vjp, (rng.normal(size=(4, 3)), rng.normal(size=(3, 3)))


@register(
    "karpathy/llm.c#439",
    KIND + "broadcast",
    shows="silent for odd block sizes",
    leaves=("b",),
    hides="Any size that is a power of 2 passes.",
    named="leaves out dy",
    array="rows-left-out",
)
def odd_tree_reduction(rng: Rng, wrong: bool) -> Twin:
    """The bias gradient is summed by halving the block, which loses elements where its size is no
    power of 2.
    """

    def vjp(x: Array, b: Array) -> Forward:
        y = x + b

        def pullback(dy: Array) -> Any:
            part, n = dy.copy(), len(dy)
            while n > 1:
                if wrong:
                    half = n // 2  # of three rows the last is never added
                else:
                    half = (n + 1) // 2
                part[: n - half] += part[half:n]
                n = half
            return dy.copy(), part[0]

        return y, pullback

    return vjp, (rng.normal(size=(6, 3)), rng.normal(size=3))
