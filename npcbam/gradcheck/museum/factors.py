"""Off by a factor: 1/N, a 2, a sign, a scale, an eps that one of the passes does not have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import attend, attend_pullback, rms_norm, rms_norm_pullback
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "factor, eps or sign: "


@register(
    "kvfrans/notes#5",
    KIND + "missing or extra 1/N",
    shows="silent, too small by N",
    leaves=("b",),
    hides="A batch of one has no mean to tell from a sum, and training only seems slow.",
    named="1/N",
    array="factor",
)
def bias_mean(rng: Rng, wrong: bool) -> Twin:
    """The bias gradient takes the mean over the batch where it should take the sum."""

    def vjp(x: Array, w: Array, b: Array) -> Forward:
        y = x @ w + b

        def pullback(dy: Array) -> Any:
            dx = dy @ w.T
            dw = x.T @ dy
            if wrong:
                db = dy.mean(axis=0)  # the loss has its 1/N already
            else:
                db = dy.sum(axis=0)
            return dx, dw, db

        return y, pullback

    return vjp, (rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=3))


@register(
    "jax-ml/jax#3213",
    KIND + "sign",
    shows="silent",
    leaves=("z",),
    named="wrong sign",
    array="sign",
)
def docs_sign(rng: Rng, wrong: bool) -> Twin:
    """The documented rule for sin(x) y gives -sin(x) for y."""

    def vjp(x: Array, z: Array) -> Forward:
        y = np.sin(x) * z

        def pullback(dy: Array) -> Any:
            dx = dy * np.cos(x) * z
            if wrong:
                dz = dy * -np.sin(x)  # that is the derivative of cos
            else:
                dz = dy * np.sin(x)
            return dx, dz

        return y, pullback

    return vjp, (rng.normal(size=4), rng.normal(size=4))


@register(
    "stdlib-js/stdlib#13111",
    KIND + "missing factor 2",
    shows="silent",
    named="0.5 times",
    array="factor-partly",
)
def modified_huber_two(rng: Rng, wrong: bool) -> Twin:
    """The quadratic piece (1-d)² of the modified Huber loss is differentiated without its 2."""
    label = np.array([1, -1, 1, 1, -1, -1.0])

    def vjp(x: Array) -> Forward:
        d = label * x
        y = np.where(d < -1, -4 * d, np.where(d < 1, (1 - d) ** 2, 0 * d))

        def pullback(dy: Array) -> Any:
            if wrong:
                piece = -(1 - d)  # d/dd (1-d)² has a 2
            else:
                piece = -2 * (1 - d)
            return dy * label * np.where(d < -1, -4, np.where(d < 1, piece, 0))

        return y, pullback

    x = np.array([0.4, -0.3, -2.0, 1.7, 0.6, 1.9])
    return vjp, (x + 0.02 * rng.normal(size=6),)


@register(
    "chainer/chainer#4190",
    KIND + "eps in one pass only",
    shows="silent for large eps",
    note="the thread does not give the old formula; modelled",
    hides="With the usual eps of 1e-5 it is off by 1e-5 only.",
    named="the term along x",
    array="projection",
)
def l2_normalize_eps(rng: Rng, wrong: bool) -> Twin:
    """The backward of x / (|x| + eps) takes y for a unit vector, which it is not where eps
    counts.
    """
    eps = 0.5

    def vjp(x: Array) -> Forward:
        length = np.sqrt((x * x).sum(axis=-1, keepdims=True))
        y = x / (length + eps)

        def pullback(dy: Array) -> Any:
            if wrong:
                unit = y  # shorter than 1 by eps / (|x| + eps)
            else:
                unit = x / length
            along = y * (unit * dy).sum(axis=-1, keepdims=True)
            return (dy - along) / (length + eps)

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)),)


@register(
    "tile-ai/tilelang-ascend#1670",
    KIND + "missing or extra factor",
    shows="silent for odd head sizes",
    leaves=("q", "k", "v"),
    hides="Head sizes of 64 and 128 need no padding.",
    array="weights",
)
def padded_scale(rng: Rng, wrong: bool) -> Twin:
    """The backward's softmax scale is 1/sqrt of the padded head size."""
    seen = np.ones((3, 4), dtype=bool)

    def vjp(q: Array, k: Array, v: Array) -> Forward:
        y, _ = attend(q, k, v, 3**-0.5, seen)

        def pullback(dy: Array) -> Any:
            if wrong:
                scale = 4**-0.5  # 3 channels are padded to 4
            else:
                scale = 3**-0.5
            _, p = attend(q, k, v, scale, seen)
            return attend_pullback(dy, q, k, v, p, scale)

        return y, pullback

    return vjp, (rng.normal(size=(3, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))


@register(
    "state-spaces/mamba#1023",
    KIND + "missing or extra factor",
    shows="silent",
    leaves=("x1",),
    named="factor",
    array="factor-by-index",
)
def second_branch_unscaled(rng: Rng, wrong: bool) -> Twin:
    """The norm of r0 x0 + r1 x1 gives x1 its gradient without r1."""
    r0, r1, w = rng.uniform(0.5, 2, (3, 1)), rng.uniform(0.5, 2, (3, 1)), rng.uniform(0.5, 1.5, 4)

    def vjp(x0: Array, x1: Array) -> Forward:
        z = r0 * x0 + r1 * x1
        y, scale = rms_norm(z, w)

        def pullback(dy: Array) -> Any:
            dz, _ = rms_norm_pullback(dy, z, w, scale)
            dx0 = dz * r0
            if wrong:
                dx1 = dz  # x1 reached the sum through r1
            else:
                dx1 = dz * r1
            return dx0, dx1

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)))


