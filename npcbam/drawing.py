"""Random weights, as libraries start them; all are drawn in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array

# From a generator, a shape and a fan_in to the numbers to start with.
Draw: TypeAlias = Callable[[np.random.Generator, tuple[int, ...], int], Array]


def generator(rng: np.random.Generator | int) -> np.random.Generator:
    """Return the Generator itself, or the one that starts from a seed."""
    if isinstance(rng, np.random.Generator):
        return rng
    arguments.seed("rng", rng)
    return np.random.default_rng(rng)


def uniform(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Array:
    """Draw within ±1/√fan_in, as PyTorch does for a linear layer and a convolution."""
    drawn: Array = rng.uniform(-1, 1, shape) / math.sqrt(fan_in)
    return drawn


def he_normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Array:
    """Draw a kernel (O, I, *K) from a normal distribution with variance 2 / (O K), its fan_out.

    Source: He et al. 2015.
    """
    return rng.normal(0, math.sqrt(2 / (shape[0] * math.prod(shape[2:]))), shape)


def zeros(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Array:
    """Return zeros; nothing is drawn."""
    return np.zeros(shape)
