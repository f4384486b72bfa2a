"""Writes to what was lent: right numbers, and someone else's array is no longer what it was."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import silu, silu_slope, softmax
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "writes to what it was given"


@register(
    "NVIDIA/apex#1430",
    KIND,
    shows="another branch that shares the cotangent is wrong",
    code="writes",
    leaves=(),
    hides="The numbers that it returns are right.",
    misjudged=("torch",),
    named="writes to its cotangent",
)
def softmax_writes_cotangent(rng: Rng, wrong: bool) -> Twin:
    """The fused softmax backward writes its result over the cotangent it was given."""

    def vjp(x: Array) -> Forward:
        p = softmax(x)

        def pullback(dy: Array) -> Any:
            if wrong:
                dx = dy  # the caller's array
            else:
                dx = dy.copy()
            dx[...] = p * (dy - (p * dy).sum(axis=-1, keepdims=True))
            return dx

        return p, pullback

    return vjp, (rng.normal(size=(3, 4)),)


@register(
    "linkedin/Liger-Kernel#272",
    KIND,
    also=("#343",),
    shows="the layer before, if it kept its output, is wrong",
    code="writes",
    hides="The loss and its gradient are right; only who reads the logits later sees it.",
    named="writes to its argument x",
)
def cross_entropy_writes_logits(rng: Rng, wrong: bool) -> Twin:
    """The forward stores the gradient in the logits it was given."""
    rows, target = np.arange(3), np.array([1, 0, 3])

    def vjp(x: Array) -> Forward:
        p = softmax(x)
        y = -np.log(p[rows, target]).mean()
        slope = p.copy()
        slope[rows, target] -= 1
        slope /= 3
        if wrong:
            x[...] = slope  # saves an array, and the logits are gone

        def pullback(dy: Array) -> Any:
            return slope * dy

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)),)


@register(
    "linkedin/Liger-Kernel#254",
    KIND,
    shows="a second backward, or whoever else kept the inputs, is wrong",
    code="writes",
    leaves=("a", "b"),
    hides="The first backward is right.",
    named="writes to the argument a",
)
def swiglu_overwrites_saved(rng: Rng, wrong: bool) -> Twin:
    """The backward writes the gradients into the inputs it had saved."""

    def vjp(a: Array, b: Array) -> Forward:
        y = silu(a) * b

        def pullback(dy: Array) -> Any:
            da, db = dy * b * silu_slope(a), dy * silu(a)
            if wrong:
                a[...], b[...] = da, db  # saves two arrays; a and b are gone
            return da, db

        return y, pullback

    return vjp, (rng.normal(size=(2, 3)), rng.normal(size=(2, 3)))


@register(
    "unslothai/unsloth#5001",
    KIND,
    shows="silent under checkpointing",
    code="writes",
    leaves=("q",),
    misjudged=("torch fast",),
    named="writes to its argument q",
)
def rope_writes_query(rng: Rng, wrong: bool) -> Twin:
    """The rotary embedding is written over the query it was given."""
    angle = rng.normal(size=3)

    def vjp(q: Array) -> Forward:
        a, b = q[:, :3].copy(), q[:, 3:].copy()
        if wrong:
            y = q  # the forward turns it again when it is run a second time
        else:
            y = q.copy()
        y[:, :3] = a * np.cos(angle) - b * np.sin(angle)
        y[:, 3:] = b * np.cos(angle) + a * np.sin(angle)

        def pullback(dy: Array) -> Any:
            da, db = dy[:, :3], dy[:, 3:]
            dleft = da * np.cos(angle) + db * np.sin(angle)
            dright = db * np.cos(angle) - da * np.sin(angle)
            return np.concatenate([dleft, dright], axis=1)

        return y, pullback

    return vjp, (rng.normal(size=(2, 6)),)
