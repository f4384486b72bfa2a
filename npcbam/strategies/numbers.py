"""The numbers of what is drawn: their dtype, and how far apart they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from npcbam import arguments
from npcbam.arguments import Array

# No two entries of a map without ties, nor an entry far from kinks and 0, are nearer than
# GAP / size, where size is the number of entries.
GAP = 2.0


def dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    """Draw float32, float64, longdouble or complex128."""
    return st.sampled_from(arguments.DTYPES)


def dtype_of(draw: st.DrawFn, dtype: Any) -> np.dtype[Any]:
    """Return `dtype`, which must be a supported one; None draws it."""
    if dtype is not None:
        arguments.dtype("dtype", dtype)
    found: np.dtype[Any] = draw(dtypes()) if dtype is None else np.dtype(dtype)
    return found


def generator(draw: st.DrawFn) -> np.random.Generator:
    """Return a generator that starts from a seed of hypothesis."""
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def strata(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return shuffled numbers from 0 to 1, no two nearer than half of 1 / size."""
    size = math.prod(shape)
    places = rng.permutation(size) + rng.uniform(0.25, 0.75, size)
    shuffled: Array = (places / max(size, 1)).reshape(shape)
    return shuffled


def distinct(rng: np.random.Generator, shape: tuple[int, ...], far_from_kinks: bool) -> Array:
    """Return numbers from -2 to 2, no two nearer than `GAP` / size."""
    # Strata of width 4 / size keep 2 / size = GAP / size between any two of -2 to 2.
    x: Array = 2 * GAP * strata(rng, shape) - GAP
    if far_from_kinks:
        x = x + np.where(x < 0, -GAP, GAP) / max(x.size, 1)
    return x


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return random signs times magnitudes from 0.5 to 1.5, all different."""
    signs: Array = rng.choice([-1.0, 1.0], shape)
    return signs * (0.5 + strata(rng, shape))
