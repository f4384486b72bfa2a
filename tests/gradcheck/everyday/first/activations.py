"""Activations: branches, buffers, own copies, and their kinks."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows
from scipy.special import erf


def plain(draw, n):
    return (draw.normal(n),)


@everyday(plain, "zero", "slope", "mask")
def relu_into_a_buffer(fault):
    def f(x):
        y = np.zeros(x.shape, x.dtype)
        y[x > 0] = x[x > 0]

        def pullback(dy):
            if fault == "mask":
                return dy * (x > 0.1)
            return dy * np.where(x > 0, 1, 0.002 if fault == "slope" else 0).astype(x.dtype)

        return y, pullback

    return f


@everyday(plain, "writes", "factor")
def relu_in_place_of_a_copy(fault):
    def f(x):
        y = x if fault == "writes" else x.copy()
        negative = x < 0
        y[negative] = 0

        def pullback(dy):
            dx = dy.copy()
            dx[negative] = 0
            return dx

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.whole(-1, 1, n),), "factor", "at zero", "zero", kinks=True)
def relu_at_zero(fault):
    def f(x):
        def pullback(dy):
            slope = (x > 0).astype(x.dtype)
            if fault == "at zero":
                slope[x == 0] = 1.5
            return dy * slope

        return np.maximum(x, 0), pullback

    return f


@everyday(plain, "slope", "zero", "entry", "swapped", "wrong shape")
def leaky_relu(fault):
    def f(x):
        y = np.where(x > 0, x, 0.01 * x)

        def pullback(dy):
            if fault == "swapped":
                return np.where(x > 0, 0.01 * dy, dy)
            return np.where(x > 0, dy, (0.02 if fault == "slope" else 0.01) * dy)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(*rows(n, 4)), draw.uniform(0, 0.5, rows(n, 4)[1])),
    "sum",
    "last zero",
    "first zero",
)
def prelu(fault):
    def f(x, slope):
        positive = x >= 0
        y = x * np.where(positive, 1, slope).astype(x.dtype)

        def pullback(dy):
            dx = dy * np.where(positive, 1, slope).astype(x.dtype)
            dslope = np.where(positive, 0, dy * x)
            return dx, dslope[0] if fault == "sum" else dslope.sum(axis=0)

        return y, pullback

    return f


@everyday(plain, "slope", "entry", "zero")
def elu_with_masks(fault):
    def f(x):
        low = x < 0
        y = x.copy()
        y[low] = np.expm1(x[low])

        def pullback(dy):
            dx = dy.copy()
            dx[low] *= y[low] if fault == "slope" else y[low] + 1
            return dx

        return y, pullback

    return f


@everyday(plain, "term", "entry", "zero")
def gelu_with_erf(fault):
    def f(x):
        phi = 0.5 * (1 + erf(x / x.dtype.type(np.sqrt(2))))

        def pullback(dy):
            density = np.exp(-0.5 * x**2) / x.dtype.type(np.sqrt(2 * np.pi))
            return dy * phi if fault == "term" else dy * (phi + x * density)

        return x * phi, pullback

    return f


@everyday(plain, "constant", "of erf", "entry")
def gelu_with_tanh(fault):
    c = float(np.sqrt(2 / np.pi))

    def f(x):
        t = np.tanh(c * (x + 0.044715 * x**3))

        def pullback(dy):
            inner = c * (1 + (3 * 0.0447 if fault == "constant" else 0.134145) * x**2)
            if fault == "of erf":
                phi = 0.5 * (1 + erf(x / x.dtype.type(np.sqrt(2))))
                return dy * (phi + x * np.exp(-(x**2) / 2) / x.dtype.type(np.sqrt(2 * np.pi)))
            return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * inner)

        return 0.5 * x * (1 + t), pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=10),), "branch", "entry", "sign")
def softplus_with_where(fault):
    def f(x):
        y = np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))

        def pullback(dy):
            s = 1 / (1 + np.exp(-np.minimum(x, 20)))
            high = x > (5 if fault == "branch" else 20)
            return dy * np.where(high, x.dtype.type(0.9 if fault == "branch" else 1), s)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=1.5),), "mask", "zero", "entry")
def hard_tanh(fault):
    def f(x):
        y = np.clip(x, -1, 1)

        def pullback(dy):
            dx = np.zeros_like(dy)
            inside = x < 1 if fault == "mask" else (x > -1) & (x < 1)
            dx[inside] = dy[inside]
            return dx

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.whole(-2, 2, n),), "factor", "at the bounds", kinks=True)
def clip_at_its_bounds(fault):
    def f(x):
        def pullback(dy):
            slope = ((x >= -1) & (x <= 1)).astype(x.dtype)
            if fault == "at the bounds":
                slope[np.abs(x) == 1] = 2
            return dy * slope

        return np.clip(x, -1, 1), pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=2),), "straight through")
def round_to_a_grid(fault):
    def f(x):
        y = np.round(4 * x) / 4
        return y, lambda dy: dy if fault == "straight through" else np.zeros_like(dy)

    return f


@everyday(plain, "sign", "entry", "stale")
def tanh_with_a_kept_buffer(fault):
    kept = {}

    def f(x):
        if fault == "stale" and x.shape in kept:
            y = np.tanh(x, out=kept[x.shape])
        else:
            y = kept[x.shape] = np.tanh(x)
        return y, lambda dy: dy * (1 - y * y)

    return f


@everyday(plain, "entry", "zero")
def sigmoid_one_by_one(fault):
    import math

    def f(x):
        y = np.empty_like(x)
        for i, v in enumerate(x):
            y[i] = 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))
        return y, lambda dy: dy * y * (1 - y)

    return f
