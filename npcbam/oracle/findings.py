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


def evidence(
    name: str, tensor: str, got: Array, expected: Array, tolerance: Array | float
) -> dict[str, Any]:
    """Return the worst entry of a tensor as evidence, in units of the allowed error.

    Parameters
    ----------
    name, tensor : the input, and what of it is compared
    got, expected : arrays of one shape
    tolerance : the allowed error, an array of that shape or one number
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        times = np.abs(got - expected) / np.asarray(tolerance, dtype=np.float64)
    # Equal infinities and equal NaN are no error; NaN for a number is the largest.
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    times = np.where(same, 0.0, np.where(np.isnan(times), np.inf, times))
    if times.size == 0:
        return {"input": name, "tensor": tensor, "times": 0.0}
    index = tuple(int(i) for i in np.unravel_index(np.argmax(times), times.shape))
    return {
        "input": name,
        "tensor": tensor,
        "index": list(index),
        "got": float(got[index]),
        "expected": float(expected[index]),
        "times": float(times[index]),
    }


def by_importance(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings: what decides the verdict first, then in the order of the stages."""
    return sorted(findings, key=lambda f: (WEIGHT[f.status], STAGES.index(f.stage)))
