"""The dtypes of the vectors as they are stored: half types as their bits, others as they are."""

from __future__ import annotations

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.precision import PRECISIONS, rounded

DTYPES = {
    "float64": "as float64",
    "float32": "as float32",
    "bfloat16": "as uint16: the upper half of the bits of a float32",
    "float16": "as uint16: the bits of an IEEE binary16",
}


def encode(values: Array, name: str) -> Array:
    """Round to the dtype `name`, and return what is stored."""
    near = rounded(values, name)
    if name == "bfloat16":
        return (near.astype("<f4").view("<u4") >> 16).astype("<u2")
    if name == "float16":
        return near.astype("<f2").view("<u2")
    return near.astype(PRECISIONS[name].file)


def decode(stored: Array, name: str) -> Array:
    """Return the values that `encode` stored, in float64; exact."""
    if name == "bfloat16":
        stored = (stored.astype("<u4") << 16).view("<f4")
    elif name == "float16":
        stored = stored.astype("<u2").view("<f2")
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return stored.astype(np.float64)
