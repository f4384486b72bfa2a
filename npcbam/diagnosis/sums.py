"""Sums over all of dy, or along an axis, that are lost or taken along another axis."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.guesses import Said
from npcbam.diagnosis.terms import SPARE, basis_of
from npcbam.diagnosis.wrong import Wrong


def over_another_axis(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether a sum in the gradient runs along another axis than it should.

    Then what is off is an array times a number by row less a number by column.
    """
    shape = seen[0].want.shape
    if any(w.got.shape != shape or w.want.shape != shape or not w.known.all() for w in seen):
        return None
    bases = [basis_of(w) for w in seen]
    plain = [n for n in bases[0] if "·" not in n and "²" not in n and all(n in b for b in bases)]
    for one, two in itertools.combinations(seen[0].axes, 2):
        spare = (shape[one] - 1) * (shape[two] - 1)
        for name in plain if spare >= SPARE else ():
            if all(
                _additive(w, b[name], one, two) and not _itself(w, b[name], one, two)
                for w, b in zip(seen, bases, strict=True)
            ):
                times = "" if name == "1" else f" times {name}"
                tail = f"has a sum{times} along one of the axes {one} and {two}, and along the "
                return "other-axis", tail + "other it is due"
    return None


def _additive(w: Wrong, a: Array, one: int, two: int) -> bool:
    if not a.all() or not np.isfinite(w.got).all():
        return False
    off = (w.got - w.want) / a
    rows, columns = off.mean(one, keepdims=True), off.mean(two, keepdims=True)
    both = off.mean((one, two), keepdims=True)
    return w.fits(w.want + a * (rows + columns - both), 2.0)


def _itself(w: Wrong, a: Array, one: int, two: int) -> bool:
    """Tell whether the right array is of that kind, so that any other would be too."""
    zero = Wrong(w.name, w.want, np.zeros(w.want.shape), 1e-6 * w.scale)
    return _additive(zero, a, one, two)


def lost_through_a_sum(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether what is off is one fixed array times the sum of dy."""
    wrong = [w for w in seen if w.wrong.any()]
    if len(wrong) < 2 or any(len(w.dy) != 1 or w.got.shape != w.want.shape for w in wrong):
        return None
    (name, dy), *_ = wrong[0].dy.items()
    if dy.size < 2 or wrong[0].want.size < 2 or not _one_point(wrong):
        return None
    sums = [float(next(iter(w.dy.values())).sum()) for w in wrong]
    if not all(sums):
        return None
    array = (wrong[0].got - wrong[0].want) / sums[0]
    if not all(w.fits(w.want + s * array, 4.0) for w, s in zip(wrong, sums, strict=True)):
        return None
    tail = (
        f"is off by one array times the sum of d{name}: a way from {wrong[0].name[1:]} to all of "
    )
    return "term", tail + f"{name} at once is not counted, or counted wrongly"


def _one_point(seen: Sequence[Wrong]) -> bool:
    first = seen[0]
    return first.argument is not None and all(
        w.argument is not None and np.array_equal(w.argument, first.argument)
        and w.arguments.keys() == first.arguments.keys()
        and all(np.array_equal(a, first.arguments[n]) for n, a in w.arguments.items())
        for w in seen
    )  # fmt: skip
