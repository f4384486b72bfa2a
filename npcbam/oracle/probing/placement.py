"""Which of the ways to see the arrays is the candidate's, where shapes leave it open.

An entry of the MLP's last layer reaches one channel, and one of its first layer reaches all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.precision import STILL
from npcbam.oracle.probing.roles import Role, Roles
from npcbam.oracle.probing.trial import Trial
from npcbam.oracle.rules.block import SPATIAL_STAGE, last_layer
from npcbam.oracle.rules.rule import Run


def placed(known: Sequence[Roles], trial: Trial, x: Array) -> list[Roles]:
    """Return the ways whose last layer reaches one channel, all of them if there are none.

    Where nothing reaches y, as with a gate that is shut, other ways to see the rest may tell which
    matrix is which.
    """
    if len(known) < 2:
        return [*known]
    reached = [_reached(trial.runs(roles), trial.weights(roles), x) for roles in known]
    pairs = [*zip(known, reached, strict=True)]
    right = [_matrices(roles) for roles, n in pairs if n == 1]
    return [roles for roles, n in pairs if n < 2 and _matrices(roles) in right] or [*known]


def _matrices(roles: Roles) -> list[Role]:
    return [role for role in roles if role.key.startswith("w")]


def _reached(run: Run, weights: Mapping[str, Array], x: Array) -> int:
    """Return how many channels alter with what the last layer gives to the first."""
    calm, (last, _) = SPATIAL_STAGE.silenced(weights), last_layer(weights)
    if last not in calm:
        return 0
    moved = {**calm, last: calm[last].copy()}
    moved[last][0] *= 1.5
    by = np.abs(run(moved, x) - run(calm, x)).max(axis=(0, *range(2, x.ndim)))
    return int((by > STILL * by.max(initial=0)).sum())
