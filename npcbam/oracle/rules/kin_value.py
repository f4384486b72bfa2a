"""A kin of CBAM as a value: what arrays it has, and what it makes of them and of x.

What a paper or its code leaves open (biases, norms, how two maps are put together) is another formula
of the same kin. Numbers that no shape tells are tried, or solved for. Below: the layers that the
kin share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from npcbam.arguments import Array
from npcbam.pointwise import sigmoid

Weights = Mapping[str, Array]
# Sizes by letter: C channels, h hidden units, k an odd kernel.
Shape = tuple[str | int, ...]
# The usual eps of norms: of torch and flax, of Keras.
EPS = (1e-5, 1e-3)
CHANNEL, HIDDEN, ONE = ("C",), ("h",), (1,)


@dataclass(frozen=True)
class Formula:
    """One way to compute a kin from its arrays.

    Attributes
    ----------
    y : of the arrays by key and of x (N, C, H, W)
    said : what sets this formula apart, for the evidence
    solved : what `said` and `y` lack: a number under this name, `solve` of x and y
    low, high : the numbers that make sense, 0 in spite of rounding
    """

    y: Callable[..., Array]
    said: Mapping[str, object] = field(default_factory=dict)
    solved: str = ""
    solve: Callable[[Array, Array], float] = lambda x, y: 0.0
    low: float = -1e-9
    high: float = float("inf")


@dataclass(frozen=True)
class Kin:
    """A block of the family that is no CBAM.

    Attributes
    ----------
    code : of its rule
    arrays : their shapes by key, in the order in which they are most often listed
    formulas : how it may be computed from these arrays
    """

    code: str
    arrays: Mapping[str, Shape]
    formulas: tuple[Formula, ...]


def average(x: Array) -> Array:
    """Return the mean over space, (N, C)."""
    mean: Array = x.mean(axis=(2, 3))
    return mean


def column(z: Array) -> Array:
    """Return (N, C) as a map (N, C, 1, 1)."""
    return z[:, :, None, None]


def gate(z: Array) -> Array:
    """Return the sigmoid."""
    return sigmoid(np.asarray(z))


def linear(w: Weights, name: str, z: Array) -> Array:
    """Return a 1x1 convolution of z (N, C, ...), with its bias where it has one."""
    found = np.moveaxis(np.tensordot(w[f"{name}.w"], z, (1, 1)), 0, 1)
    return found + along(w.get(f"{name}.b", 0.0), found)


def along(value: Array | float, like: Array) -> Array:
    """Return numbers, one a channel, so that they broadcast over an array (N, C, ...)."""
    return np.reshape(value, (1, -1, *[1] * (like.ndim - 2)))


def norm(w: Weights, name: str, z: Array, eps: float) -> Array:
    """Return the batch norm of z by its running statistics; z where there is no such norm."""
    if f"{name}.gamma" not in w:
        return z
    gamma, beta, mean, var = (along(w[f"{name}.{k}"], z) for k in ("gamma", "beta", "mean", "var"))
    scaled: Array = gamma * (z - mean) / np.sqrt(var + eps) + beta
    return scaled


def norm_arrays(name: str, size: Shape) -> dict[str, Shape]:
    """Return the arrays of a norm."""
    return {f"{name}.{key}": size for key in ("gamma", "beta", "mean", "var")}
