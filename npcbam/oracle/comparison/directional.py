"""Gradients of any reading, along random directions, by the complex step of its forward."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Finding, evidence
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.precision import PRECISIONS, STEPS, rounded
from npcbam.oracle.probing.roles import Roles
from npcbam.oracle.probing.running import Outcome
from npcbam.slopes import ComplexStep, Point

# How often the numbers are moved, and by how much: far above the rounding of float64, far below
# any kink.
DRAWS, MOVE = 4, 2.0**-30
# The farthest of a few draws is exceeded by the next.
DRAWN = 4
# Of what PyTorch has the slope in single precision alone: 1/6 is a float.
SINGLE = {"hardsigmoid": 2.0**-24}


def against_step(
    reading: Reading,
    weights: Mapping[str, Array],
    roles: Roles,
    each: Outcome,
    rng: np.random.Generator,
    dtype: str,
) -> list[Finding]:
    """Return the first gradient that is not that of the reading.

    Parameters
    ----------
    weights : by key
    each : the candidate's gradients on one input

    Steps that round move the gradient as far as moving all numbers by a unit of rounding does, for
    each is a product, a sum, or a smooth function of what is moved. So they are moved, up or down
    at random, and what that makes of the derivative is what rounding may.
    """
    assert each.cotangents is not None
    dparams, dx = each.cotangents
    learnt = [role for role in roles if role.name in dparams]
    parts = {role.key: role.carry(dparams[role.name]) for role in learnt} | {"dx": dx}
    names = {role.key: f"the gradient of {role.name}" for role in learnt} | {"dx": "dx"}
    along = _Along(reading, weights, [role.key for role in learnt], each, dtype)
    for tensor, cotangent in parts.items():
        for _ in range(2):
            v = rng.choice([-1, 1], cotangent.shape) * rng.uniform(0.5, 1.5, cotangent.shape)
            slope, room = along.slope(tensor, v, rng)
            given = np.array(float((v * cotangent).sum()))
            room += along.unit * float(np.abs(v * cotangent).sum())
            if not abs(given - slope) <= room:
                seen = evidence(each.input.name, tensor, given, np.array(slope), room)
                said = f"{names[tensor]} is not that of what the forward computes"
                return [Finding("gradient", "gradient-wrong", said, evidence=seen)]
    return []


class _Along:
    """Derivatives of a reading along directions, and how far rounding may take them."""

    def __init__(
        self,
        reading: Reading,
        weights: Mapping[str, Array],
        keys: list[str],
        each: Outcome,
        dtype: str,
    ) -> None:
        kind = PRECISIONS[dtype]
        axes = [part.axes.values() for part in (reading.channel, reading.spatial) if part]
        single = [SINGLE.get(str(value), 0.0) for values in axes for value in values]
        self.unit = kind.unit + kind.factor + max(single, default=0.0)
        self.least = kind.least
        rest = {k: rounded(v, dtype) for k, v in weights.items()}
        learnt = {k: rest[k] for k in keys}
        point = Point((learnt, rounded(each.input.x, dtype)))

        def predict(part: Mapping[str, Array], x: Array) -> Array:
            fixed = {k: v.astype(x.dtype) for k, v in rest.items()}
            return reading.predict({**fixed, **part}, x)

        self.step = ComplexStep(lambda by: point.shifted(predict, by)[0].ravel())
        self.dy = rounded(each.dy, dtype).ravel().astype(np.float64)
        self.x = point.vector.real
        sizes = {k: v.size for k, v in learnt.items()} | {"dx": each.input.x.size}
        stops = np.cumsum([*sizes.values()])
        self.slices = {
            k: slice(stop - n, stop) for (k, n), stop in zip(sizes.items(), stops, strict=True)
        }

    def slope(self, tensor: str, v: Array, rng: np.random.Generator) -> tuple[float, float]:
        """Return the derivative by a tensor along v, and its allowed error."""
        along = np.zeros(self.x.size)
        along[self.slices[tensor]] = v.ravel()
        terms = self.dy * self.step.value(along)
        slope, moved = float(terms.sum()), 0.0
        for _ in range(DRAWS):
            away = MOVE * rng.choice([-1.0, 1.0], along.shape) * self.x
            near = float((self.dy * self.step.value(along, away=away)).sum())
            moved = max(moved, abs(near - slope) / MOVE)
        scale = float(np.abs(terms).sum())
        return slope, DRAWN * STEPS * (self.unit * (moved + scale) + self.least)
