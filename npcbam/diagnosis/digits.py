"""Right but for its last digits: rounded to a coarser format, or off by an eps or a constant."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.guesses import Said
from npcbam.diagnosis.wrong import Wrong

# The formats that numbers may have been rounded to: the bits of their fractions.
FORMATS = (("bfloat16", 7), ("float16", 10), ("float32", 23))
# What is off by more than this share of an entry is no matter of digits.
SMALL = 1e-3


def rounded(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether all numbers that came are those of a coarser format, near the right ones."""
    for name, bits in FORMATS:
        if all(_in_format(w, bits) for w in seen) and any(_tells(w, bits) for w in seen):
            return "rounded", f"is rounded to {name}"
    return None


def _in_format(w: Wrong, bits: int) -> bool:
    at = w.known
    if w.got.shape != w.want.shape or not np.isfinite(w.got).all():
        return False
    # Sums that are rounded as they go are off by a few units.
    room = w.limit[at] + 16 * 2.0 ** -(bits + 1) * np.maximum(np.abs(w.want[at]), 1e-3 * w.scale)
    return bool(_coarse(w.got, bits) and (w.off[at] <= room).all())


def _coarse(a: Array, bits: int) -> bool:
    fraction, _ = np.frexp(a.astype(float))
    scaled = fraction * 2.0 ** (bits + 1)
    return bool((scaled == np.rint(scaled)).all())


def _tells(w: Wrong, bits: int) -> bool:
    """Tell whether the right numbers are no numbers of that format themselves."""
    return bool(w.wrong.any() and w.got.dtype.itemsize * 8 > bits + 9 and w.got.size > 1)


def nearly(seen: Sequence[Wrong]) -> Said | None:
    """Tell to how many digits an array agrees that is nearly right everywhere."""
    worst = 0.0
    for w in seen:
        if w.got.shape != w.want.shape or not np.isfinite(w.got).all():
            return None
        at = w.known & (np.abs(w.want) > 1e-3 * w.scale)
        if not at.any() or (w.off > SMALL * w.scale).any():
            return None
        worst = max(worst, float((w.off[at] / np.abs(w.want[at])).max(initial=0)))
    if not 0 < worst <= SMALL:
        return None
    digits = math.floor(-math.log10(worst))
    return "digits", f"agrees to {digits} digits: an eps or a rounded constant"
