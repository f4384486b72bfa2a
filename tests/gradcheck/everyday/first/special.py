"""Logarithms one by one, special functions and densities."""

import math

import numpy as np
from everyday.case import everyday
from scipy import special, stats


@everyday(lambda draw, n: (draw.positive(n),), "zero", "entry", "factor")
def log_one_by_one(fault):
    def f(a):
        y = np.array([math.log(v) for v in a], dtype=a.dtype)
        return y, lambda dy: dy / a

    return f


@everyday(
    lambda draw, n: (draw.positive(n), draw.positive(1), draw.positive(1)), "digamma", "last zero",
    "entry", domain="positive",
)  # fmt: skip
def gamma_logpdf(fault):
    def f(x, shape, rate):
        y = shape * np.log(rate) - special.gammaln(shape) + (shape - 1) * np.log(x) - rate * x

        def pullback(dy):
            psi = np.log(shape) if fault == "digamma" else special.digamma(shape)
            dshape = (dy * (np.log(rate) - psi + np.log(x))).sum(keepdims=True)
            drate = (dy * (shape / rate - x)).sum(keepdims=True)
            return dy * ((shape - 1) / x - rate), dshape, drate

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.normal(1), draw.positive(1)), "term", "sum", "last zero",
    "entry", domain={"sigma": "positive"},
)  # fmt: skip
def normal_logpdf(fault):
    def f(x, mu, sigma):
        z = (x - mu) / sigma
        y = -0.5 * z**2 - np.log(sigma) - 0.5 * math.log(2 * math.pi)

        def pullback(dy):
            dx = -dy * z / sigma
            dsigma = dy * (z**2 - (0 if fault == "term" else 1)) / sigma
            dmu = -dx[:1] if fault == "sum" else -dx.sum(keepdims=True)
            return dx, dmu, dsigma.sum(keepdims=True)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=3),), "tail", "entry", "zero")
def log_of_normal_cdf(fault):
    def f(x):
        y = special.log_ndtr(x)

        def pullback(dy):
            logpdf = -0.5 * x**2 - 0.5 * math.log(2 * math.pi)
            ratio = np.exp(logpdf - y)
            return dy * (np.where(x < -2, 0, ratio) if fault == "tail" else ratio)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n, scale=3),), "sign", "entry", dtypes=("float64",), largest=1000
)
def survival_of_scipy(fault):
    def f(z):
        y = stats.norm.logsf(z)
        return y, lambda dy: -dy * np.exp(stats.norm.logpdf(z) - y)

    return f


@everyday(
    lambda draw, n: (draw.positive(n), draw.positive(n)),
    "one",
    "last zero",
    "entry",
    domain="positive",
)
def x_log_y(fault):
    def f(x, y):
        def pullback(dz):
            return dz * np.log(y) + (1 if fault == "one" else 0), dz * x / y

        return special.xlogy(x, y), pullback

    return f


@everyday(
    lambda draw, n: (draw.positive(n), draw.normal(n)),
    "base",
    "last zero",
    "entry",
    domain={"a": "positive"},
)
def power_of_two_arrays(fault):
    def f(a, b):
        y = a**b

        def pullback(dy):
            return dy * (y / a if fault == "base" else b * a ** (b - 1)), dy * y * np.log(a)

        return y, pullback

    return f
