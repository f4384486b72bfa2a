"""What one rounding costs at each precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array


@dataclass(frozen=True)
class Precision:
    """What one rounding costs.

    Attributes
    ----------
    unit : the largest relative error of a result
    least : the absolute error of a result that is nearly 0. Where hardware may take all below
        the normal numbers for 0, that is the smallest of them
    most : the largest finite number
    factor : the relative error of a factor before it is multiplied within a sum, as TF32 has it
    finer : the unit within sums, in units of `unit`
    """

    unit: float
    least: float
    most: float
    factor: float = 0.0
    finer: float = 1.0


# Of the reference too, which is compared with and rounds itself.
_OWN = 2.0**-53
PRECISIONS = {
    "float64": Precision(2.0**-53 + _OWN, 2.0**-1022, float(np.finfo(np.float64).max)),
    "float32": Precision(2.0**-24 + _OWN, 2.0**-126, float(np.finfo(np.float32).max)),
    "float16": Precision(2.0**-11 + _OWN, 2.0**-25, 65504.0),
    "bfloat16": Precision(2.0**-8 + _OWN, 2.0**-126, 255 * 2.0**120),
    # Blocks in float32 whose linear layers and convolutions read coarser factors, or run in half.
    "tf32": Precision(2.0**-24 + _OWN, 2.0**-126, float(np.finfo(np.float32).max), 2.0**-11),
    "autocast-bfloat16": Precision(2.0**-8 + _OWN, 2.0**-126, 255 * 2.0**120, 2.0**-8, 2.0**-16),
    "autocast-float16": Precision(2.0**-11 + _OWN, 2.0**-25, 65504.0, 2.0**-11, 2.0**-13),
}
# What float32 may turn out to be, from fine to coarse.
MIXED = ("tf32", "autocast-float16", "autocast-bfloat16")


def stored(value: Array, dtype: str) -> Array:
    """Round an array as blocks of a precision have it: where that is mixed, to float32."""
    return at_precision(value, "float32" if dtype in MIXED else dtype)


def at_precision(value: Array, dtype: str) -> Array:
    """Round an array to a precision, to nearest and ties to even, and widen it to float64.

    Where a precision is mixed, that of its factors is meant.

    >>> at_precision(np.array([1 + 2**-8, 1 + 3 * 2**-8, 1e39]), "bfloat16")
    array([1.      , 1.015625,      inf])
    """
    arguments.choice("dtype", dtype, PRECISIONS)
    dtype = dtype.removeprefix("autocast-")
    kind = PRECISIONS[dtype]
    value = np.asarray(value, dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        if dtype not in ("bfloat16", "tf32"):
            return value.astype(dtype).astype(np.float64)
        digits = 8 if dtype == "bfloat16" else 11
        # A step from one number to the next; denormals, below 2⁻¹²⁶, have one step.
        step = np.ldexp(1.0, np.maximum(np.frexp(value)[1], -125) - digits)
        near: Array = np.rint(value / step) * step
    return np.where(np.abs(near) > kind.most, np.copysign(np.inf, value), near)
