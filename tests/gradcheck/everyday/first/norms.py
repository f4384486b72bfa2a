"""Norms and softmax: means and variances, over rows, columns or an axis that is asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
from everyday.case import everyday
from everyday.draw import rows


def with_params(draw, n):
    r, c = rows(n, 8)
    return {"gamma": draw.normal(c), "beta": draw.normal(c)}, draw.normal(r, c)


@everyday(with_params, "mean term", "eps", "first zero", "entry", smallest=4)
def layer_norm(fault):
    def f(params, x):
        mean = x.mean(axis=-1, keepdims=True)
        var = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
        std = np.sqrt(var + 1e-5)
        xhat = (x - mean) / std
        y = params["gamma"] * xhat + params["beta"]

        def pullback(dy):
            dxhat = dy * params["gamma"]
            inner = (dxhat * xhat).mean(-1, keepdims=True)
            dx = dxhat - xhat * inner
            if fault != "mean term":
                dx = dx - dxhat.mean(-1, keepdims=True)
            below = np.sqrt(var) if fault == "eps" else std
            return {"gamma": (dy * xhat).sum(0), "beta": dy.sum(0)}, dx / below

        return y, pullback

    return f


@everyday(
    lambda draw, n: (
        draw.normal(*rows(n, 6)),
        draw.normal(rows(n, 6)[1]),
        draw.normal(rows(n, 6)[1]),
    ),
    "variance",
    "last zero",
    "factor",
    "entry",
    smallest=7,
)
def batch_norm_in_steps(fault):
    def f(x, gamma, beta):
        n = x.shape[0]
        mu = 1 / n * np.sum(x, axis=0)
        xmu = x - mu
        var = 1 / n * np.sum(xmu**2, axis=0)
        sqrtvar = np.sqrt(var + 1e-3)
        xhat = xmu / sqrtvar

        def pullback(dout):
            dxhat = dout * gamma
            dvar = np.sum(dxhat * xmu, axis=0) * -0.5 / sqrtvar**3
            if fault == "variance":
                dvar = 0 * dvar
            dxmu = dxhat / sqrtvar + 2 / n * xmu * dvar
            dx = dxmu - np.sum(dxmu, axis=0) / n
            return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)

        return gamma * xhat + beta, pullback

    return f


@dataclasses.dataclass
class Scale:
    """The parameters of an RMS norm."""

    weight: np.ndarray
    eps: float = 1e-6


@everyday(
    lambda draw, n: (Scale(draw.normal(rows(n, 8)[1])), draw.normal(*rows(n, 8))),
    "term",
    "first zero",
    "entry",
    smallest=2,
    fixed=("scale.eps",),
)
def rms_norm_of_a_dataclass(fault):
    def f(scale, x):
        r = 1 / np.sqrt((x**2).mean(-1, keepdims=True) + scale.eps)

        def pullback(dy):
            d = dy * scale.weight
            dx = r * d
            if fault != "term":
                dx = dx - r**3 * x * (d * x).mean(-1, keepdims=True)
            return Scale((dy * x * r).sum(0), 0.0), dx

        return scale.weight * x * r, pullback

    return f


@everyday(lambda draw, n: (draw.normal(*rows(n)), 0), "other axis", "term", "entry", smallest=4)
def softmax_over_an_axis(fault):
    def f(x, axis):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        y = e / e.sum(axis=axis, keepdims=True)

        def pullback(dy):
            if fault == "term":
                return dy * y * (1 - y), None
            along = 1 if fault == "other axis" else axis
            return y * (dy - (dy * y).sum(axis=along, keepdims=True)), None

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(*rows(n, 5)),), "term", "entry", "factor", smallest=2)
def rows_of_length_one(fault):
    def f(x):
        norm = np.linalg.norm(x, axis=1, keepdims=True)
        y = x / norm

        def pullback(dy):
            if fault == "term":
                return dy / norm
            return (dy - y * (dy * y).sum(1, keepdims=True)) / norm

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(*rows(n, 3)),), "factor", "entry", "centre", smallest=7)
def standard_deviation_of_columns(fault):
    def f(x):
        std = x.std(axis=0, ddof=1)

        def pullback(dy):
            centred = x if fault == "centre" else x - x.mean(axis=0)
            return dy * centred / (std * (len(x) - 1))

        return std, pullback

    return f
