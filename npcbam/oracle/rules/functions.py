"""What the rules share: pools by name, activations and gates as values, all on complex numbers too.

What one rule alone sets stands in that rule's own entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from npcbam import pooling
from npcbam.arguments import Array
from npcbam.oracle.precision import LOGIT
from npcbam.oracle.rules.rule import Pointwise
from npcbam.pointwise import relu, sigmoid


def clip(z: Array, low: float, high: float) -> Array:
    """Return z, but no less than `low` and no more than `high`."""
    return np.minimum(np.maximum(z, low), high)


def _std(x: Array, axes: tuple[int, ...], less: int) -> Array:
    centred = x - x.mean(axis=axes, keepdims=True)
    count = max(math.prod(x.shape[axis] for axis in axes) - less, 1)
    std: Array = np.sqrt(np.square(centred).sum(axis=axes, keepdims=True) / count)
    return std


def _median(x: Array, axes: tuple[int, ...], upper: bool = False) -> Array:
    """Return the lower median or the upper one; of an odd number of values both are the same."""
    kept = [1 if i in axes else n for i, n in enumerate(x.shape)]
    last = np.moveaxis(x, axes, range(-len(axes), 0))
    ordered = np.sort(last.reshape(*last.shape[: x.ndim - len(axes)], -1), axis=-1)
    median: Array = ordered[..., (ordered.shape[-1] - (not upper)) // 2].reshape(kept)
    return median


def softmax(z: Array) -> Array:
    """Return the shares of e**z along axis 1."""
    e = np.exp(z - z.real.max(axis=1, keepdims=True))
    share: Array = e / e.sum(axis=1, keepdims=True)
    return share


POOLS: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "avg": pooling.mean,
    "max": pooling.max,
    "lp": pooling.lp,
    "lse": pooling.logsumexp,
    "min": lambda x, axes: -pooling.max(-x, axes),
    "sum": lambda x, axes: x.sum(axis=axes, keepdims=True),
    "std": lambda x, axes: _std(x, axes, 1),
    "std-biased": lambda x, axes: _std(x, axes, 0),
    # As torch has it, and as NumPy and JAX do.
    "median": _median,
    "median-between": lambda x, axes: (_median(x, axes) + _median(x, axes, upper=True)) / 2,
    "absmax": lambda x, axes: pooling.max(np.maximum(x, -x), axes),
    "max0": lambda x, axes: np.maximum(pooling.max(x, axes), 0),
    "maxmean": lambda x, axes: pooling.mean(pooling.max(x, axes[:1]), axes),
    "square": lambda x, axes: pooling.mean(x * x, axes),
}


def logit(share: Array) -> Array:
    """Return σ⁻¹ of a share, NaN where it is nearly 0 or 1."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.log(share / (1 - share))
    return np.where(np.abs(z) < LOGIT, z, np.nan)


def between(share: Array) -> Array:
    """Return a share, NaN where it was cut off at 0 or 1."""
    return np.where((share > 0) & (share < 1), share, np.nan)


NONE = Pointwise("none", lambda z: z, lambda y: y)
RELU = Pointwise("relu", relu, lambda y: np.where(y > 0, y, np.nan))
SIGMOID = Pointwise("sigmoid", sigmoid, logit)
SIGMOID_TWICE = Pointwise(
    "sigmoid-twice", lambda z: sigmoid(np.array(sigmoid(z))), lambda y: logit(logit(y))
)
TANH = Pointwise("tanh", np.tanh, lambda y: logit((1 + y) / 2) / 2)
SILU = Pointwise("silu", lambda z: z * sigmoid(z))
HARD_SIGMOID = Pointwise(
    "hardsigmoid", lambda z: clip(z + 3, 0, 6) / 6, lambda y: 6 * between(y) - 3
)
CLAMP = Pointwise("clamp", lambda z: clip(z, 0, 1), between)
ONE_PLUS = Pointwise("one-plus", lambda z: 1 + sigmoid(z), lambda y: logit(y - 1))
ONE_MINUS = Pointwise("one-minus", lambda z: 1 - sigmoid(z), lambda y: logit(1 - y))
TWICE = Pointwise("twice", lambda z: 2 * sigmoid(z), lambda y: logit(y / 2))
CHANNEL_SOFTMAX = Pointwise("softmax", softmax)
POSITION_SOFTMAX = Pointwise("softmax", lambda z: softmax(z.reshape(len(z), -1)).reshape(z.shape))

# Eq. 2 and its MLP, as the lines of a rule have them; see `rules.lines`.
MC = "mc = column(sigmoid(mlp(avg(x)) + mlp(top(x))))"
MLP = "def mlp(f): return relu(f @ w0.T) @ w1.T"
