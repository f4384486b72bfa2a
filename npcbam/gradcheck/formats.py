"""What a number format can hold: NumPy's own, and those of its extensions such as bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np


def _info(dtype: np.dtype[Any]) -> Any:
    if issubclass(dtype.type, np.floating):
        return np.finfo(dtype)
    import ml_dtypes  # whoever has such an array has it

    return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]


def unit_of(dtype: np.dtype[Any]) -> float:
    """Return the distance from 1 to the next number."""
    return float(_info(dtype).eps)


def tiny_of(dtype: np.dtype[Any]) -> float:
    """Return the smallest number that has all its digits."""
    return float(_info(dtype).tiny)


def largest_of(dtype: np.dtype[Any]) -> float:
    """Return the largest number, or that of float64 where it is larger."""
    return min(float(_info(dtype).max), float(np.finfo(np.float64).max))
