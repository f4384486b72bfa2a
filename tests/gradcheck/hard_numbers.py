"""Ends of domains, references that are off, buffers, and single precision."""

from __future__ import annotations

import math

import numpy as np
from hard_case import elementwise, hard
from scipy import special
from scipy.linalg import solve_sylvester, sqrtm
from scipy.optimize import brentq
from scipy.stats import norm

# Domains


@hard("the logarithm of a determinant of nearly 0", 0.0, 1.001)
def nearly_singular(rng, factor):
    # Complex slogdet gives a real logarithm; and the dip is narrower than where rounding is heard.
    q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    a = q * [1, 1, 1, 1e-2, 1e-7] @ q.T
    return (
        lambda a: (np.linalg.slogdet(a)[1], lambda dy: factor * dy * np.linalg.inv(a).T),
        (a,),
        {},
    )


@hard("a scalar logarithm that raises below 0", 1.001, 0.0)
def scalar_log(rng, factor):
    x = np.append(rng.uniform(0.1, 3, size=9), 1e-9)
    return elementwise(
        lambda x: np.array([math.log(v) for v in x]), lambda x: 1 / x, x, factor, at=3
    )


@hard("a root of numbers far apart", 1.001, 0.0)
def sizes_far_apart(rng, factor):
    x = np.array([1e6, 1.0, 1e-3]) * rng.uniform(0.5, 2, size=3)
    return elementwise(lambda x: np.sqrt(np.real(x)), lambda x: 0.5 / np.sqrt(x), x, factor, at=2)


@hard("entropy of parts that are positive", 1.001)
def entropy(rng, factor):
    p = rng.dirichlet(np.ones(5))
    f, args, _ = elementwise(lambda p: p * np.log(np.real(p)), lambda p: np.log(p) + 1, p, factor)
    return f, args, {"domain": "positive"}


# What the reference itself gets wrong


def log_normal_slope(z):
    return np.exp(norm.logpdf(z) - special.log_ndtr(z))


@hard("log_ndtr, whose complex form is off by 1e-7", 1.0001, 0.99)
def log_ndtr(rng, factor):
    z = np.array([-5.4, 1.0, rng.normal()])
    return elementwise(special.log_ndtr, log_normal_slope, z, factor)


@hard("the survival function's logarithm", 1.0001)
def log_sf(rng, factor):
    z = np.array([-5.4, 1.0, rng.normal()])
    return elementwise(norm.logsf, lambda z: -log_normal_slope(-z), z, factor)


@hard("matrix square root, whose complex form is off by 1e-10", 1.001, -1.0)
def matrix_root(rng, factor):
    a = rng.normal(size=(3, 3))

    def f(a):
        root = sqrtm(a)
        return root, lambda dy: factor * solve_sylvester(root.T, root.T, dy)

    return f, (a @ a.T + 3 * np.eye(3),), {}


def root_of(value, **tolerance):
    return brentq(lambda t: t**3 + t - value, -10, 10, **tolerance)


def implicit(**tolerance):
    def make(rng, factor):
        def roots(a):
            return np.array([root_of(v, **tolerance) for v in a])

        return elementwise(roots, lambda a: 1 / (3 * roots(a) ** 2 + 1), rng.normal(size=4), factor)

    return make


hard("a root found to the last digit", 1.0001, 0.0)(implicit(xtol=1e-14, rtol=1e-14))
hard("a root found to twelve digits", 1.0001, 0.0)(implicit())


# Buffers and numbers


@hard("an output buffer that is used again", 1.5, 0.0)
def output_buffer(rng, factor):
    w, buffer = rng.normal(size=(4, 3)), np.zeros((5, 3))
    return (
        lambda a: (np.dot(a, w, out=buffer), lambda dy: factor * dy @ w.T),
        (rng.normal(size=(5, 4)),),
        {},
    )


@hard("a loss that is a Python float", 0.5, 0.0)
def python_float(rng, factor):
    return (
        lambda x: (float((x**2).sum()), lambda dy: factor * 2 * dy * x),
        (rng.normal(size=5),),
        {},
    )


@hard("a mask drawn anew in each call, from one seed", 0.5, 0.0)
def seeded_dropout(rng, factor):
    def f(x):
        kept = np.random.rand(*x.shape) < 0.5  # noqa: NPY002, as users do
        return x * kept / 0.5, lambda dy: factor * dy * kept / 0.5

    # At least one is kept of the twenty for this seed.
    return f, (rng.normal(size=20),), {"before": lambda: np.random.seed(0)}  # noqa: NPY002


@hard("single precision alone, ten thousand entries", 1.001)
def single_alone(rng, factor):
    def tanh(x):
        if x.dtype != np.float32:
            raise TypeError("float32 only")
        return np.tanh(x)

    x = rng.normal(size=10_000).astype(np.float32)
    x[1234] = 0.4
    slope = lambda x: 1 - np.tanh(x) ** 2  # noqa: E731
    return elementwise(tanh, slope, x, np.float32(factor), at=1234)


@hard("single precision, ten thousand entries", 1.001)
def single(rng, factor):
    x = rng.normal(size=10_000).astype(np.float32)
    x[1234] = 0.4
    return elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2, x, factor, at=1234)


@hard("wrong in single precision only, ten thousand entries", 1.001)
def single_only(rng, factor):
    x = rng.normal(size=10_000).astype(np.float32)
    x[1234] = 0.4

    def f(x):
        def pullback(dy):
            dx = dy * (1 - np.tanh(x) ** 2)
            if x.dtype == np.float32:
                dx[1234] *= np.float32(factor)
            return dx

        return np.tanh(x), pullback

    return f, (x,), {}
