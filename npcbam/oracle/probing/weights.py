"""Weights that hide nothing: none is 0, no gate saturates, every hidden unit wakes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.probing.inputs import cotangent
from npcbam.oracle.probing.roles import is_weight
from npcbam.oracle.rules.rule import Run, Weights

# At the highest level of `inputs.telling`, halved by a gate before it and with a bias of -1.5, a
# hidden unit is then above 8. ReLU6, which ends at 6, parts from ReLU the farthest of all rules.
LEAST = 2.0


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


def awake(weights: Weights) -> dict[str, Array]:
    """Return weights, by key, with such signs that every hidden unit and the gate go both ways.

    Rows of W0 and the kernel add up to `LEAST`, so that what they make of features near a level is
    on its side of 0, and as far from it. No hidden unit is below 0: of W1 the first row makes a
    logit that only falls with them, and the second one that only rises.
    """
    found = dict(weights)
    for key, value in weights.items():
        if key in ("w0", "w0'", "k"):
            found[key] = _adding_up(value)
        elif key in ("w1", "w1'"):
            found[key] = np.concatenate([-np.abs(value[:1]), np.abs(value[1:2]), value[2:]])
    return found


def _adding_up(value: Array) -> Array:
    """Turn the first numbers below 0 of each row until it adds up to `LEAST`, if it can."""
    rows = value.reshape(len(value), -1)
    gained = np.cumsum(2 * np.maximum(-rows, 0), axis=1)
    before = rows.sum(axis=1, keepdims=True) + np.pad(gained, ((0, 0), (1, 0)))[:, :-1]
    return np.where(before < LEAST, np.abs(rows), rows).reshape(value.shape)


def without_effect(forward: Run, values: Mapping[str, Array], x: Array) -> set[str]:
    """Return the names of the arrays that y = forward(values, x) does not depend on."""
    y = forward(values, x)
    found = set()
    for name, value in values.items():
        moved = forward({**values, name: 1.5 * value + 0.3}, x)
        if np.array_equal(moved, y, equal_nan=True):
            found.add(name)
    return found