@register(
    "PaddlePaddle/Paddle#74077",
    KIND + "pooling divisor",
    shows="silent where the sizes do not divide",
    named="right elsewhere",
    array="cotangent-factor-partly",
)
def adaptive_avg_divisor(rng: Rng, wrong: bool) -> Twin:
    """Every bin of an adaptive average is divided by ceil(in/out) in the backward."""
    bins = [slice(i * 7 // 5, -(-(i + 1) * 7 // 5)) for i in range(5)]

    def vjp(x: Array) -> Forward:
        y = np.stack([x[each].mean() for each in bins])

        def pullback(dy: Array) -> Any:
            dx = np.zeros_like(x)
            for each, dmean in zip(bins, dy, strict=True):
                if wrong:
                    count = math.ceil(7 / 5)  # the middle bin has 3
                else:
                    count = each.stop - each.start
                dx[each] += dmean / count
            return dx

        return y, pullback

    return vjp, (rng.normal(size=7),)


@register(
    "tracel-ai/burn#5604",
    KIND + "pooling divisor",
    also=("pytorch/pytorch#198119",),
    shows="silent, last element only",
    hides="A length that the stride divides has no overhanging window.",
    named="0.5 times",
    array="factor-partly",
)
def avg_pool_ceil(rng: Rng, wrong: bool) -> Twin:
    """An overhanging last window is divided by the full window in the backward."""
    pools = [slice(0, 2), slice(2, 4), slice(4, 5)]

    def vjp(x: Array) -> Forward:
        y = np.stack([x[pool].mean() for pool in pools])

        def pullback(dy: Array) -> Any:
            dx = np.zeros_like(x)
            for pool, dmean in zip(pools, dy, strict=True):
                if wrong:
                    count = 2  # the last window holds one element
                else:
                    count = pool.stop - pool.start
                dx[pool] = dmean / count
            return dx

        return y, pullback

    return vjp, (rng.normal(size=5),)


@register(
    "generalized-iou/g-darknet#20",
    KIND + "chain rule stops early",
    also=("#19",),
    shows="silent",
    named="lacks the factor exp",
    array="factor-missing",
)
def giou_box_size(rng: Rng, wrong: bool) -> Twin:
    """The gradient for the log of the box size lacks the factor size."""
    low, high = 0.1, 0.9  # of the true box

    def vjp(x: Array) -> Forward:
        size = np.exp(x[1])
        start, stop = x[0] - size / 2, x[0] + size / 2
        common = np.minimum(stop, high) - np.maximum(start, low)
        union = size + (high - low) - common
        y = common / union

        def pullback(dy: Array) -> Any:
            inside, outside = 1.0 * (start > low), 1.0 * (stop < high)
            dcommon = dy * (union + common) / union**2
            dcentre = dcommon * (outside - inside)
            dsize = dcommon * 0.5 * (outside + inside) - dy * common / union**2
            if wrong:
                dlog = dsize  # size = exp(log) has a derivative too
            else:
                dlog = dsize * size
            return np.array([dcentre, dlog])

        return y, pullback

    return vjp, (np.array([0.7, math.log(0.6)]) + 0.01 * rng.normal(size=2),)
