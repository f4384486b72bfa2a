"""Softmax and attention: the Jacobian of a softmax, the mask, the rotation."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import attend, attend_pullback, softmax
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "softmax and attention: "


@register(
    "eriklindernoren/ML-From-Scratch mlfromscratch/deep_learning/activation_functions.py @a2806c6",
    KIND + "softmax Jacobian",
    also=("deeplearning4j/libnd4j#440", "RubixML/ML#438"),
    shows="silent",
    named="diagonal",
    array="diagonal",
)
def softmax_diagonal(rng: Rng, wrong: bool) -> Twin:
    """Only the diagonal p (1 - p) of the Jacobian is used."""

    def vjp(x: Array) -> Forward:
        p = softmax(x)

        def pullback(dy: Array) -> Any:
            if wrong:
                dx = p * (1 - p) * dy  # every p depends on every x
            else:
                dx = p * (dy - (p * dy).sum(axis=-1, keepdims=True))
            return dx

        return p, pullback

    return vjp, (rng.normal(size=(3, 4)),)


@register(
    "mlpack/mlpack#2360",
    KIND + "softmax Jacobian",
    shows="silent; not linear in the cotangent",
    code="nonlinear",
    hides="Behind a negative log likelihood, of which each row's cotangent is one -1, it is right.",
    named="not linear in dy",
    array="projection",
)
def log_softmax_adds(rng: Rng, wrong: bool) -> Twin:
    """The backward returns cotangent + softmax."""

    def vjp(x: Array) -> Forward:
        p = softmax(x)
        y = np.log(p)

        def pullback(dy: Array) -> Any:
            if wrong:
                dx = dy + p  # right where each row of dy sums to -1
            else:
                dx = dy - p * dy.sum(axis=-1, keepdims=True)
            return dx

        return y, pullback

    return vjp, (rng.normal(size=(2, 4)),)


@register(
    "xlite-dev/ffpa-attn#300",
    KIND + "attention mask",
    shows="silent where queries and keys differ in number",
    leaves=("q", "k", "v"),
    hides="With as many queries as keys both corners are the same.",
    array="weights",
)
def causal_corner(rng: Rng, wrong: bool) -> Twin:
    """The forward aligns the causal mask at the bottom right, the backward at the top left."""
    query, key = np.arange(3)[:, None], np.arange(5)

    def vjp(q: Array, k: Array, v: Array) -> Forward:
        y, _ = attend(q, k, v, 0.5, query + 2 >= key)

        def pullback(dy: Array) -> Any:
            if wrong:
                seen = query >= key  # 2 keys fewer for each query
            else:
                seen = query + 2 >= key
            _, p = attend(q, k, v, 0.5, seen)
            return attend_pullback(dy, q, k, v, p, 0.5)

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 2)))


@register(
    "triton-lang/triton#7216",
    KIND + "attention mask",
    shows="silent",
    leaves=("q", "k", "v"),
    array="weights",
)
def causal_never(rng: Rng, wrong: bool) -> Twin:
    """The backward never applies the causal mask that the forward used (a commenter's
    diagnosis).
    """
    seen = np.tril(np.ones((4, 4), dtype=bool))

    def vjp(q: Array, k: Array, v: Array) -> Forward:
        s = 0.5 * q @ k.T
        total = (np.exp(s) * seen).sum(axis=-1, keepdims=True)
        y = np.exp(s) * seen / total @ v

        def pullback(dy: Array) -> Any:
            if wrong:
                p = np.exp(s) / total  # above 0 for keys that come later, too
            else:
                p = np.exp(s) * seen / total
            ds = p * (dy @ v.T - (dy * y).sum(axis=-1, keepdims=True))
            return 0.5 * ds @ k, 0.5 * ds.T @ q, p.T @ dy

        return y, pullback

    return vjp, (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))


@register(
    "PaddlePaddle/Paddle#74716",
    KIND + "rotary embedding",
    shows="silent; hidden where both halves have one angle",
    hides="With one angle for both halves, as is usual, the order does not matter.",
    named="transposed",
    array="not-transposed",
)
def rope_half_outside(rng: Rng, wrong: bool) -> Twin:
    """The rotation is applied to dy and then multiplied by sin, it should rotate dy sin."""
    cos, sin = rng.normal(size=6), rng.normal(size=6)

    def turn(z: Array) -> Array:
        return np.concatenate([-z[:, 3:], z[:, :3]], axis=1)

    def vjp(x: Array) -> Forward:
        y = x * cos + turn(x) * sin

        def pullback(dy: Array) -> Any:
            if wrong:
                turned = turn(dy) * sin  # transposes turn, and not the product with sin
            else:
                turned = turn(dy * sin)
            return dy * cos - turned

        return y, pullback

    return vjp, (rng.normal(size=(2, 6)),)
