"""The dtypes of the vectors; half types, which few languages have, are stored as their bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array


@dataclass(frozen=True)
class Kind:
    """A dtype: how it is stored, and how it rounds.

    Attributes
    ----------
    stored : the dtype in the .npy file
    unit : the largest relative error of one rounding
    least : the largest error of one rounding near 0
    summed : `unit` of the type that sums are made in
    """

    stored: str
    unit: float
    least: float
    summed: float


KINDS = {
    "float64": Kind("<f8", 2.0**-53, 5e-324, 2.0**-53),
    "float32": Kind("<f4", 2.0**-24, 2.0**-150, 2.0**-24),
    "bfloat16": Kind("<u2", 2.0**-9, 2.0**-134, 2.0**-24),
    "float16": Kind("<u2", 2.0**-11, 2.0**-25, 2.0**-24),
}


def encode(values: Array, name: str) -> Array:
    """Round to the dtype `name`, to nearest and ties to even, and return what is stored."""
    if name == "bfloat16":
        return _bfloat16(values)
    if name == "float16":
        return values.astype("<f2").view("<u2")
    return values.astype(KINDS[name].stored)


def decode(stored: Array, name: str, dtype: type = np.float64) -> Array:
    """Return the values that `encode` stored; exact."""
    if name == "bfloat16":
        stored = (stored.astype("<u4") << 16).view("<f4")
    elif name == "float16":
        stored = stored.astype("<u2").view("<f2")
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return stored.astype(dtype)


def _bfloat16(values: Array) -> Array:
    """Return the upper half of a float32, rounded.

    The way over float32 may not round twice: a value that lies next to the middle of two
    bfloat16 would land on it, and then go to the even one. So float32 is rounded to odd: one
    whose last bit is even, and which is not exact, moves to its odd neighbour on the value's side.
    """
    values = np.asarray(values)
    single = values.astype("<f4")
    bits = single.view("<u4").astype("<u4")
    finite = np.isfinite(single)
    wide = np.where(finite, single, 0).astype(values.dtype)
    low = finite & (np.abs(wide) < np.abs(values)) & (bits % 2 == 0)
    high = finite & (np.abs(wide) > np.abs(values)) & (bits % 2 == 0)
    odd = bits + low.astype("<u4") - high.astype("<u4")
    rounded = (odd + 0x7FFF + (odd >> 16 & 1)) >> 16
    # A NaN stays one: rounding its bits could carry it over to infinity or zero.
    return np.where(np.isnan(single), bits >> 16 | 0x40, rounded).astype("<u2")
