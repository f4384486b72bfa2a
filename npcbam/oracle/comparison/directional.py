"""Gradients of any reading, along random directions, by the complex step of its forward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Finding, evidence
from npcbam.oracle.identification.identified import Identified
from npcbam.oracle.precision import NUDGE, PRECISIONS, STEPS, rounded
from npcbam.oracle.probing.running import Outcome
from npcbam.oracle.rules.catalogue import rule
from npcbam.slopes import ComplexStep, Point

# How often the numbers are moved; and the farthest of so few is exceeded by the next.
DRAWS, FARTHER = 4, 4
# How many directions are tried for each tensor.
DIRECTIONS = 2
# What PyTorch has the slope of in single precision alone: 1/6 is a float.
SINGLE_SLOPE = ("hardsigmoid",)


def against_step(found: Identified, each: Outcome, dtype: str) -> list[Finding]:
    """Return the first gradient that is not that of what was identified.

    Parameters
    ----------
    each : the candidate's gradients on one input
    """
    assert each.cotangents is not None
    dparams, dx = each.cotangents
    rng = found.trial.draws(2)
    learnt = [role for role in found.roles if role.name in dparams]
    parts = {role.key: role.carry(dparams[role.name]) for role in learnt} | {"dx": dx}
    names = {role.key: f"the gradient of {role.name}" for role in learnt} | {"dx": "dx"}
    slopes = _slopes(found, [role.key for role in learnt], each, dtype)
    for tensor, cotangent in parts.items():
        for _ in range(DIRECTIONS):
            v = rng.choice([-1, 1], cotangent.shape) * rng.uniform(0.5, 1.5, cotangent.shape)
            slope, tolerance = slopes.along(tensor, v, rng)
            given = np.array(float((v * cotangent).sum()))
            tolerance += slopes.unit * float(np.abs(v * cotangent).sum())
            if not abs(given - slope) <= tolerance:
                seen = evidence(each.input.name, tensor, given, np.array(slope), tolerance)
                return [rule("gradient-wrong").finding(seen, tensor=names[tensor])]
    return []


@dataclass(frozen=True, eq=False)
class _Slopes:
    """Derivatives of a reading, and how far rounding may take them.

    Attributes
    ----------
    step : y, moved along directions from all numbers that it is made of, in one row
    numbers, dy : these, and the cotangent of y
    slices : where in them each tensor is
    unit, least : what one rounding costs; see `Precision`
    """

    step: ComplexStep
    numbers: Array
    dy: Array
    slices: Mapping[str, slice]
    unit: float
    least: float

    def along(self, tensor: str, v: Array, rng: np.random.Generator) -> tuple[float, float]:
        """Return the derivative by a tensor along v, and its tolerance.

        Steps that round move the gradient as far as moving all numbers by a unit of rounding does,
        for each is a product, a sum, or a smooth function of what is moved. So they are moved, up
        or down at random, and what that makes of the derivative is what rounding may.
        """
        along = np.zeros(self.numbers.size)
        along[self.slices[tensor]] = v.ravel()
        terms = self.dy * self.step.value(along)
        slope, moved = float(terms.sum()), 0.0
        for _ in range(DRAWS):
            away = NUDGE * rng.choice([-1.0, 1.0], along.shape) * self.numbers
            near = float((self.dy * self.step.value(along, away=away)).sum())
            moved = max(moved, abs(near - slope) / NUDGE)
        scale = float(np.abs(terms).sum())
        return slope, FARTHER * STEPS * (self.unit * (moved + scale) + self.least)


def _slopes(found: Identified, keys: list[str], each: Outcome, dtype: str) -> _Slopes:
    kind, reading = PRECISIONS[dtype], found.reading
    axes = [way.axes.values() for way in reading.ways.values()]
    single = any(str(value) in SINGLE_SLOPE for values in axes for value in values)
    unit = kind.unit + kind.factor + single * PRECISIONS["float32"].rounding
    rest = {key: rounded(value, dtype) for key, value in found.weights.items()}
    learnt = {key: rest[key] for key in keys}
    point = Point((learnt, rounded(each.input.x, dtype)))

    def predict(part: Mapping[str, Array], x: Array) -> Array:
        fixed = {key: value.astype(x.dtype) for key, value in rest.items()}
        return reading.predict({**fixed, **part}, x, each.dy.shape)

    step = ComplexStep(lambda by: point.shifted(predict, by)[0].ravel())
    sizes = {key: value.size for key, value in learnt.items()} | {"dx": each.input.x.size}
    stops = np.cumsum([*sizes.values()])
    slices = {k: slice(stop - n, stop) for (k, n), stop in zip(sizes.items(), stops, strict=True)}
    dy = rounded(each.dy, dtype).ravel()
    return _Slopes(step, point.vector.real, dy, slices, unit, kind.least)
