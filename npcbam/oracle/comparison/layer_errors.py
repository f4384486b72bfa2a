"""What each step of a CBAM makes of values with rounding errors; see `rounding_errors`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from npcbam import pooling
from npcbam.arguments import Array
from npcbam.conv import Conv
from npcbam.oracle.comparison.rounding_errors import (
    DEVIATIONS,
    Near,
    bilinear,
    to_shape,
    units_lost,
)
from npcbam.pointwise import relu_vjp, sigmoid_vjp
from npcbam.pooling import Pool
from npcbam.types import PullbackToBoth

# How many units an honest exp or log may be off, and what is made of it on the way.
ELEMENTARY = 4 / DEVIATIONS
# What a cotangent may gain or lose where a maximum or a relu may switch, as a deviation: four of
# them may do so together, at the worst.
SWITCHED = 2 / DEVIATIONS

Axes: TypeAlias = Sequence[int]


def relu(z: Near) -> Near:
    """Rectify. Where the sign of z is not sure, nor is the slope."""
    value, pullback = relu_vjp(z.value)
    sd = np.where(z.value + z.reach > 0, z.sd, 0)
    unsure = (z.size <= z.reach) & (z.sd > 0)

    def relu_pull(dy: Near) -> tuple[Near, ...]:
        kept = np.where(unsure, SWITCHED * dy.size + dy.sd, pullback(dy.sd))
        return (Near(pullback(dy.value), kept, z.kind),)

    return Near(value, sd, z.kind, (z,), relu_pull)


def sigmoid(z: Near) -> Near:
    """Squash. The slope is that of an honest y (1 - y), which loses digits where y is nearly 1."""
    unit = z.kind.unit
    value, pullback = sigmoid_vjp(z.value)
    slope = pullback(np.ones_like(value))
    nearest = np.maximum(z.size - z.reach, 0)
    steepest = sigmoid_vjp(nearest)[1](np.ones_like(value))
    # Three units of 1, for an honest tanh in (1 + tanh(z/2)) / 2, or an exp in 1 / (1 + exp(-z));
    # and where that overflows, y is 0.
    own = unit * (ELEMENTARY * slope + 3 / DEVIATIONS) + 1 / z.kind.most
    sd = np.minimum(steepest * z.sd, 1 / DEVIATIONS) + own
    slope_sd = np.abs(1 - 2 * value) * sd + DEVIATIONS * np.square(sd) + ELEMENTARY * unit * slope
    steep = Near(slope, slope_sd, z.kind)
    return z.then(value, sd, None, (z,), lambda dy: (dy * steep,))


def reciprocal_root(v: Near, eps: float) -> Near:
    """Compute 1/√(v + eps)."""
    inv = 1 / np.sqrt(v.value + eps)
    sd = inv**3 / 2 * v.sd + ELEMENTARY * v.kind.unit * inv
    slope = v.then(-(inv**3) / 2, 3 * np.square(inv) / 2 * sd + v.kind.unit * inv**3)
    return v.then(inv, sd, None, (v,), lambda dy: (dy * slope,))


def reshape(x: Near, shape: tuple[int, ...]) -> Near:
    """Lay the same numbers in another shape."""
    value, sd = x.value.reshape(shape), x.sd.reshape(shape)
    return Near(value, sd, x.kind, (x,), lambda dy: (reshape(dy, x.value.shape),))


def broadcast(x: Near, shape: tuple[int, ...]) -> Near:
    """Repeat along axes of size 1; backward the cotangents of all copies add."""
    value, sd = np.broadcast_to(x.value, shape), np.broadcast_to(x.sd, shape)
    return Near(value, sd, x.kind, (x,), lambda dy: (to_shape(dy, x.value.shape),))


def stack(planes: Sequence[Near]) -> Near:
    """Join planes (N, 1, *S) along the channels."""

    def stack_pull(dy: Near) -> tuple[Near, ...]:
        parts = [slice(i, i + 1) for i in range(len(planes))]
        return tuple(Near(dy.value[:, part], dy.sd[:, part], dy.kind) for part in parts)

    value = np.concatenate([plane.value for plane in planes], axis=1)
    sd = np.concatenate([plane.sd for plane in planes], axis=1)
    return Near(value, sd, planes[0].kind, tuple(planes), stack_pull)


def linear(w: Near, f: Near) -> Near:
    """Compute f @ w.T, the factors rounded as the precision has it."""
    return bilinear(_linear_vjp, w, f, w.kind.factor)


def _linear_vjp(w: Array, f: Array) -> tuple[Array, PullbackToBoth]:
    def linear_pullback(dz: Array) -> tuple[Array, Array]:
        return dz.T @ f, dz @ w

    return f @ w.T, linear_pullback


def convolve(w: Near, x: Near) -> Near:
    """Correlate, the factors rounded as the precision has it."""
    return bilinear(_conv_vjp, w, x, w.kind.factor)


def _conv_vjp(w: Array, x: Array) -> tuple[Array, PullbackToBoth]:
    y, pullback = Conv(w).vjp(x)

    def conv_pullback(dy: Array) -> tuple[Array, Array]:
        dconv, dx = pullback(dy)
        return dconv.w, dx

    return y, conv_pullback


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
        return (direction * broadcast(dy, x.value.shape),)

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
        return (softmax * broadcast(dy, x.value.shape),)

    return x.then(value, sd, None, (x,), logsumexp_pull)
