"""What the oracle finds: each a stage, a code, a sentence and its evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from npcbam.arguments import Array

Status = Literal["faithful", "variant", "wrong", "undecided", "note"]
Stage = Literal["channel", "spatial", "compose", "gradient", "numerics", "effects"]
STAGES: tuple[Stage, ...] = ("channel", "spatial", "compose", "gradient", "numerics", "effects")
# How much a finding weighs in the verdict.
WEIGHT: dict[Status, int] = {"wrong": 0, "undecided": 1, "variant": 2, "note": 3, "faithful": 4}


@dataclass(frozen=True)
class Finding:
    """One thing that the candidate does otherwise.

    Attributes
    ----------
    stage : where: channel, spatial, compose, gradient, numerics or effects
    code : a stable word for scripts
    message : a sentence that a newcomer understands
    status : "wrong"; "variant", a documented other block; "undecided"; or "note", which does not
        touch the verdict
    evidence : input, tensor, index, got, expected, and `times`, the error in units of the allowed
    snippet : code that replays it in the candidate's own framework
    """

    stage: Stage
    code: str
    message: str
    status: Status = "wrong"
    evidence: dict[str, Any] = field(default_factory=dict)
    snippet: str = ""


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

    @property
    def evidence(self) -> dict[str, Any]:
        """The row as the evidence of a finding."""
        return {
            "input": self.input,
            "tensor": self.tensor,
            "index": list(self.index),
            "got": self.got,
            "expected": self.expected,
            "times": self.times,
        }


def worst(name: str, tensor: str, got: Array, expected: Array, tolerance: Array | float) -> Row:
    """Return the worst entry of a tensor on the input `name`, in units of the allowed error.

    Parameters
    ----------
    got, expected : arrays of one shape
    tolerance : the allowed error, an array of that shape or one number; where it is infinite, as
        where a precision may overflow, any number will do
    """
    allowed = np.broadcast_to(np.asarray(tolerance, np.float64), expected.shape)
    if expected.size == 0:
        return Row(name, tensor, 0.0, 0.0, (), 0.0, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        times = np.abs(got - expected) / allowed
    # Equal infinities and equal NaN are no error; NaN for a number is the largest.
    same = (got == expected) | (np.isnan(got) & np.isnan(expected)) | np.isinf(allowed)
    times = np.where(same, 0.0, np.where(np.isnan(times), np.inf, times))
    at = tuple(int(i) for i in np.unravel_index(np.argmax(times), times.shape))
    most = float(allowed.max())
    return Row(name, tensor, float(times[at]), most, at, float(got[at]), float(expected[at]))


def by_importance(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings: what decides the verdict first, then in the order of the stages."""
    return sorted(findings, key=lambda f: (WEIGHT[f.status], STAGES.index(f.stage)))
