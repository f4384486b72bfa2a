"""Pools on values with errors; see `errors`."""

from __future__ import annotations

import math

import numpy as np

from npcbam import pooling
from npcbam.oracle.comparison.errors import DEVIATIONS, ELEMENTARY, SWITCHED, Axes, Near, units_lost
from npcbam.pooling import Pool


def mean(x: Near, axes: Axes) -> Near:
    """Average over `axes`, kept with size 1. The errors may be of one source, and add in full."""
    value, pullback = pooling.mean_vjp(x.value, axes)
    n = math.prod(x.value.shape[axis] for axis in axes)
    squares = pooling.mean(np.square(x.value), axes) / n
    terms = np.abs(value) + units_lost(x.kind, value, squares, n)

    def mean_pull(dy: Near) -> tuple[Near, ...]:
        return (dy.then(pullback(dy.value), pullback(dy.sd)),)

    return x.then(value, pooling.mean(x.sd, axes), terms, (x,), mean_pull)


def maximum(x: Near, axes: Axes, pool: Pool) -> Near:
    """Take the largest by a pool. Where several may be the largest, none is sure of its dy."""
    value, pullback = pool.vjp(x.value, axes)
    lowest = pooling.max(x.value - x.reach, axes)
    highest = pooling.max(x.value + x.reach, axes)
    sd = np.maximum(highest - value, value - lowest) / DEVIATIONS
    rivals = x.value + x.reach >= lowest
    # Ties of exact numbers are settled by the rule.
    blurred = (rivals & (x.sd > 0)).any(axis=tuple(axes), keepdims=True)
    several = rivals.sum(axis=tuple(axes), keepdims=True) > 1
    unsure = rivals & blurred & several

    def max_pull(dy: Near) -> tuple[Near, ...]:
        sd = np.where(unsure, SWITCHED * dy.size + dy.sd, pullback(dy.sd))
        return (dy.then(pullback(dy.value), sd),)

    return Near(value, sd, x.kind, (x,), max_pull)


def lp(x: Near, axes: Axes) -> Near:
    """Take √Σ x² over `axes`; an error of x counts at most in full."""
    value, _ = pooling.lp_vjp(x.value, axes)
    n = math.prod(x.value.shape[axis] for axis in axes)
    unit, floor = x.kind.unit, math.sqrt(n * x.kind.least)
    sd = pooling.lp(x.sd, axes) + floor * (value != 0) + unit * value * (1 + math.sqrt(n) / 2)
    safe = np.where(value > 0, value, 1)
    ratio = np.where(value > 0, x.value / safe, 0)
    unsure = np.where(sd > 0, (x.sd + np.abs(ratio) * sd) / safe, 0)
    blind = value <= DEVIATIONS * sd
    most = 2 / DEVIATIONS
    direction = x.then(ratio, np.where(blind, most * (sd > 0), np.minimum(unsure, most)))

    def lp_pull(dy: Near) -> tuple[Near, ...]:
        return (direction * spread(dy, x.value.shape),)

    return x.then(value, sd, None, (x,), lp_pull)


def logsumexp(x: Near, axes: Axes) -> Near:
    """Take log Σ exp x over `axes`, shifted by the maximum."""
    value, pullback = pooling.logsumexp_vjp(x.value, axes)
    n = math.prod(x.value.shape[axis] for axis in axes)
    share = pullback(np.ones_like(value))
    # exp(x - top) has the error of its argument, in units of itself.
    top = pooling.max(x.value, axes)
    off = x.sd + x.kind.unit * (np.abs(x.value - top) + ELEMENTARY)
    total = (share * off).sum(axis=tuple(axes), keepdims=True) + x.kind.unit * math.sqrt(n)
    sd = total + x.kind.unit * (np.abs(top) + ELEMENTARY * np.abs(value - top))
    softmax = x.then(share, share * (off + sd))

    def logsumexp_pull(dy: Near) -> tuple[Near, ...]:
        return (softmax * spread(dy, x.value.shape),)

    return x.then(value, sd, None, (x,), logsumexp_pull)


def spread(x: Near, shape: tuple[int, ...]) -> Near:
    """Repeat a pooled cotangent where it was pooled."""
    return Near(np.broadcast_to(x.value, shape), np.broadcast_to(x.sd, shape), x.kind)
