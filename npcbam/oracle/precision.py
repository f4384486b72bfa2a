"""The dtypes, how each rounds, and every tolerance of the oracle, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array

# Of the reference, which is compared with and rounds itself.
_OWN = 2.0**-53


@dataclass(frozen=True)
class Precision:
    """A dtype, and what one rounding to it costs.

    Attributes
    ----------
    digits : how many binary digits a number has
    lowest : the exponent of the smallest number with all of them
    most : the largest finite number
    least : the absolute error of a result that is nearly 0. Where hardware may take all below
        the normal numbers for 0, that is the smallest of them
    file : the dtype in a .npy; half types, which few languages have, are stored as their bits
    factor : the relative error of a factor before it is multiplied within a sum, as TF32 has it
    finer : the unit within sums, in units of `unit`
    """

    digits: int
    lowest: int
    most: float
    least: float
    file: str
    factor: float = 0.0
    finer: float = 1.0

    @property
    def rounding(self) -> float:
        """The largest relative error of one rounding."""
        return 2.0**-self.digits

    @property
    def unit(self) -> float:
        """The same beside a reference, which rounds too."""
        return self.rounding + _OWN


_FLOAT64 = Precision(53, -1022, float(np.finfo(np.float64).max), 2.0**-1022, "<f8")
_FLOAT32 = Precision(24, -126, float(np.finfo(np.float32).max), 2.0**-126, "<f4")
_FLOAT16 = Precision(11, -14, 65504.0, 2.0**-25, "<u2")
_BFLOAT16 = Precision(8, -126, 255 * 2.0**120, 2.0**-126, "<u2")
# By falling precision.
DTYPES = ("float64", "float32", "float16", "bfloat16")
# What float32 may turn out to be, from fine to coarse: blocks whose arrays are of float32, and
# whose linear layers and convolutions read coarser factors, or run in half and sum in float32.
MIXED = ("tf32", "autocast-float16", "autocast-bfloat16")
PRECISIONS = {
    **dict(zip(DTYPES, (_FLOAT64, _FLOAT32, _FLOAT16, _BFLOAT16), strict=True)),
    "tf32": replace(_FLOAT32, factor=2.0**-11),
    "autocast-float16": replace(_FLOAT16, factor=2.0**-11, finer=2.0**-13),
    "autocast-bfloat16": replace(_BFLOAT16, factor=2.0**-8, finer=2.0**-16),
}


def rounded(value: Array, dtype: str) -> Array:
    """Return an array in float64, rounded once as blocks of a precision have it.

    Parameters
    ----------
    value : in any float; from longdouble too it is rounded only once
    dtype : a key of `PRECISIONS`; where it is mixed, arrays are of float32

    >>> rounded(np.array([1 + 2**-8, 1 + 3 * 2**-8, 1e39]), "bfloat16")
    array([1.      , 1.015625,      inf])
    """
    arguments.choice("dtype", dtype, PRECISIONS)
    kind = _FLOAT32 if dtype in MIXED else PRECISIONS[dtype]
    value = np.asarray(value)
    if kind is _FLOAT64 and value.dtype != np.longdouble:
        return value.astype(np.float64)
    # A signalling NaN becomes a quiet one.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        near = nearest(value, kind.digits, kind.lowest)
        return np.where(np.abs(near) > kind.most, np.copysign(np.inf, near), near).astype(
            np.float64
        )


def nearest(value: Array, digits: int, lowest: int) -> Array:
    """Return the nearest numbers of so many digits, ties to even.

    Parameters
    ----------
    value : in float64, or in longdouble
    digits, lowest : see `Precision`; numbers are as dense below 2**lowest as above it
    """
    value = value if value.dtype == np.longdouble else np.asarray(value, np.float64)
    exponents = np.maximum(np.frexp(value)[1], lowest + 1) - digits
    step = np.ldexp(value.dtype.type(1), exponents)
    near: Array = np.rint(value / step) * step
    return near


# The tolerances. Figures are of 152 planted blocks and those of the tests, if not said otherwise.

# How far apart, of its largest entry, two programs may take one output. Sums in another order part
# by 1e-15 in float64, and other rules by 1e-6; 96 right blocks of PyTorch were off by at most
# 5e-7, 1.5e-3 and 8.5e-3 in the others.
CLOSE = {"float64": 1e-10, "float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}
# Where no rule comes so close: half a precision, or an approximate function, may hide in the block.
LOOSE = (1e-6, 5e-3)
# Units of rounding, of the largest entry, that may be left where nothing should move, or where all
# terms cancel. Right blocks moved by up to 2.7, and those that mix samples or read memory by 1e14.
CANCELLED = 1024
# Of the largest entry, by what float32 inside may change y from call to call, where threads share
# a sum.
FINER, COARSER = 2.0**-30, CANCELLED * PRECISIONS["float32"].unit
# What a Fourier transform and its inverse spread from every entry over all others, in such units.
TRANSFORMED = 16
# Of the largest move, what is none: of 574 moves of channels none lay between 0 and 1.7e-5.
STILL = 1e-9
# From x to dx a block rounds some sixteen times, where sums count as one; and how far all numbers
# are moved to see what that does: far above the rounding of float64, far below any kink.
STEPS, NUDGE = 16, 2.0**-24
# A norm is blind to the scale of what it normalises but for its eps, which is seldom above 1e-3 of
# a variance; other values in place of what it normalises are seen.
BLIND, SEEING = 1e-3, 1e-2
# Logits are read off a gate below this: where it is nearly shut or open, few digits of them are
# left. Here the gate is 6e-6 from its end, of which float64 has ten digits.
LOGIT = 12.0
# Of the largest logit, what a number that is read off may leave: the rounding of a map, undone.
LEFT = 1e-6
# Of the largest entry, how near a rule is to be named where none fits. Of six blocks in which there
# is no known mistake the nearest was one all the same, and off by 0.13 to 0.35.
NEAR = 0.1
# Of a number that is added to every entry of y: how far rounding may take it from entry to entry.
# Errors of 17 blocks that are none were apart by 7,000 times their median.
ADDED = 0.01
# Of the largest entry of a difference: what a mistake that explains it may leave beside rounding.
# The 26 that did left nothing.
UNEXPLAINED = 1e-4

# Rounding is told from all else by its roughness: it jumps where all else moves smoothly.

# How far all numbers are moved, relatively, so that half precision rounds otherwise and no smooth
# error changes much; and how much of its median size an error of rounding changes at least: they
# changed by 0.22 and more, and smooth ones by at most 0.0064.
MOVE, JUMP = 2.0**-10, 2.0**-5
# Steps on a line, of every number, and what third differences show there of the largest entry.
# Cubed, the step is below all that float64 has. It left at most 7.5e-16, float32 1.4e-11 to 1e-8,
# and half precision 8e-6 and more.
STEP, SMOOTH, SINGLE_MOST = 2.0**-22, 2.0**-40, 2.0**-18
# Of the largest entry: what is off by more is that of another block than the reading, if no gate is
# nearly a sigmoid; and no such gate is off by more. Right y were off by at most 0.013, approximate
# sigmoids by up to 0.1, other blocks by 1.5.
ANOTHER, NEARLY = 0.05, 0.2
# Of the size of an error that is a function of a logit: how much it changes from one of 2,000
# sorted logits to the next, at most 0.015; and what is left of it beside plain errors of the logit
# and the gate, at least 0.49.
FUNCTION = 0.05
# A gate is saturated within SATURATED of its end, and is at the wrong end where it is off by
# TURNED; x is a factor of y, and where it is below CLEAR, small errors of y look like large ones.
SATURATED, TURNED, CLEAR = 0.01, 0.4, 0.1
