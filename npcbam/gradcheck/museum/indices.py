"""Indices: what is read several times must be added up, and what was sorted put back."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import layer_norm, layer_norm_pullback, windows
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "index scatter: "
OVERWRITES = KIND + "index scatter overwrites"
REPEATED = "silent, only for repeated indices"


@register(
    "pytorch/pytorch#1631",
    OVERWRITES,
    also=("PaddlePaddle/Paddle#17705", "apache/mxnet#9172"),
    shows=REPEATED,
    hides="Without a repeated index, `=` and `+=` are the same.",
    named="only the last",
    array="only-last",
)
def gather_overwrites(rng: Rng, wrong: bool) -> Twin:
    """A source read several times keeps only the last contribution."""
    at = np.array([0, 2, 2, 1, 2, 0])

    def vjp(x: Array) -> Forward:
        y = x[at]

        def pullback(dy: Array) -> Any:
            dx = np.zeros_like(x)
            if wrong:
                dx[at] = dy  # row 2 was read three times
            else:
                np.add.at(dx, at, dy)
            return dx

        return y, pullback

    return vjp, (rng.normal(size=(4, 2)),)


@register(
    "pytorch/pytorch#80204",
    OVERWRITES,
    shows=REPEATED,
    named="does not reach",
    array="route-made-up",
)
def unpool_duplicates(rng: Rng, wrong: bool) -> Twin:
    """Where two inputs go to one place the last wins forward, but both get the gradient
    backward.
    """
    at = np.array([4, 2, 4, 5, 2])
    last = np.array([False, False, True, True, True])

    def vjp(x: Array) -> Forward:
        y = np.zeros(7, dtype=x.dtype)
        for i, place in enumerate(at):
            y[place] = x[i]

        def pullback(dy: Array) -> Any:
            if wrong:
                dx = dy[at]  # the inputs that were written over as well
            else:
                dx = dy[at] * last
            return dx

        return y, pullback

    return vjp, (rng.normal(size=5),)


@register(
    "Jody-Lu/cs231n-assig2 cs231n/layers.py @ddf0181",
    OVERWRITES,
    shows="silent, only for stride < window",
    hides="Pools of 2 with stride 2 do not overlap.",
    named="only the last",
    array="only-last",
)
def pool_overlap_assigns(rng: Rng, wrong: bool) -> Twin:
    """The max pool backward assigns each window's block, so that overlapping windows erase each
    other.
    """

    def vjp(x: Array) -> Forward:
        y = np.stack([x[window].max() for window in windows(9, 3, 2)])

        def pullback(dy: Array) -> Any:
            dx = np.zeros_like(x)
            for i, window in enumerate(windows(9, 3, 2)):
                block = np.zeros(3)
                block[x[window].argmax()] = dy[i]
                if wrong:
                    dx[window] = block  # its zeros erase what the window before has put there
                else:
                    dx[window] += block
            return dx

        return y, pullback

    x = np.array([1, 2, 7, 4, 3, 6, 5, 0, 8])
    return vjp, (x + 0.1 * rng.random(9),)


@register(
    "afazel/CS231n ipython/cs231n/layers.py @fd0c200",
    KIND + "wrong index",
    shows="silent, only for oblong windows",
    hides="In a square window height and width are one number.",
    named="routed wrongly",
    array="rerouted",
)
def pool_row_index(rng: Rng, wrong: bool) -> Twin:
    """The flat position in a window is divided by its height, not by its width."""
    height, width = 2, 3

    def vjp(x: Array) -> Forward:
        pools = x.reshape(2, height, 2, width).swapaxes(1, 2).reshape(2, 2, height * width)
        at = pools.real.argmax(axis=-1)
        y = np.take_along_axis(pools, at[..., None], axis=-1)[..., 0]

        def pullback(dy: Array) -> Any:
            dx = np.zeros_like(x)
            for i, j in np.ndindex(2, 2):
                if wrong:
                    row = min(at[i, j] // height, 1)  # position 2 of 0 1 2 | 3 4 5 is in row 0
                else:
                    row = at[i, j] // width
                dx[i * height + row, j * width + at[i, j] % width] += dy[i, j]
            return dx

        return y, pullback

    x = (7.0 * np.arange(24) % 24).reshape(4, 6)
    return vjp, (x + 0.1 * rng.random((4, 6)),)


@register(
    "ahrefs/ocannl#512",
    OVERWRITES,
    shows="silent, only for overlapping windows",
    named="routed wrongly",
    array="rerouted",
)
def tropical_last_write(rng: Rng, wrong: bool) -> Twin:
    """Which window an input won is kept once an input, and the last window's answer stands for
    all.
    """

    def vjp(x: Array) -> Forward:
        pools = windows(5, 2, 1)
        y = np.stack([x[pool].max() for pool in pools])

        def pullback(dy: Array) -> Any:
            won = np.zeros(5)
            for i, pool in enumerate(pools):
                won[pool] = x[pool] == y[i]  # written again by the next window
            dx = np.zeros_like(x)
            for i, pool in enumerate(pools):
                if wrong:
                    gate = won[pool]
                else:
                    gate = x[pool] == y[i]
                dx[pool] += dy[i] * gate
            return dx

        return y, pullback

    x = np.array([5.0, 3.0, 1.0, 2.0, 5.5])
    return vjp, (x + 0.01 * rng.normal(size=5),)


@register(
    "PaddlePaddle/Paddle#22739",
    KIND + "permutation not inverted",
    shows="silent",
    note="the thread says only that the values were wrong; modelled",
    hides="A permutation that undoes itself, such as the exchange of two, passes.",
    named="applied again",
    array="not-transposed",
)
def sort_gathers_back(rng: Rng, wrong: bool) -> Twin:
    """The backward of a sort applies the order again instead of undoing it."""

    def vjp(x: Array) -> Forward:
        order = x.argsort()
        y = x[order]

        def pullback(dy: Array) -> Any:
            dx = np.zeros_like(x)
            if wrong:
                dx[:] = dy[order]  # sorts dy as x was sorted
            else:
                dx[order] = dy
            return dx

        return y, pullback

    x = np.array([4.0, 0.0, 5.0, 2.0, 6.0, 1.0, 3.0])
    return vjp, (x + 0.1 * rng.random(7),)


@register(
    "deepspeedai/DeepSpeed#692",
    KIND + "wrong index",
    shows="silent, the gamma gradient only",
    leaves=("gamma",),
    hides="Gammas that are all 1 and betas that are all 0 have no other index.",
)
def ln_gamma_index(rng: Rng, wrong: bool) -> Twin:
    """An invertible layer norm recovers x̂ = (y - beta) / gamma with gamma and beta at another
    index.
    """

    def vjp(x: Array, gamma: Array, beta: Array) -> Forward:
        y, unit, _, scale = layer_norm(x, gamma, beta)

        def pullback(dy: Array) -> Any:
            dx, _, dbeta = layer_norm_pullback(dy, unit, scale, gamma)
            if wrong:
                at = np.array([4, 0, 1, 2, 3])  # gamma and beta of its neighbour
            else:
                at = np.arange(5)
            again = (y - beta[at]) / gamma[at]
            dgamma = (dy * again).sum(axis=0)
            return dx, dgamma, dbeta

        return y, pullback

    return vjp, (rng.normal(size=(3, 5)), rng.uniform(0.5, 1.5, 5), rng.normal(size=5))
