"""What was compared: the worst entry of each tensor on each input."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import evidence


@dataclass(frozen=True)
class Row:
    """The worst entry of one tensor on one input.

    Attributes
    ----------
    times : |got - expected| in units of the allowed error; inf for NaN
    smallest : the smallest error of an entry that would have been caught
    index, got, expected : where it is worst, and both values there
    """

    input: str
    tensor: str
    times: float
    smallest: float
    index: tuple[int, ...]
    got: float
    expected: float

    @property
    def ok(self) -> bool:
        """Whether rounding explains the error."""
        return self.times <= 1


def worst(name: str, tensor: str, got: Array, expected: Array, tolerance: Array | float) -> Row:
    """Return the worst entry of a tensor on the input `name`; what may overflow may be anything.

    Parameters
    ----------
    tolerance : the allowed error, an array of the shape of `expected` or one number
    """
    allowed = np.broadcast_to(np.asarray(tolerance, np.float64), expected.shape)
    seen = evidence(name, tensor, np.where(np.isinf(allowed), expected, got), expected, allowed)
    index = tuple(seen.get("index", ()))
    values = (float(got[index]), float(expected[index])) if "index" in seen else (0.0, 0.0)
    return Row(name, tensor, seen["times"], float(allowed.max(initial=0)), index, *values)


def evidence_of(row: Row) -> dict[str, Any]:
    """Return a row as the evidence of a finding."""
    found = {name: value for name, value in asdict(row).items() if name != "smallest"}
    return found | {"index": list(row.index)}
