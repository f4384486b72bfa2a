"""Layer, RMS and batch normalisation: which statistics, which rows, and what the weight is in."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.museum.common import (
    layer_norm,
    layer_norm_pullback,
    rms_norm,
    rms_norm_pullback,
)
from npcbam.gradcheck.museum.exhibit import Forward, Rng, Twin, register

KIND = "normalisation"


@register(
    "NVIDIA/Megatron-LM#6859",
    KIND,
    shows="silent; hidden while the weights are 1",
    hides="Weights that are all 1, as they are initialised, hide it.",
    named="w is one too many",
    array="term-factor",
)
def rms_weight_twice(rng: Rng, wrong: bool) -> Twin:
    """The variance term of the RMSNorm input gradient is multiplied by the weight twice."""

    def vjp(x: Array, w: Array) -> Forward:
        y, scale = rms_norm(x, w)

        def pullback(dy: Array) -> Any:
            mean = (dy * w * x).mean(axis=-1, keepdims=True)
            if wrong:
                through = w * x * scale**3 * mean  # w is in the mean already
            else:
                through = x * scale**3 * mean
            dx = dy * w * scale - through
            dw = (dy * x * scale).sum(axis=0)
            return dx, dw

        return y, pullback

    return vjp, (rng.normal(size=(3, 5)), rng.uniform(0.5, 1.5, 5))


@register(
    "Dao-AILab/quack#53",
    KIND,
    shows="silent",
    leaves=("x", "residual"),
    named="for the cotangent of y",
    array="result-mixed",
)
def prenorm_sum_first(rng: Rng, wrong: bool) -> Twin:
    """The residual stream's gradient is added to the norm's output gradient before the norm's
    backward.
    """
    w = rng.uniform(0.5, 1.5, 5)

    def vjp(x: Array, residual: Array) -> Forward:
        z = x + residual
        y, scale = rms_norm(z, w)

        def pullback(cotangents: tuple[Array, Array]) -> Any:
            dz, dy = cotangents
            if wrong:
                dz = rms_norm_pullback(dz + dy, z, w, scale)[0]  # dz goes around the norm
            else:
                dz = dz + rms_norm_pullback(dy, z, w, scale)[0]
            return dz, dz.copy()

        return (z, y), pullback

    return vjp, (rng.normal(size=(3, 5)), rng.normal(size=(3, 5)))


@register(
    "flagos-ai/FlagGems#5392",
    KIND,
    shows="silent from rank 3 on (and writes out of bounds)",
    leaves=("x", "gamma", "beta"),
    note="the out-of-bounds part is modelled by cutting it off",
    hides="[batch, hidden], of rank 2, is right.",
    named="alone, not the others",
    array="rows-left-out",
)
def ln_rows_from_shape0(rng: Rng, wrong: bool) -> Twin:
    """The backward takes shape[0] for the number of rows, so [batch, seq, hidden] is normalised
    over seq x hidden.
    """

    def vjp(x: Array, gamma: Array, beta: Array) -> Forward:
        y, _, mean, scale = layer_norm(x, gamma, beta)

        def pullback(dy: Array) -> Any:
            if wrong:
                rows = x.shape[0]  # of 2 x 3 rows, each of 4
            else:
                rows = x.shape[0] * x.shape[1]
            long = x.reshape(rows, -1)
            m, r = mean.reshape(-1)[:rows, None], scale.reshape(-1)[:rows, None]
            w = np.resize(gamma, long.shape[1])
            dx, dgamma, dbeta = layer_norm_pullback(dy.reshape(rows, -1), (long - m) * r, r, w)
            return dx.reshape(x.shape), dgamma[: gamma.size], dbeta[: gamma.size]

        return y, pullback

    return vjp, (rng.normal(size=(2, 3, 4)), rng.uniform(0.5, 1.5, 4), rng.normal(size=4))


@register(
    "pytorch/xla#913",
    KIND + ": training and evaluation",
    also=("apache/mxnet#9580", "torch/nn#768"),
    shows="silent",
    named="mean and variance",
    array="statistics",
)
def bn_eval_backward(rng: Rng, wrong: bool) -> Twin:
    """In evaluation the forward uses the running statistics, the backward the training formula."""
    mean, variance = rng.normal(size=4), rng.uniform(0.5, 2, 4)

    def vjp(x: Array, gamma: Array, beta: Array) -> Forward:
        scale = (variance + 1e-5) ** -0.5
        unit = (x - mean) * scale
        y = unit * gamma + beta

        def pullback(dy: Array) -> Any:
            du = dy * gamma
            if wrong:
                du = du - du.mean(axis=0) - unit * (du * unit).mean(axis=0)  # they are constants
            dx = du * scale
            return dx, (dy * unit).sum(axis=0), dy.sum(axis=0)

        return y, pullback

    return vjp, (rng.normal(size=(5, 4)), rng.uniform(0.5, 1.5, 4), rng.normal(size=4))
