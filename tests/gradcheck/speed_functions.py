"""Small functions as people write them, for timing: right, and with a fault planted at the end."""

from __future__ import annotations

import math

import numpy as np
from transformer import attention, dense, gelu, layer_norm, mlp, parameters, softmax

from npcbam import tree

rng = np.random.default_rng(3)
WHOLE = parameters(rng, 8)


def draw(*shape):
    return rng.normal(size=shape)


def relu_in_buffer(x):
    """ReLU written into a float64 buffer: complex numbers do not fit, so differences decide."""
    y = np.empty(x.shape)
    np.maximum(x, 0, out=y)
    return y, lambda dy: dy * (x > 0)


def tanh(x):
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - y * y)


def l1_loss(a, b):
    sign = np.sign(a - b) / a.size
    loss = float(sum(abs(float(d)) for d in (a - b).ravel()) / a.size)
    return np.array(loss), lambda dy: (dy * sign, -dy * sign)


def max_pool(x):
    """2 x 2 max pooling with loops, as in a first course."""
    n, c, h, w = x.shape
    y, places = np.zeros((n, c, h // 2, w // 2)), {}
    for at in np.ndindex(y.shape):
        i, j = 2 * at[2], 2 * at[3]
        window = x[at[0], at[1], i : i + 2, j : j + 2]
        k, m = divmod(int(window.argmax()), 2)
        y[at], places[at] = window[k, m], (at[0], at[1], i + k, j + m)

    def max_pool_pullback(dy):
        dx = np.zeros(x.shape)
        for at, place in places.items():
            dx[place] += dy[at]
        return dx

    return y, max_pool_pullback


def math_softplus(x):
    """Softplus by math.log1p, number by number."""
    y = np.array([math.log1p(math.exp(float(v))) for v in x.ravel()]).reshape(x.shape)
    return y, lambda dy: dy * (1 - np.exp(-y))


def whole_softmax(x):
    y, pullback = softmax(x)
    return y, pullback


FUNCTIONS = {
    "linear (8, 8) by (8, 8)": (dense, (WHOLE["attention"]["q"], draw(8, 8))),
    "softmax (6, 10)": (whole_softmax, (draw(6, 10),)),
    "gelu (10, 20)": (gelu, (draw(10, 20),)),
    "layer norm (6, 8)": (layer_norm, (WHOLE["norm1"], draw(6, 8))),
    "attention (1, 5, 8)": (attention, (WHOLE["attention"], draw(1, 5, 8))),
    "mlp (5, 8)": (mlp, (WHOLE["mlp"], draw(5, 8))),
    "relu into a buffer (10, 20)": (relu_in_buffer, (draw(10, 20),)),
    "l1 loss as a number (6, 5)": (l1_loss, (draw(6, 5), draw(6, 5))),
    "max pooling by loops (1, 2, 6, 6)": (max_pool, (draw(1, 2, 6, 6),)),
    "softplus by math (6, 8)": (math_softplus, (draw(6, 8),)),
}


def one_entry(leaf):
    """Add a multiple of the others to the entry in the middle, so that dy still enters linearly."""
    out = leaf.copy()
    weights = 0.1 * np.cos(np.arange(leaf.size))
    out.flat[leaf.size // 2] += weights.astype(leaf.dtype) @ leaf.ravel()
    return out


FAULTS = {
    "by 2": lambda leaf: 2 * leaf,
    "sign": lambda leaf: -leaf,
    "one entry": one_entry,
    "0.1 % off": lambda leaf: leaf * leaf.dtype.type(1.001),
    "zero": np.zeros_like,
}


def planted(f, fault):
    """Return f with a fault in the last cotangent's every leaf."""

    def with_fault(*args):
        y, pullback = f(*args)

        def wrong_pullback(dy):
            back = pullback(dy)
            if not isinstance(back, tuple):
                return FAULTS[fault](back)
            return (*back[:-1], tree.map(FAULTS[fault], back[-1]))

        return y, wrong_pullback

    return with_fault
