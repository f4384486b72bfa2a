"""Routes: a value is used twice, and one use is lost or counted twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import rms_norm, rms_norm_pullback, silu, silu_slope
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

LOST = "route lost or counted twice: missing route"
FAN_OUT = "route lost or counted twice: fan-out"


@register(
    "karpathy/micrograd#2",
    FAN_OUT,
    shows="silent",
    leaves=("a",),
    named="too much",
    array="added",
)
def reused_node(rng: Rng, wrong: bool) -> Twin:
    """The recursion passes on a re-used inner node's gradient at each visit, the first part
    twice.
    """

    def vjp(a: Array) -> Forward:
        m = a * a
        y = m * np.sin(1.0) + m**2

        def pullback(dy: Array) -> Any:
            first, second = dy * np.sin(1.0), dy * 2 * m
            if wrong:
                dm = first + (first + second)  # the second visit carries the first's part again
            else:
                dm = first + second
            return 2 * a * dm

        return y, pullback

    return vjp, (rng.normal(size=5),)


@register(
    "NVIDIA/warp#168",
    FAN_OUT,
    shows="silent, only where an operand is used twice",
    leaves=("a",),
    hides="The product by itself is right.",
    named="not counted",
    array="term",
)
def matmul_overwrites_adjoint(rng: Rng, wrong: bool) -> Twin:
    """The matmul adjoint is stored with beta = 0 over what other uses had already added."""

    def vjp(a: Array, b: Array) -> Forward:
        y = a @ b + np.sin(a).sum()

        def pullback(dy: Array) -> Any:
            da = np.cos(a) * dy.sum()
            if wrong:
                da = dy @ b.T  # over the part that came through the sine
            else:
                da += dy @ b.T
            return da, a.T @ dy

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)), rng.normal(size=(4, 2)))


@register(
    "Theano/Theano#633",
    LOST,
    shows="silent",
    named="all zeros",
    array="zero",
)
def clip_bound_is_x(rng: Rng, wrong: bool) -> Twin:
    """clip(x, 0, x): the gradient takes the bounds for constants, and at the bound gives 0."""

    def vjp(x: Array) -> Forward:
        y = np.minimum(np.maximum(x, 0), x)

        def pullback(dy: Array) -> Any:
            if wrong:
                on = (x > 0) & (x < x)  # x is at its upper bound, which moves with it
            else:
                on = x > 0
            return dy * on

        return y, pullback

    return vjp, (rng.uniform(0.5, 2, 5),)


@register(
    "fla-org/flash-linear-attention#1071",
    LOST,
    shows="silent, one weight only",
    leaves=("w",),
    array="operand-value",
)
def gate_not_recomputed(rng: Rng, wrong: bool) -> Twin:
    """The recomputed input of the last linear layer lacks the gate."""

    def vjp(x: Array, z: Array, w: Array) -> Forward:
        one = np.ones(4)
        h, scale = rms_norm(x, one)
        y = (h * silu(z)) @ w

        def pullback(dy: Array) -> Any:
            du = dy @ w.T
            dx, _ = rms_norm_pullback(du * silu(z), x, one, scale)
            dz = du * h * silu_slope(z)
            if wrong:
                u = h  # what w saw was h silu(z)
            else:
                u = h * silu(z)
            dw = u.T @ dy
            return dx, dz, dw

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=(4, 2)))


@register(
    "eriklindernoren/ML-From-Scratch mlfromscratch/deep_learning/layers.py @a2806c6 (RNN)",
    LOST,
    shows="silent",
    hides="The last step, and a sequence of one step, are right.",
    named="later",
    array="only-up-to-0",
)
def rnn_input_no_future(rng: Rng, wrong: bool) -> Twin:
    """An input's gradient holds its own step's output only, not the later ones."""

    def vjp(x: Array, u: Array, w: Array) -> Forward:
        h = [np.zeros(3)]
        for t in range(4):
            h.append(np.tanh(x[t] @ u + h[t] @ w))
        y = np.stack(h[1:])

        def pullback(dy: Array) -> Any:
            dx, du, dw, dh = np.zeros_like(x), np.zeros_like(u), np.zeros_like(w), np.zeros(3)
            for t in reversed(range(4)):
                dz = (dy[t] + dh) * (1 - h[t + 1] ** 2)
                if wrong:
                    dx[t] = dy[t] * (1 - h[t + 1] ** 2) @ u.T  # without dh, the later steps
                else:
                    dx[t] = dz @ u.T
                du += np.outer(x[t], dz)
                dw += np.outer(h[t], dz)
                dh = dz @ w.T
            return dx, du, dw

        return y, pullback

    return vjp, (rng.normal(size=(4, 2)), rng.normal(size=(2, 3)), rng.normal(size=(3, 3)))


@register(
    "Dao-AILab/flash-attention#889",
    LOST,
    also=("#141", "#1137"),
    shows="silent (no gradient from a penalty on it)",
    leaves=("q", "k"),
    hides="A check of the first output alone passes.",
    named="does not use dy",
    array="result-left-out",
)
def lse_cotangent_dropped(rng: Rng, wrong: bool) -> Twin:
    """Attention also returns its log-sum-exp, whose cotangent the backward drops."""

    def vjp(q: Array, k: Array, v: Array) -> Forward:
        s = 0.5 * q @ k.T
        e = np.exp(s - s.max())
        lse = np.log(e.sum(axis=-1)) + s.max()
        p = e / e.sum(axis=-1, keepdims=True)
        y = p @ v

        def pullback(cotangents: tuple[Array, Array]) -> Any:
            dy, dlse = cotangents
            dp = dy @ v.T
            ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
            if not wrong:
                ds += p * dlse[:, None]  # d lse / d s is the softmax
            return 0.5 * ds @ k, 0.5 * ds.T @ q, p.T @ dy

        return (y, lse), pullback

    return vjp, (rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 2)))
