"""Order: right gradients in each other's place, and a matrix that is not transposed."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import (
    layer_norm,
    layer_norm_pullback,
    sigmoid,
    silu,
    silu_slope,
)
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "argument or gate order: "


@register(
    "Oneflow-Inc/oneflow#6149",
    KIND + "argument order",
    shows="silent",
    leaves=("gamma", "beta"),
    named="changed places",
    array="exchanged",
)
def ln_gamma_beta_swapped(rng: Rng, wrong: bool) -> Twin:
    """The gradients of gamma and beta are returned in each other's place."""

    def vjp(x: Array, gamma: Array, beta: Array) -> Forward:
        y, unit, _, scale = layer_norm(x, gamma, beta)

        def pullback(dy: Array) -> Any:
            dx, dgamma, dbeta = layer_norm_pullback(dy, unit, scale, gamma)
            if wrong:
                return dx, dbeta, dgamma  # both have one shape
            else:
                return dx, dgamma, dbeta

        return y, pullback

    return vjp, (rng.normal(size=(4, 5)), rng.uniform(0.5, 1.5, 5), rng.normal(size=5))


@register(
    "unslothai/unsloth#3314",
    KIND + "argument order",
    shows="silent (as a stand-alone function; the library's own caller expects this order)",
    leaves=("gate", "value"),
    named="changed places",
    array="exchanged",
)
def swiglu_swapped(rng: Rng, wrong: bool) -> Twin:
    """The gradients of gate and value are stored in each other's place."""

    def vjp(gate: Array, value: Array) -> Forward:
        y = silu(gate) * value

        def pullback(dy: Array) -> Any:
            dgate, dvalue = dy * value * silu_slope(gate), dy * silu(gate)
            if wrong:
                return dvalue, dgate  # both have one shape
            else:
                return dgate, dvalue

        return y, pullback

    return vjp, (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)))


@register(
    "hanbt/learn_dl#53",
    KIND + "gate order",
    shows="silent",
    leaves=("b",),
    named="in the place of others",
    array="copied",
)
def lstm_bias_copies(rng: Rng, wrong: bool) -> Twin:
    """The bias gradients of the input and output gates are copies of the forget gate's."""
    h, c = rng.normal(size=2), rng.normal(size=2)

    def vjp(x: Array, w: Array, b: Array) -> Forward:
        xh = np.concatenate([x, h])
        z = xh @ w + b
        i, o, u, f = sigmoid(z[:2]), sigmoid(z[2:4]), np.tanh(z[4:6]), sigmoid(z[6:])
        cell = f * c + i * u
        y = o * np.tanh(cell)

        def pullback(dy: Array) -> Any:
            dcell = dy * o * (1 - np.tanh(cell) ** 2)
            di, do = dcell * u * i * (1 - i), dy * np.tanh(cell) * o * (1 - o)
            du, df = dcell * i * (1 - u * u), dcell * c * f * (1 - f)
            dz = np.concatenate([di, do, du, df])
            if wrong:
                db = np.concatenate([df, df, du, df])  # copied, and the name not changed
            else:
                db = dz
            return w[:3] @ dz, np.outer(xh, dz), db

        return y, pullback

    return vjp, (rng.normal(size=3), rng.normal(size=(5, 8)), rng.normal(size=8))


@register(
    "apache/mxnet#18102",
    "transpose",
    shows="silent for square operands",
    leaves=("a",),
    note="the thread shows a mismatch, which index is modelled",
    hides="Any operand that is not square crashes.",
    named="transposed",
    array="operand-order",
)
def einsum_untransposed(rng: Rng, wrong: bool) -> Twin:
    """The gradient of an einsum operand contracts the wrong index."""

    def vjp(a: Array, b: Array) -> Forward:
        y = np.einsum("bij,bjc->bic", a, b)

        def pullback(dy: Array) -> Any:
            if wrong:
                da = np.einsum("bic,bcj->bij", dy, b)  # dy b, where it is dy bᵀ
            else:
                da = np.einsum("bic,bjc->bij", dy, b)
            db = np.einsum("bij,bic->bjc", a, dy)
            return da, db

        return y, pullback

    return vjp, (rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 3, 3)))
