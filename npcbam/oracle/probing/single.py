"""Is something computed in float32 where all that comes in is in float64?

Rounding is told by its roughness: on a line of inputs a smooth function has third differences far
below those that float32 makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.precision import SINGLE_MOST, SMOOTH, STEP


def only_single(
    candidate: Candidate, values: Mapping[str, Array], x: Array, dy: Array | None
) -> bool:
    """Tell whether something is computed in float32 where all that comes in is in float64.

    Parameters
    ----------
    candidate : at float64
    values : parameters and buffers by name
    x, dy : an input; None for dy leaves the gradients out
    """
    sides = np.random.default_rng(0)
    along = {name: sides.choice([-1.0, 1.0], value.shape) for name, value in values.items()}
    of_x = sides.choice([-1.0, 1.0], x.shape)

    def on_line(t: float) -> tuple[Array, Array]:
        there = {name: value * (1 + t * along[name]) for name, value in values.items()}
        moved = x * (1 + t * of_x)
        y = candidate.forward(there, moved.copy())
        pulled = None if dy is None else candidate.vjp(there, moved, dy.copy())
        return y, y if pulled is None else pulled[1]

    found = attempt(lambda: [on_line(t * STEP) for t in range(4)])
    if isinstance(found, BaseException):
        return False
    return any(_third(several) for several in zip(*found, strict=True))


def _third(several: Sequence[Array]) -> bool:
    """Tell whether third differences are of float32's size."""
    a, b, c, d = several
    third = np.median(np.abs(d - 3 * c + 3 * b - a)) if a.size else 0.0
    return bool(SMOOTH < third / (np.abs(a).max(initial=0) or 1) < SINGLE_MOST)
