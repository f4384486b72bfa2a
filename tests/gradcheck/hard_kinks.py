"""Kinks, steps, and what is small beside what is large."""

from __future__ import annotations

import numpy as np
from hard_case import elementwise, hard, summed

# Kinks


@hard("abs at exact zeros", 0.0, -1.0, 0.99)
def abs_at_zero(rng, factor):
    return elementwise(np.abs, np.sign, rng.normal(size=7) * [0, 1, 1, 0, 1, 1, 1], factor)


@hard("relu into a buffer, 1,000 entries", 0.0, 1.002)
def relu_buffer(rng, factor):
    def relu(x):
        y = np.zeros(x.shape)
        y[x > 0] = x[x > 0]
        return y

    return elementwise(relu, lambda x: x > 0, rng.normal(size=1000), factor)


@hard("one entry of a relu into a buffer", 0.0, 1.002)
def relu_buffer_one(rng, factor):
    x = rng.normal(size=1000)
    x[700] = 0.8
    return elementwise(lambda x: np.maximum(x, 0), lambda x: x > 0, x, factor, at=700)


@hard("mean of magnitudes", 1.01, -1.0, 0.0)
def mean_magnitude(rng, factor):
    return summed(
        lambda x: np.abs(x) / x.size, lambda x: np.sign(x) / x.size, rng.normal(size=1000), factor
    )


@hard("hinge", 0.0, 1.002)
def hinge(rng, factor):
    return summed(
        lambda x: np.maximum(0, 1 - x), lambda x: -1.0 * (x < 1), rng.normal(size=300), factor
    )


@hard("huber, written with conditions", 0.0, 1.002)
def huber(rng, factor):
    def loss(x):
        return np.array([0.5 * v * v if abs(v) < 1 else abs(v) - 0.5 for v in x.ravel()])

    return summed(loss, lambda x: np.clip(x, -1, 1), 2 * rng.normal(size=120), factor)


@hard("a maximum of two at ties", 0.0, 2.0)
def maximum(rng, factor):
    a = rng.normal(size=6)

    def f(a, b):
        return np.maximum(a, b), lambda dy: (factor * dy * (a >= b), factor * dy * (a < b))

    return f, (a, a + np.array([0, 0, 0, 1, -1, 2])), {}


# Small beside large


def beside(size):
    def make(rng, factor):
        def f(x, w):
            y = np.array(size * (x**2).sum() + np.abs(w).sum())
            return y, lambda dy: (2 * size * dy * x, factor * dy * np.sign(w))

        return f, (5 * rng.normal(size=50), rng.normal(size=5)), {}

    return make


hard("a small leaf beside a large one", 0.0, 1.01, -1.0)(beside(1e4))


@hard("a smooth leaf beside one that is 1e12 times as large", 0.0, 1.01)
def smooth_beside(rng, factor):
    def f(a, b):
        y = np.array(1e12 * np.sin(a).sum() + np.sin(b).sum())
        return y, lambda dy: (1e12 * dy * np.cos(a), factor * dy * np.cos(b))

    return f, (rng.normal(size=3), rng.normal(size=4)), {}


@hard("a small leaf beside a large one that is looked at in blocks", 0.0, 1.001)
def small_leaf_of_many(rng, factor):
    def f(x, w):
        y = np.array(1e6 * (x**2).sum() + (w**2).sum())
        return y, lambda dy: (2e6 * dy * x, factor * 2 * dy * w)

    return f, (rng.normal(size=3000), rng.normal(size=4)), {"directions": 2}


def quiet(size):
    def make(rng, factor):
        scale = np.full(size, 1e6)
        scale[size // 3] = 1.0
        return elementwise(
            lambda x: scale * np.sin(x),
            lambda x: scale * np.cos(x),
            rng.normal(size=size),
            factor,
            at=size // 3,
        )

    return make


hard("a quiet entry beside loud ones", 0.0, 1.0001)(quiet(20))
hard("a quiet entry beside hundreds of loud ones", 0.0, 1.0001)(quiet(300))
hard("a quiet entry beside thousands of loud ones", 0.0, 1.0001)(quiet(3000))


@hard("a quiet entry in one sum with loud ones", 0.0, 1.01)
def quiet_sum(rng, factor):
    scale = np.array([1.0] + [1e6] * 99)
    return summed(
        lambda x: scale * np.abs(x),
        lambda x: scale * np.sign(x),
        rng.normal(size=100),
        factor,
        at=0,
    )


@hard("zero for thousands", 0.0, -1.0)
def thousands(rng, factor):
    return elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2, rng.normal(size=2049), factor)


@hard("zero for thousands along directions", 0.0, -1.0)
def thousands_along(rng, factor):
    f, args, _ = thousands(rng, factor)
    return f, args, {"directions": 1}


# Steps, whose derivative is 0


def steps(of):
    def make(rng, factor):
        # Every factor but 1 is a straight-through gradient.
        return elementwise(of, lambda x: np.full(x.shape, factor - 1), 3 * rng.normal(size=20), 1.0)

    return make


for function in (np.floor, np.round, np.sign):
    hard(f"{function.__name__} has derivative 0", 2.0, 1.01)(steps(function))
