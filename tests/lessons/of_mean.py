"""Answers to the exercise of the mean, and what is said of them."""

import numpy as np

from npcbam import lessons


def average(x):
    return x.mean((2, 3), keepdims=True)


def spread(x, dy):
    return np.broadcast_to(dy / x.dtype.type(x[0, 0].size), x.shape)


def judged(f):
    f.__name__ = "mean_vjp"
    verdict = lessons.examine(f)
    return verdict.outcome, *verdict.reasons


def pulled(pullback):
    """Judge a right forward with a `pullback(x, dy)`."""

    def mean_vjp(x):
        return average(x), lambda dy: pullback(x, dy)

    return judged(mean_vjp)
