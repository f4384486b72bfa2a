"""How far rounding may take each tensor of a CBAM from its exact value.

Every input is moved by a unit of rounding, up or down at random, and what moves with it is seen.
Steps in between that round move the results as far as that: each is a product, a sum, or a smooth
function of what can be moved.

`comparison.bounds`, which derives what is allowed, is not used: it bounds y and the gradients, but
nothing in between, by which a program finds where it goes wrong; and it has to hold for any weights
and inputs, on kinks too, while these are drawn away from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from npcbam import CBAM, tree
from npcbam.arguments import Array
from npcbam.oracle.precision import NUDGE, PRECISIONS, STEPS

DRAWS = 16


def sensitivity(
    compute: Callable[[CBAM, Array, Array], dict[str, Array]], cbam: CBAM, x: Array, dy: Array
) -> dict[str, float]:
    """Return how far each tensor of `compute(cbam, x, dy)` goes, in units of the rounding.

    No two maxima that part in the features may lie so near that rounding exchanges them, and no
    relu at its kink; see `cases.draw`.
    """
    given = tree.map(lambda a: a.astype(np.float64), (cbam, x, dy))
    rng = np.random.default_rng(0)
    exact = compute(*given)
    worst = {name: NUDGE * np.abs(value).max() for name, value in exact.items()}
    for _ in range(DRAWS):
        moved = compute(*tree.map(lambda a: _moved(a, rng), given))
        for name, value in moved.items():
            worst[name] = max(worst[name], np.abs(value - exact[name]).max())
    return {name: float(w / NUDGE) for name, w in worst.items()}


def allowed(units: Mapping[str, float], dtype: str) -> dict[str, float]:
    """Return the allowed absolute error in a dtype of tensors of the given sensitivities."""
    kind = PRECISIONS[dtype]
    # Three digits, so that no other sum of terms shows in the file.
    return {k: float(f"{STEPS * (kind.rounding * u + kind.least):.2e}") for k, u in units.items()}


def _moved(a: Array, rng: np.random.Generator) -> Array:
    # Equal values move together, so that ties remain ties.
    values, places = np.unique(a, return_inverse=True)
    signs = rng.choice([-1.0, 1.0], values.shape)
    return (values * (1 + NUDGE * signs))[places].reshape(a.shape)
