"""Rules with a number in them: the number is read off what the candidate gave.

The logits of such a rule are affine in its number u, so that two values of u give all others, and
the logits that are seen, from the map and the inverse of its gate, are solved for u.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.identification.one_stage import Alone
from npcbam.oracle.precision import LEFT
from npcbam.oracle.rules.composition import Gate
from npcbam.oracle.rules.rule import WRONG, Parameter, Rule, Weights
from npcbam.oracle.rules.stage import Way


def read_off(each: Alone, bases: Iterable[Way], *, wrong: bool | None = None) -> Iterator[Way]:
    """Yield the ways of one rule with a number, beside others whose gate can be undone.

    Of rules that are wrong, of those that are not, or, with None, of all.
    """
    asked = [r for r in each.stage.numbered if wrong in (None, r.status == WRONG)]
    numbered = [(rule, rule.parameter) for rule in asked if rule.parameter]
    for base in bases:
        inverse = base.axes["gate"].inverse
        if inverse is not None and base.fits(each.weights):
            settled = {axis for r in base.rules for axis in r.sets}
            for rule, parameter in numbered:
                axes = {**base.axes, parameter.axis: None}
                if parameter.axis not in settled and each.stage.fits(axes, each.weights):
                    yield from _ways(each, base, inverse, rule, parameter)


def _ways(each: Alone, base: Way, inverse: Gate, rule: Rule, parameter: Parameter) -> Iterator[Way]:
    stage, weights = each.stage, each.weights
    for gated, scale, read in each.seen(each.y):
        with np.errstate(all="ignore"):
            seen = inverse(gated / scale)
        told = np.isfinite(seen)
        if not told.any():
            continue

        def logits(u: float, read: Array = read, told: Array = told) -> Array:
            axes = {**base.axes, **rule.sets, parameter.axis: parameter.set_to(u, weights)}
            z = stage.logits(axes, weights, read)
            return np.broadcast_to(z, told.shape)[told]

        u = _solved(logits(1.0), logits(2.0), seen[told])
        if u is None:
            continue
        plain = np.broadcast_to(stage.logits(base.axes, weights, read), told.shape)[told]
        if np.abs(seen[told] - plain).max() > LEFT * np.abs(plain).max():
            yield from (stage.way(*base.rules, r) for r in _at(rule, parameter, u, weights))


def _solved(one: Array, two: Array, seen: Array) -> float | None:
    """Return the u with which the logits are those seen; None if there is none."""
    slope = two - one
    steep = np.abs(slope) > LEFT * np.abs(slope).max(initial=0)
    if not steep.any():
        return None
    u = 1 + float(np.median((seen - one)[steep] / slope[steep]))
    left = np.abs(seen - one - (u - 1) * slope).max()
    return u if left <= LEFT * np.abs(seen).max() else None


def _at(rule: Rule, parameter: Parameter, u: float, weights: Weights) -> Iterator[Rule]:
    """Yield the rule with the number, and with its first three digits, which are often all."""
    said = u if parameter.spelled is None else parameter.spelled(u, weights)
    other = any(abs(said - number) < LEFT for number in parameter.others)
    if other or not parameter.low <= said <= parameter.high:
        return
    short = float(f"{said:.3g}")
    if parameter.spelled is not None:
        yield parameter.settled(rule, short, short)
    else:
        yield parameter.settled(rule, parameter.set_to(short, weights), short)
        if f"{u:.12g}" != f"{short:.12g}":
            yield parameter.settled(rule, parameter.set_to(u, weights), u)
