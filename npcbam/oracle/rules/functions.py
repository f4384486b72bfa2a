"""What the tables name: pools, activations and gates, all on complex numbers too."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from npcbam import pooling
from npcbam.arguments import Array
from npcbam.pointwise import relu, sigmoid


def _clip(z: Array, low: float, high: float) -> Array:
    return np.minimum(np.maximum(z, low), high)


def _erf(z: Array) -> Array:
    from scipy.special import erf

    value: Array = erf(z)
    return value


def _std(x: Array, axes: tuple[int, ...], less: int) -> Array:
    centred = x - x.mean(axis=axes, keepdims=True)
    count = max(math.prod(x.shape[axis] for axis in axes) - less, 1)
    std: Array = np.sqrt(np.square(centred).sum(axis=axes, keepdims=True) / count)
    return std


def _median(x: Array, axes: tuple[int, ...]) -> Array:
    """Return the lower median, as torch.median does."""
    kept = [1 if i in axes else n for i, n in enumerate(x.shape)]
    last = np.moveaxis(x, axes, range(-len(axes), 0))
    ordered = np.sort(last.reshape(*last.shape[: x.ndim - len(axes)], -1), axis=-1)
    median: Array = ordered[..., (ordered.shape[-1] - 1) // 2].reshape(kept)
    return median


def _softplus(z: Array) -> Array:
    # ln(1 + eᶻ) = z + ln(1 + e⁻ᶻ), of which one does not overflow.
    large = z.real > 0
    value: Array = np.where(large, z, 0) + np.log1p(np.exp(np.where(large, -z, z)))
    return value


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
    "median": _median,
    "absmax": lambda x, axes: pooling.max(np.maximum(x, -x), axes),
    "max0": lambda x, axes: np.maximum(pooling.max(x, axes), 0),
    "maxmean": lambda x, axes: pooling.mean(pooling.max(x, axes[:1]), axes),
    "square": lambda x, axes: pooling.mean(x * x, axes),
}
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
    "none": lambda z: z,
    "silu": lambda z: z * sigmoid(z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * (1 + _erf(z / math.sqrt(2))) / 2,
    "gelu-tanh": lambda z: z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2,
    "leaky-0.01": lambda z: np.where(z > 0, z, 0.01 * z),
    "leaky-0.1": lambda z: np.where(z > 0, z, 0.1 * z),
    "leaky-0.2": lambda z: np.where(z > 0, z, 0.2 * z),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu6": lambda z: _clip(z, 0, 6),
    "softplus": _softplus,
    "mish": lambda z: z * np.tanh(_softplus(z)),
    "selu": lambda z: (
        1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))
    ),
    "hardswish": lambda z: z * _clip(z + 3, 0, 6) / 6,
}
OUTPUTS: dict[str, Callable[[Array], Array]] = {"none": lambda z: z, "relu": relu}
GATES: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid,
    "none": lambda z: z,
    "sigmoid-twice": lambda z: sigmoid(np.array(sigmoid(z))),
    "tanh": np.tanh,
    "hardsigmoid": lambda z: _clip(z + 3, 0, 6) / 6,
    "clamp": lambda z: _clip(z, 0, 1),
    "softmax": softmax,
    "silu": lambda z: z * sigmoid(z),
    "relu": relu,
    "one-plus": lambda z: 1 + sigmoid(z),
    "one-minus": lambda z: 1 - sigmoid(z),
    "twice": lambda z: 2 * sigmoid(z),
}
