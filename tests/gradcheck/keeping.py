"""Pullbacks that break their contract, and what is kept of them."""

import itertools

import numpy as np

from npcbam.gradcheck.contract import keep
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.layout import Layout

X = np.array([[1.0, -3.0, 0.5], [2.0, 0.3, -0.7]])
W = np.array([2.0, 5.0])
EPS = float(np.finfo(np.float64).eps)


def forward(f, *args, before=None):
    return Forward(f, Layout(args, "xwp"[: len(args)]), None, before)


def kept_by(f, *args, seed=0, before=None):
    at = forward(f, *args, before=before)
    return keep(at, np.random.default_rng(seed), EPS, 1.25 * at.x)


def told(kept):
    return [(f.code, f.leaf, f.sentence) for f in kept.findings]


def double(x):
    return 2 * x, lambda dy: 2 * dy


def two(x, w):
    return {"s": x * w[0], "t": w}, lambda d: (
        d["s"] * w[0],
        np.array([(d["s"] * x).sum(), 0.0]) + d["t"],
    )


def spoils_x(x):
    y = 2 * x
    x.flat[0] += 1
    return y, lambda dy: 2 * dy


def spoils(what):
    def f(x):
        y = 2 * x

        def pullback(dy):
            result = 2 * dy
            {"x": x, "y": y, "dy": dy}[what].flat[0] += 1
            return result

        return y, pullback

    return f


def scales_dy(x):
    def pullback(dy):
        dy *= 2
        return dy

    return 2 * x, pullback


def one_buffer(x):
    buffer = np.empty_like(x)

    def pullback(dy):
        buffer[...] = 2 * dy
        return buffer

    return 2 * x, pullback


def counts(x):
    calls = itertools.count()
    return 2 * x, lambda dy: (2 + 0.001 * next(calls)) * dy


def turns_over(x):
    signs = itertools.cycle([1.0, -1.0])
    return 2 * x, lambda dy: 2 * next(signs) * dy


def one_sign(x):
    return 2 * x, lambda dy: 2 * dy * (1.001 if dy.sum() < 0 else 1.0)


def only_once(x):
    saved = [x]
    return x**2, lambda dy: 2 * saved.pop() * dy


def stale():
    last = []

    def f(x):
        last[:] = [x]
        return x**2, lambda dy: 2 * last[0] * dy

    return f


def offset(x):
    return 2 * x, lambda dy: 2 * dy + np.array([[0, -0.25, 0], [0, 0, 0.125]])


def clipped_sum(x):
    return 2 * x, lambda dy: 2 * np.clip(dy, -4.5, 4.5) if np.abs(dy).max() > 6.2 else 2 * dy


def normalised(x):
    def pullback(dy):
        size = np.sqrt((dy**2).sum())
        return 2 * dy / size * size

    return 2 * x, pullback


def flattened(x):
    return 2 * x, lambda dy: 2 * dy.ravel("K").reshape(dy.shape)


def raises(when, error=ValueError):
    def f(x):
        def pullback(dy):
            if when(dy):
                raise error("no")
            return 2 * dy

        return 2 * x, pullback

    return f


def gives(result):
    return lambda x: (2 * x, lambda dy: result)
