"""Ties: several elements are the largest. A share of the gradient each is right, all to all not.

Four of the reports are disputed: what was reported is a subgradient, or the checker that rejected
it was wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import windows
from npcbam.gradcheck.museum.exhibit import PEERS, Forward, Rng, Twin, register

DISPUTED: dict[str, Any] = {"truth": "right", "code": "right", "leaves": ()}


@register(
    "pytorch/pytorch#56734",
    "tie",
    shows="too large a sum, only at ties",
    leaves=("a", "b"),
    hides="Random a and b are never equal.",
    misjudged=("scipy",),
    named="tie",
    array="ties",
)
def maximum_both(rng: Rng, wrong: bool) -> Twin:
    """Of max(a, b) with a = b both get the whole gradient."""

    def vjp(a: Array, b: Array) -> Forward:
        y = np.maximum(a, b)

        def pullback(dy: Array) -> Any:
            if wrong:
                share = 1.0  # a and b moved together move y once, not twice
            else:
                share = 0.5
            da = dy * np.where(a == b, share, a > b)
            db = dy * np.where(a == b, share, a < b)
            return da, db

        return y, pullback

    a = rng.normal(size=4)
    return vjp, (a, a + np.array([0, 0.5, -0.5, 0]))


@register(
    "RemonComputer/CS231n---Assignment-2 cs231n/layers.py @11c0e7f",
    "tie",
    also=("anchavesb/cs-231-assignment-2",),
    shows="too large a sum, only at ties (and after a ReLU those are common)",
    hides="Random input has no ties.",
    misjudged=("scipy",),
    named="every tied entry",
    array="ties",
)
def pool_ties_all(rng: Rng, wrong: bool) -> Twin:
    """Every element that equals the window's maximum gets the whole gradient."""

    def vjp(x: Array) -> Forward:
        y = np.stack([x[window].max() for window in windows(len(x), 3, 3)])

        def pullback(dy: Array) -> Any:
            dx = np.zeros_like(x)
            for i, window in enumerate(windows(len(x), 3, 3)):
                hit = (x[window] == x[window].max()).astype(float)
                if not wrong:
                    hit /= hit.sum()
                dx[window] += dy[i] * hit  # the sum of dx exceeds the sum of dy at a tie
            return dx

        return y, pullback

    x = np.array([0.0, 0.0, -0.0, 1.0, 3.0, 2.0, 0.5, 0.5, 0.1])
    x[[3, 5]] += 0.1 * rng.random(2)
    return vjp, (x,)


@register(
    "pytorch/pytorch#114219",
    "tie (disputed)",
    also=("#114233",),
    shows="a subgradient: false alarm of the checker",
    **DISPUTED,
    misjudged=tuple(PEERS),
)
def max_pool_one_of_ties(rng: Rng, wrong: bool) -> Twin:
    """A gradient checker rejects a max pool that gives a tie to one element."""

    def vjp(x: Array) -> Forward:
        padded = np.concatenate([np.full(1, -np.inf), x, np.full(1, -np.inf)])
        pools = [padded[i : i + 2] for i in (0, 2, 4)]
        y = np.stack([pool.max() for pool in pools])

        def pullback(dy: Array) -> Any:
            dpadded = np.zeros(6)
            for i, pool in enumerate(pools):
                if wrong:
                    at = pool.argmax()  # the first of equal ones
                else:
                    at = 1 - pool[::-1].argmax()  # the last
                dpadded[2 * i + at] += dy[i]
            return dpadded[1:-1]

        return y, pullback

    return vjp, (np.array([1.0, 1.0, 1.0, 8.0]),)


@register(
    "tensorflow/tensorflow#109337",
    "tie (disputed)",
    shows="a subgradient: documented, not changed",
    **DISPUTED,
    misjudged=("torch", "jax", "CS231n", "scipy"),
)
def reduce_max_even(rng: Rng, wrong: bool) -> Twin:
    """Equal maxima share the gradient evenly, where users expected one to take all."""

    def vjp(x: Array) -> Forward:
        y = x.max()

        def pullback(dy: Array) -> Any:
            if wrong:
                hit = (x == y).astype(float)
                dx = dy * hit / hit.sum()  # a third to each of three
            else:
                dx = np.zeros_like(x)
                dx[x.argmax()] = dy  # all to the first
            return dx

        return y, pullback

    return vjp, (np.array([0.6, 0.1, 0.6, 0.6, 0.3]),)


@register(
    "pytorch/pytorch#44662",
    "tie (disputed): checker's alarm (disputed)",
    also=("#5351",),
    shows="the gradient is right: false alarm of the checker",
    **DISPUTED,
)
def single_precision_alarm(rng: Rng, wrong: bool) -> Twin:
    """A gradient checker rejects an adaptive average pool because it differences in single
    precision.
    """

    def vjp(x: Array) -> Forward:
        y = np.stack([x[:, :2].mean(), x[:, 2:].mean()])

        def pullback(dy: Array) -> Any:
            each = dy / dy.dtype.type(6)
            return np.repeat(each, 2)[None].repeat(3, axis=0)

        return y, pullback

    x = np.array([[1, 0, -1, 0], [2, 1, 1, -2], [-1, -2, -3, -4]], dtype=np.float32)
    return vjp, (x,)


@register(
    "linkedin/Liger-Kernel#1373",
    "tie (disputed)",
    shows="a subgradient, but a biased one: it pushes padding up",
    **DISPUTED,
    misjudged=tuple(PEERS),
)
def tvd_tie(rng: Rng, wrong: bool) -> Twin:
    """Where p equals q the total variation's gradient is -1/2 and not 0."""
    q = np.array([0.2, 0.3, 0.0, 0.5])

    def vjp(p: Array) -> Forward:
        y = 0.5 * np.abs(p - q).sum()

        def pullback(dy: Array) -> Any:
            if wrong:
                slope = np.where(p > q, 1.0, -1.0)  # -1 where they are equal: one of the sides
            else:
                slope = np.sign(p - q)
            return 0.5 * slope * dy

        return y, pullback

    return vjp, (np.array([0.2, 0.4, 0.0, 0.4]),)
