"""Whole blocks as functions of NumPy, with mistakes."""

import numpy as np

from npcbam.oracle import examples
from npcbam.oracle.examples import init, right  # noqa: F401, which a check asks for its arrays
from planted.registry import wrong


@wrong("gradient: gradient-scaled")
def half_gradient(params, x):
    y, pullback = right(params, x)
    return y, lambda dy: (pullback(dy)[0], pullback(dy)[1] / 2)


@wrong("numerics: half-inside")
def single(params, x):
    return right(params, x.astype("f2").astype(x.dtype))[0]


@wrong("effects: writes-input")
def writes(params, x):
    y, pullback = right(params, x.copy())
    x[...] = 0
    return y, pullback


@wrong("channel: channel-two-sigmoids")
def channels_last(params, x):
    y = examples.two_sigmoids(params, np.moveaxis(x, -1, 1))
    return np.moveaxis(y[0] if isinstance(y, tuple) else y, 1, -1)
