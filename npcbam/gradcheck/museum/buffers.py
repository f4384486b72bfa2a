"""Buffers that hold something else: never written, written too early, or read in another order."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.exhibit import PEERS, Forward, Rng, Twin, register

BUFFER = "stale or unwritten buffer: "


@register(
    "tracel-ai/burn#5308",
    BUFFER + "unwritten buffer",
    shows="leftovers; depends on what was freed before",
    note="the freed memory is modelled as an array that always holds 1234.5",
    hides="Freed memory is often still zero.",
    named="written",
    array="unwritten",
)
def avg_pool_unwritten(rng: Rng, wrong: bool) -> Twin:
    """At even channel counts the gradient buffer is never written and holds what lay there."""

    def vjp(x: Array) -> Forward:
        y = (x[:, :-2] + x[:, 1:-1] + x[:, 2:])[:, ::2] / 3

        def pullback(dy: Array) -> Any:
            dx = np.full(x.shape, 1234.5)  # as it comes from the allocator
            if wrong:
                written = len(x) % 2 == 1  # even channel counts took a path that writes nothing
            else:
                written = True
            if written:
                dx[:] = 0
                for j in range(3):
                    dx[:, j : j + 2 * dy.shape[1] - 1 : 2] += dy / 3
            return dx

        return y, pullback

    return vjp, (rng.normal(size=(2, 7)),)


@register(
    "apache/mxnet#18203",
    BUFFER + "buffer reused too early",
    shows="silent",
    note="one scan each way stands for the two LSTM directions",
    array="overwritten",
)
def bidirectional_cotangent(rng: Rng, wrong: bool) -> Twin:
    """The left-to-right pass writes dx over dy before the right-to-left pass has read it."""
    keep, back = 0.7, -0.4

    def scan(x: Any, factor: float) -> Any:
        """Return y with y[t] = x[t] + factor y[t-1]."""
        y = np.array(x)
        for t in range(1, len(y)):
            y[t] += factor * y[t - 1]
        return y

    def vjp(x: Array) -> Forward:
        y = scan(x, keep) + scan(x[::-1], back)[::-1]

        def pullback(dy: Array) -> Any:
            buffer = dy.copy()
            forward = scan(buffer[::-1], keep)[::-1]
            if wrong:
                buffer = forward  # dx and dy share memory: dy is gone
            backward = scan(buffer, back)
            return forward + backward

        return y, pullback

    return vjp, (rng.normal(size=6),)


@register(
    "pytorch/pytorch#92671",
    "memory layout",
    shows="silent, only where the two orders differ; no contiguous cotangent shows it",
    note="the kernel alone: only a caller with a transposed cotangent sees the fault",
    code="layout",
    hides="Checkers hand over cotangents in C order only.",
    misjudged=tuple(PEERS),
    named="memory",
)
def cotangent_other_order(rng: Rng, wrong: bool) -> Twin:
    """The backward reads a cotangent in another memory order as if it were laid out like the
    input.
    """

    def vjp(x: Array) -> Forward:
        y = x * x

        def pullback(dy: Array) -> Any:
            if wrong:
                read = np.lib.stride_tricks.as_strided(dy, x.shape, x.strides)  # not dy.strides
            else:
                read = dy
            return 2 * x * read

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)),)


@register(
    "pytorch/pytorch#194719",
    "memory layout",
    shows="silent; the kernel alone passes every check with contiguous cotangents",
    note="the concatenation is part of the function, as in the thread",
    leaves=("x", "z"),
    hides="The kernel alone, given a cotangent of its own, is right.",
    named="memory",
    array="memory-order",
)
def strided_cotangent(rng: Rng, wrong: bool) -> Twin:
    """A kernel reads the cotangent with the input's strides, and a concatenation passes it a
    view.
    """

    def vjp(x: Array, z: Array) -> Forward:
        y = np.concatenate([2 * x, 3 * z], axis=1)

        def pullback(dy: Array) -> Any:
            dy = np.ascontiguousarray(dy)
            if wrong:
                flat = dy.ravel()  # rows of 6 are read as rows of 3
                left, right = flat[:6].reshape(2, 3), flat[3:9].reshape(2, 3)
            else:
                left, right = dy[:, :3], dy[:, 3:]
            return 2 * left, 3 * right

        return y, pullback

    return vjp, (rng.normal(size=(2, 3)), rng.normal(size=(2, 3)))
