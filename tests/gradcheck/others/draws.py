"""Arguments for primitives: each function here returns `draw(rng)`, which gives an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], Any]


def normal(*shape: int) -> Draw:
    return lambda rng: rng.normal(size=shape)


def between(low: float, high: float, *shape: int) -> Draw:
    return lambda rng: rng.uniform(low, high, size=shape)


def either(low: float, high: float, *shape: int) -> Draw:
    """Values of either sign, whose sizes lie between `low` and `high`."""
    return lambda rng: rng.uniform(low, high, size=shape) * rng.choice([-1, 1], size=shape)


def at(*values: Any) -> Draw:
    """These values, whatever the seed is: a kink, a tie, a tail."""
    return lambda rng: np.array(values, dtype=float)


def whole(low: int, high: int, *shape: int) -> Draw:
    return lambda rng: rng.integers(low, high, size=shape).astype(float)


def complex_normal(*shape: int) -> Draw:
    return lambda rng: rng.normal(size=shape) + 1j * rng.normal(size=shape)


def definite(n: int, *batch: int) -> Draw:
    """Symmetric, positive definite matrices."""

    def draw(rng: np.random.Generator) -> Any:
        a = rng.normal(size=(*batch, n, n))
        return a @ np.swapaxes(a, -1, -2) / n + np.eye(n)

    return draw


def symmetric(n: int) -> Draw:
    def draw(rng: np.random.Generator) -> Any:
        a = rng.normal(size=(n, n))
        return (a + a.T) / 2

    return draw


def square(n: int, *batch: int) -> Draw:
    """Matrices that are well away from singular ones."""
    return lambda rng: rng.normal(size=(*batch, n, n)) + 3 * np.eye(n)


def simplex(n: int) -> Draw:
    return lambda rng: rng.dirichlet(np.full(n, 3.0))


def scalar(low: float, high: float) -> Draw:
    return lambda rng: np.array(rng.uniform(low, high))
