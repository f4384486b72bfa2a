"""Weights that hide nothing: none is 0, no gate saturates, every hidden unit wakes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.probing.inputs import cotangent
from npcbam.oracle.probing.roles import Roles, is_weight


def draw(
    candidate: Candidate, rng: np.random.Generator, kernels: Collection[str] = ()
) -> dict[str, Array]:
    """Draw values for all parameters and buffers: none is 0, and no gate saturates.

    What may be one of the `kernels` is summed over, whatever its shape.

    What a network starts with would hide faults: a norm with gamma = 0 switches the spatial gate
    off, biases of 0 hide that there are any, and mean = 0 and var = 1 that they are used.
    """
    frozen = {name: value for name, value in candidate.buffers.items() if is_weight(value)}
    values = {}
    for name, value in (candidate.parameters | frozen).items():
        fan = value.size // min(value.shape) if value.ndim > 1 and value.size else 1
        fan = value.size if name in kernels else fan
        spread = 2 / np.sqrt(fan) if fan > 1 else 1.0
        values[name] = spread * cotangent(rng, value.shape)
    # All above 0, for any may be a variance.
    rest = {name: v for name, v in candidate.buffers.items() if name not in frozen}
    return values | {name: rng.uniform(0.5, 1.5, v.shape) for name, v in rest.items()}


def awake(values: Mapping[str, Array], roles: Roles) -> dict[str, Array]:
    """Return the values with the signs of W0 such that a large maximum wakes every hidden unit."""
    found = dict(values)
    for role in roles:
        if role.key.startswith("w0"):
            w0 = role.carry(values[role.name])
            signs = np.where(w0.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
            found[role.name] = role.back(signs * w0, values[role.name])
    return found


def without_effect(candidate: Candidate, values: Mapping[str, Array], x: Array) -> set[str]:
    """Return the names of the arrays that y does not depend on."""
    y = candidate.forward(values, x.copy())
    found = set()
    for name, value in values.items():
        moved = candidate.forward({**values, name: 1.5 * value + 0.3}, x.copy())
        if np.array_equal(moved, y, equal_nan=True):
            found.add(name)
    return found
