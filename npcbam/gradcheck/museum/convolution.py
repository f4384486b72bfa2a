"""Convolution and interpolation: where in x each output looks, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import conv, conv_pullback
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "convolution geometry: "
RESIZE = "interpolation and padding: interpolation"


@register(
    "huggingface/candle#2337",
    KIND + "stride, padding, dilation",
    shows="a crash on most shapes, silent where input and kernel have one length",
)
def conv_transpose_stride_dilation(rng: Rng, wrong: bool) -> Twin:
    """Stride and dilation are exchanged in the input gradient of a transposed convolution."""
    stride, dilation = 2, 1
    places = [(i, j) for i in range(3) for j in range(3)]

    def vjp(x: Array, w: Array) -> Forward:
        y = np.zeros(stride * 2 + dilation * 2 + 1, dtype=np.result_type(x, w))
        for i, j in places:
            y[i * stride + j * dilation] += x[i] * w[j]

        def pullback(dy: Array) -> Any:
            dx, dw = np.zeros_like(x), np.zeros_like(w)
            for i, j in places:
                if wrong:
                    dx[i] += dy[i * dilation + j * stride] * w[j]  # i goes by the stride
                else:
                    dx[i] += dy[i * stride + j * dilation] * w[j]
                dw[j] += dy[i * stride + j * dilation] * x[i]
            return dx, dw

        return y, pullback

    return vjp, (rng.normal(size=3), rng.normal(size=3))


@register(
    "flagos-ai/FlagGems#1576",
    KIND + "stride, padding, dilation",
    shows="silent where (in + 2p - d(k-1) - 1) % stride is not 0",
    hides="A length that the stride divides without a rest passes.",
    named="shifted",
    array="shifted",
)
def conv_remainder(rng: Rng, wrong: bool) -> Twin:
    """The input gradient of a strided convolution leaves out output padding, so that it is
    misaligned.
    """

    def vjp(x: Array, w: Array) -> Forward:
        y = conv(x, w, stride=2, padding=1)

        def pullback(dy: Array) -> Any:
            dx, dw = conv_pullback(dy, x, w, stride=2, padding=1)
            if wrong:
                dx = np.roll(dx, 1, axis=2)  # the rest of 1 is put in front
            return dx, dw

        return y, pullback

    return vjp, (rng.normal(size=(1, 2, 6)), rng.normal(size=(2, 2, 3)))


@register(
    "pytorch/pytorch#51430",
    KIND + "groups",
    shows="silent",
    leaves=("w",),
    note="the pairing is modelled (channel c of every group)",
    named="2 groups",
    array="operand-order",
)
def conv_groups_weight(rng: Rng, wrong: bool) -> Twin:
    """The weight gradient with groups > 1 pairs output channels with the wrong input channels."""

    def vjp(x: Array, w: Array) -> Forward:
        y = conv(x, w, groups=2)

        def pullback(dy: Array) -> Any:
            dx, _ = conv_pullback(dy, x, w, groups=2)
            if wrong:
                paired = x[:, [0, 2, 1, 3]]  # channel c of every group, not group by group
            else:
                paired = x
            _, dw = conv_pullback(dy, paired, w, groups=2)
            return dx, dw

        return y, pullback

    return vjp, (rng.normal(size=(2, 4, 6)), rng.normal(size=(4, 2, 3)))


@register(
    "ml-explore/mlx#1449",
    KIND + "kernel not flipped",
    shows="silent; hidden for symmetric kernels",
    note="which axis was unflipped is modelled",
    named="flipped",
    array="operand-order",
)
def conv_groups_unflipped(rng: Rng, wrong: bool) -> Twin:
    """The input gradient of a grouped convolution slides the kernel without flipping it."""

    def vjp(x: Array, w: Array) -> Forward:
        y = conv(x, w, padding=1, groups=2)

        def pullback(dy: Array) -> Any:
            _, dw = conv_pullback(dy, x, w, padding=1, groups=2)
            if wrong:
                kernel = w[:, :, ::-1]  # correlated with dy where it should be convolved
            else:
                kernel = w
            dx, _ = conv_pullback(dy, x, kernel, padding=1, groups=2)
            return dx, dw

        return y, pullback

    return vjp, (rng.normal(size=(1, 4, 5)), rng.normal(size=(4, 2, 3)))


@register(
    "flagos-ai/FlagGems#5218",
    RESIZE,
    shows="silent, short by a little, for large ratios",
    hides="Ratios of 2 and 3 pass: there the window holds all.",
    named="lacks what comes from",
    array="route-lost",
)
def resize_window(rng: Rng, wrong: bool) -> Twin:
    """The backward looks for contributions in a window sized for align_corners=False."""
    size, larger = 2, 10
    weights = _linear(size, larger, corners=True)  # (10, 2)

    def vjp(x: Array) -> Forward:
        y = weights @ x

        def pullback(dy: Array) -> Any:
            if wrong:
                step = larger / size  # with corners aligned, 9 from one input to the next
            else:
                step = (larger - 1) / (size - 1)
            dx = np.zeros_like(x)
            for i in range(size):
                centre = i * (larger - 1) / (size - 1)
                first = max(0, math.ceil(centre - 1.5 * step))
                last = min(larger - 1, math.floor(centre + 1.5 * step))
                dx[i] = weights[first : last + 1, i] @ dy[first : last + 1]
            return dx

        return y, pullback

    return vjp, (rng.normal(size=2),)


@register(
    "intel/torch-xpu-ops#4380",
    RESIZE,
    shows="silent, only for images higher than wide",
    note="the wrong column is modelled as a shift",
    hides="A square image has one size for both.",
    named="shifted",
    array="cotangent-order",
)
def resize_column_by_height(rng: Rng, wrong: bool) -> Twin:
    """The output column is computed with the input's height, copied from the line above."""
    height, width = 4, 2
    down, across = _linear(height, 8, corners=False), _linear(width, 4, corners=False)

    def vjp(x: Array) -> Forward:
        y = down @ x @ across.T

        def pullback(dy: Array) -> Any:
            if wrong:
                column = np.roll(dy, -(height - width) // 2, axis=1)  # height stands for width
            else:
                column = dy
            return down.T @ column @ across

        return y, pullback

    return vjp, (rng.normal(size=(height, width)),)


def _linear(size: int, larger: int, corners: bool) -> Array:
    """Return the weights, (larger, size), of linear interpolation."""
    weights = np.zeros((larger, size))
    for i in range(larger):
        at = i * (size - 1) / (larger - 1) if corners else max((i + 0.5) * size / larger - 0.5, 0)
        low = min(int(at), size - 1)
        weights[i, low] += 1 - (at - low)
        weights[i, min(low + 1, size - 1)] += at - low
    return weights
