"""The derivative to judge by: the complex step where it can be trusted, else finite differences."""

from __future__ import annotations

import numpy as np

from npcbam.checks import Array
from npcbam.gradcheck.contract import Trial
from npcbam.gradcheck.directions import Directions
from npcbam.slopes import ComplexStep, Point, Ridders


def choose(trial: Trial, dy: list[Array]) -> tuple[ComplexStep | Ridders, str]:
    """Return the derivative of ⟨dy, f⟩ to judge by, and why it is not the complex step."""
    directions = Directions(trial)
    ridders = Ridders(trial.f, _real_point(trial), dy)
    try:
        step = ComplexStep(trial.f, Point(trial.args), dy)
        step.slope(np.zeros(trial.size))
    except Exception as error:  # whatever f raises on complex arguments
        ridders.listen(directions.along())
        return ridders, f"f does not run on complex128: {type(error).__name__}"
    ridders.listen(directions.along())
    if _analytic(directions, step, ridders):
        return step, ""
    return ridders, "on complex128 f has another derivative, as with abs, real and conj"


def _real_point(trial: Trial) -> Point:
    """Return the point in float64 or better where f takes that, else in its own dtype."""
    own = np.result_type(*(leaf.dtype for leaf in trial.leaves))
    wide = np.result_type(np.float64, own)
    try:
        point = Point(trial.args, wide)
        if all(leaf.dtype == wide for leaf in point.shifted(trial.f, {})):
            return point
    except Exception:  # f need not take a wider dtype
        pass
    return Point(trial.args, own)


def _analytic(directions: Directions, step: ComplexStep, ridders: Ridders) -> bool:
    """Hold the complex step against finite differences, away from the kinks of this point."""
    agreed = 0
    for shift in (2.0**-10, 2.0**-8, 2.0**-6):
        # Each element by a part of itself, so that none leaves the domain of a logarithm.
        away, v = (size * directions.along(own=True) for size in (shift, 1))
        try:
            fine, rough = step.slope(v, away=away), ridders.slope(v, away=away)
        except Exception:  # f need not be defined there
            continue
        room = 20 * rough.error + 1e-7 * max(fine.scale, rough.scale)
        agreed += abs(fine.value - rough.value) <= room
        if agreed == 2:
            return True
    return False
