"""Gradients of any reading, along random directions, by the complex step of its forward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.comparison.pulled import Given
from npcbam.oracle.findings import Finding, worst
from npcbam.oracle.identification.identified import Identified
from npcbam.oracle.precision import NUDGE, PRECISIONS, STEPS, rounded
from npcbam.oracle.rules.catalogue import rule
from npcbam.slopes import ComplexStep, Point

# How often the numbers are moved; and the farthest of so few is exceeded by the next.
DRAWS, FARTHER = 4, 4
# How many directions are tried for each tensor.
DIRECTIONS = 2
# What PyTorch has the slope of in single precision alone: 1/6 is a float.
SINGLE_SLOPE = ("hardsigmoid",)


def against_step(found: Identified, each: Given, dtype: str) -> list[Finding]:
    """Return the first gradient that is not that of what was identified."""
    rng = found.trial.draws(2)
    learnt = [role for role in found.roles if role.name in each.dparams]
    parts = {role.key: role.carry(each.dparams[role.name]) for role in learnt} | {"dx": each.dx}
    names = {role.key: f"the gradient of {role.name}" for role in learnt} | {"dx": "dx"}
    slopes = _Slopes(found, [role.key for role in learnt], each, dtype)
    for tensor, cotangent in parts.items():
        for _ in range(DIRECTIONS):
            v = rng.choice([-1, 1], cotangent.shape) * rng.uniform(0.5, 1.5, cotangent.shape)
            slope, tolerance = slopes.along(tensor, v, rng)
            given = np.array(float((v * cotangent).sum()))
            tolerance += slopes.unit * float(np.abs(v * cotangent).sum())
            row = worst(each.name, tensor, given, np.array(slope), tolerance)
            if not row.ok:
                return [rule("gradient-wrong").finding(row.evidence, tensor=names[tensor])]
    return []


class _Slopes:
    """Derivatives of a reading on one input, and how far rounding may take them.

    `unit` is what one rounding costs, and `least` at least; see `Precision`.
    """

    def __init__(self, found: Identified, keys: Sequence[str], each: Given, dtype: str) -> None:
        kind, reading = PRECISIONS[dtype], found.reading
        axes = [way.axes.values() for way in reading.ways.values()]
        single = any(str(value) in SINGLE_SLOPE for values in axes for value in values)
        self.unit = kind.unit + kind.factor + single * PRECISIONS["float32"].rounding
        self.least = kind.least
        weights = {key: rounded(value, dtype) for key, value in found.weights.items()}
        self.parts = {key: weights[key] for key in keys} | {"dx": each.x}
        self.dy = each.dy.ravel()

        def predict(parts: Mapping[str, Array]) -> Array:
            x = parts["dx"]
            fixed = {key: value.astype(x.dtype) for key, value in weights.items()}
            return reading.predict({**fixed, **parts}, x, each.dy.shape)

        point = Point((self.parts,))
        self.numbers = point.vector.real
        self.step = ComplexStep(lambda by: point.shifted(predict, by)[0].ravel())

    def along(self, tensor: str, v: Array, rng: np.random.Generator) -> tuple[float, float]:
        """Return the derivative by a tensor along v, and its tolerance.

        Steps that round move the gradient as far as moving all numbers by a unit of rounding does,
        for each is a product, a sum, or a smooth function of what is moved. So they are moved, up
        or down at random, and what that makes of the derivative is what rounding may.
        """
        sides = {key: v if key == tensor else np.zeros(a.shape) for key, a in self.parts.items()}
        along = np.concatenate([side.ravel() for side in sides.values()])
        terms = self.dy * self.step.value(along)
        slope, moved = float(terms.sum()), 0.0
        for _ in range(DRAWS):
            away = NUDGE * rng.choice([-1.0, 1.0], along.shape) * self.numbers
            near = float((self.dy * self.step.value(along, away=away)).sum())
            moved = max(moved, abs(near - slope) / NUDGE)
        scale = float(np.abs(terms).sum())
        return slope, FARTHER * STEPS * (self.unit * (moved + scale) + self.least)
