"""Is an error rounding? Rounding jumps where all else moves smoothly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.comparison.beside import Pair, Values
from npcbam.oracle.precision import JUMP, MOVE, SINGLE_MOST, SMOOTH, STEP, rounded


def only_single(candidate: Candidate, values: Values, x: Array, dy: Array | None) -> bool:
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
    return any(_of_single(several) for several in zip(*found, strict=True))


def _of_single(several: Sequence[Array]) -> bool:
    """Tell whether third differences are of float32's size."""
    a, b, c, d = several
    third = np.median(np.abs(d - 3 * c + 3 * b - a)) if a.size else 0.0
    return bool(SMOOTH < third / (np.abs(a).max(initial=0) or 1) < SINGLE_MOST)


def is_rough(pair: Pair, tensor: str) -> bool:
    """Tell whether the error of a tensor jumps when all numbers move a little."""
    rng = np.random.default_rng(pair.seed + 3)

    def moved(a: Array) -> Array:
        return rounded(a * (1 + MOVE * rng.uniform(-1, 1, a.shape)), pair.judged_as)

    before = pair.ordinary[tensor]
    values = {name: moved(value) for name, value in pair.values.items()}
    after = pair.compare(values, moved(pair.noise()), tensor != "y")[tensor]
    errors = before.got - before.expected, after.got - after.expected
    # Of all entries, and of those that are off: what else there is may be rounding in any case.
    off = np.abs(errors[0]) > before.tolerance
    return _jumps(*errors) and _jumps(*(error[off] for error in errors))


def _jumps(before: Array, after: Array) -> bool:
    # Not the means: where a maximum switches, smooth errors jump too.
    sizes = [np.median(np.abs(a)) if a.size else 0.0 for a in (after - before, before)]
    return bool(sizes[0] > JUMP * sizes[1])
