"""Is an error rounding? Rounding jumps where all else moves smoothly."""

from __future__ import annotations

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.comparison.beside import Pair
from npcbam.oracle.precision import JUMP, MOVE, rounded


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
