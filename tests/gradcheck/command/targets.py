"""What people point `npcbam grad` at: right and wrong, in every form, well-behaved and not."""

import ctypes
import os
import time

import numpy as np


def linear(x, w, b=0.0):
    return x @ w + b, lambda dy: (dy @ w.T, x.T @ dy)


def product(x, w):
    return x @ w, lambda dy: (dy @ w.T, x.T @ dy)


def halved(x: "N(3,4)"):  # noqa: F821
    return x**2, lambda dy: x * dy


def at_once(x: "N(3,4)"):  # noqa: F821
    """Right where x[0, 0] is positive alone."""
    return x**2, lambda dy: 2 * x * dy * (1 if x[0, 0] > 0 else 2)


def forward(x, w):
    return x @ w, (x, w)


def backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout


def energy(x):
    return (x**2).sum()


def force(x):
    return 2 * x


def loss(x):
    return (x**2).sum(), x


def product_jvp(x, w, dx, dw):
    return dx @ w + x @ dw


def loss_right(x):
    return (x**3).sum(), 3 * x**2


def loss_hvp(x, v):
    return 3 * x * v


def scaled(x, *, by):
    return by * x, lambda dy: by * dy


def scaled_energy(x, *, by):
    return by * (x**2).sum()


def scaled_force(x, *, by):
    return 2 * by * x


class Linear:
    def __init__(self, features):
        self.W = np.random.randn(4, features)  # noqa: NPY002

    def forward(self, x, bias=0.0):
        self.x = x
        return x @ self.W + bias

    def backward(self, dy):
        self.dW = self.x.T @ dy
        return dy @ self.W.T


class Doubled(Linear):
    def backward(self, dy):
        return 2 * super().backward(dy)


layer = Linear(3)
number = 3


def root(a):
    """The sum of the logarithms of the eigenvalues, of which only the lower triangle is read."""
    y = np.linalg.slogdet(np.tril(a) + np.tril(a, -1).T)[1]
    return np.asarray(y), lambda dy: dy * np.linalg.inv(a)


def noisy(x):
    kept = np.random.rand(*x.shape) < 0.5  # noqa: NPY002
    return x * kept, lambda dy: dy * kept


def fix():
    np.random.seed(0)  # noqa: NPY002


def make_args(rng):
    return rng.normal(size=(3, 4)), rng.normal(size=(4, 5))


def make_badly():
    return {}["lost"]


def fails(x):
    raise KeyError("lost")


def hangs(x):
    while True:
        time.sleep(1)


def crashes(x):
    ctypes.string_at(0)


def leaves(x):
    os._exit(0)


def exits(x):
    raise SystemExit(3)


def loud(x):
    print("it speaks")
    return linear(x, np.eye(x.shape[-1]))[0], lambda dy: dy
