"""A function that misleads a gradient checker, right and planted wrong.

It is drawn from a seed: (f, args, options). `factor` multiplies what the right pullback gives at
`at` (everything by default), so that 1 leaves it right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Hard:
    """A case, and what is planted: by which factors, each of which must be found."""

    make: Callable[[np.random.Generator, float], tuple[Any, ...]]
    factors: tuple[float, ...]


CASES: dict[str, Hard] = {}


def hard(name, *factors):
    """Register a case with the factors that are wrong for it."""

    def register(make):
        CASES[name] = Hard(make, factors)
        return make

    return register


def elementwise(forward, slope, x, factor, at=slice(None)):
    """Return f and its arguments: `slope` is dy/dx by entry, planted wrong at `at`."""

    def f(x):
        def pullback(dy):
            dx = dy * slope(x)
            dx[at] *= factor
            return dx

        return forward(x), pullback

    return f, (x,), {}


def summed(forward, slope, x, factor, at=slice(None)):
    """Do as `elementwise`, with the sum of all results for a result."""
    f, args, options = elementwise(forward, slope, x, factor, at)
    return lambda x: (np.array(f(x)[0].sum()), f(x)[1]), args, options
