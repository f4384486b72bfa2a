"""Which reading does the candidate follow?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npcbam.cbam import CBAM
from npcbam.checks import Array
from npcbam.oracle.hypotheses import departures, presets_of, readings, tie_rules
from npcbam.oracle.report import TOLERANCE, gaps
from npcbam.oracle.roles import Roles


@dataclass(frozen=True, eq=False)
class Identified:
    """The reading that fits best, and which array plays which role in it."""

    reading: CBAM
    roles: Roles


def identify(
    assignments: Sequence[Roles],
    values: Mapping[str, Array],
    seen: Sequence[tuple[Array, Array]],
    expect: str,
) -> Identified:
    """Return the reading that fits what the candidate computes, or else the nearest.

    Parameters
    ----------
    assignments : the ways to see the arrays, at least one
    values : the candidate's arrays
    seen : pairs of an input x and the candidate's y, the most telling first
    expect : the preset that is no departure

    Of two readings the one that fits further into `seen` is nearer. Where none fits the first, a
    departure from Eqs. 1 to 3 must earn itself by a fit ten times as good, so
    that a mistake is shown beside what was meant and not beside an odd relative.
    """
    best, least = None, (1, 0.0)
    for roles in assignments:
        weights = {role.path: role.carry(values[role.name]) for role in roles}
        for reading in readings(weights):
            fits, error = _fit(reading, seen)
            if fits == len(seen):
                return Identified(reading, roles)
            meant = expect in presets_of(reading, ties=False)
            cost = (-fits, error if meant else error * 10 ** len(departures(reading)))
            if cost < least:
                best, least = Identified(reading, roles), cost
    assert best is not None
    return best


def _fit(reading: CBAM, seen: Sequence[tuple[Array, Array]]) -> tuple[int, float]:
    """Return how many pairs the reading fits before the first that it does not, and its error."""
    for fits, (x, y) in enumerate(seen):
        error = float(gaps(y, reading(x)).max())
        if error > TOLERANCE:
            return fits, error
    return len(seen), 0.0


def settle_ties(reading: CBAM, x: Array, dy: Array, dx: Array) -> CBAM:
    """Return the reading with the tie rules whose gradient on `x` is nearest to `dx`."""
    return min(tie_rules(reading), key=lambda rule: gaps(dx, rule.vjp(x)[1](dy)[1]).max())
