"""Arguments in less than double precision: the same backward in float64, and what rounding may.

A backward that runs in float64 too is judged there, sharply; and what it gives in its own precision
is held, entry by entry, to what it gives in float64 at the same numbers. A difference counts where
rounding does not explain it: where it is there, with the same sign and size, at all of several
places so near to each other that rounding alone tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck import contract, noise
from npcbam.gradcheck.cotangents import Cotangent, spread
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.findings import Finding
from npcbam.gradcheck.formats import tiny_of, unit_of
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.layout import Layout
from npcbam.gradcheck.numbers import NOISE, SUM, Numbers
from npcbam.gradcheck.reading import Reading, read

PLACES, MORE_PLACES = 6, 24
DIGITS = 1e-9  # of the largest: smaller cotangents may be a few roundings
HALF = 1e-4  # units of half precision are larger
SURE = 8.0  # standard deviations of a mean
STEADY = 0.25  # of its mean, by which an error may vary that is no rounding
# Units of the leaf's typical entry: what rounding inside of a backward may come to, once and in the
# mean of many places. A gate near 1 loses all digits of 1 - gate.
WITHIN, INSIDE = 32.0, 16.0
# How far the places lie from the point: so far that what is rounded within is rounded anew, and so
# near that a mistake is the same.
FAR = 2.0**-7


def unit(layout: Layout) -> float:
    """Return the unit of the coarsest argument; no finer than double precision is judged."""
    return max([float(np.finfo(np.float64).eps), *map(unit_of, layout.dtypes())])


def is_wide(layout: Layout, forward: Forward) -> bool:
    """Tell whether arguments and results are in double precision."""
    kinds = [*layout.dtypes(), *(leaf.dtype for leaf in forward.results.leaves)]
    return all(unit_of(kind) <= np.finfo(np.float64).eps for kind in kinds)


def same_function(own: Forward, wider: Forward) -> bool:
    """Tell whether the results in float64 are those in the arguments' own precision, but finer.

    What draws random numbers by the dtype, say, is another function there.
    """
    size = float(np.abs(wider.y).max(initial=0))
    kinds = [*own.layout.dtypes(), *(leaf.dtype for leaf in own.results.leaves)]
    coarse = max(map(unit_of, kinds))
    off = np.abs(wider.y - own.y) > np.sqrt(coarse) * size
    return wider.y.shape == own.y.shape and int(off.sum()) <= off.size // 10


def readings(wider: Forward, asked: Sequence[Cotangent]) -> list[Reading] | None:
    """Return what the pullback gives in float64; None if it does not run so."""
    try:
        found = contract.ask(wider, list(asked))
    except Exception:  # it need not take float64
        return None
    given = [array for reading in found for array in reading.given.values()]
    wide = all(a.dtype.kind == "f" and a.dtype.itemsize >= 8 for a in given)
    return found if wide and not _rounds(wider, asked[0]) else None


def _rounds(wider: Forward, cotangent: Cotangent) -> bool:
    """Tell whether a cotangent is rounded to single precision on its way.

    It is asked for a dy with more digits than that, so that what passes dy on shows them.
    """
    dy = cotangent.dy * (1 + 2.0**-30)
    (fine,) = contract.ask(wider, [Cotangent(dy, 1.0, "")])
    size = np.abs(fine.g[np.isfinite(fine.g)]).max(initial=0)
    for leaf in wider.layout.leaves:
        part = fine.g[leaf.part]
        # What is nothing but rounding has few digits in any precision.
        some = part[np.isfinite(part) & (np.abs(part) > DIGITS * size)]
        if np.unique(some).size > 1 and (some == some.astype(np.float32)).all():
            return True
    return False


def compared(
    own: Forward,
    numbers: Numbers,
    directions: Directions,
    rng: np.random.Generator,
    known: Sequence[Finding],
) -> tuple[list[Finding], list[str]]:
    """Hold the cotangents in their own precision to those in float64; return findings and notes."""
    layout, cotangent = own.layout, numbers.asked[0]
    coarse = max(map(unit_of, [*layout.dtypes(), *(leaf.dtype for leaf in own.results.leaves)]))
    errors, right = [], []
    places = MORE_PLACES if coarse > HALF else PLACES
    for k in range(places):
        x = own.x + (FAR * directions.joint() if k else 0)
        x = np.concatenate(
            [x[e.part].astype(e.value.dtype).astype(own.wide) for e in layout.leaves]
        )
        dy = cotangent.dy * (1 + (FAR * spread(rng, cotangent.dy.size) if k else 0))
        dy = own.results.rounded(dy)
        pair = [_given(forward, x, dy) for forward in (own, numbers.forward)]
        if pair[0] is not None and pair[1] is not None:
            errors.append((pair[0] - pair[1]).astype(np.float64))
            right.append(np.abs(pair[1]).astype(np.float64))
    if len(errors) < places // 2:
        return [], []
    rounding = noise.rounding_of(numbers.forward, cotangent, numbers.g(), coarse, rng)
    # What adds up to an entry, and may cancel for one dy, shows in its size for others.
    each = zip(numbers.readings, numbers.asked, strict=True)
    terms = np.max([np.abs(r.g.astype(np.float64)) / asked.size for r, asked in each], axis=0)
    usual = np.mean(right, axis=0)
    found, notes = [], []
    told = {finding.leaf for finding in known}
    for i, leaf in enumerate(layout.leaves):
        if leaf.name in told or i in numbers.readings[0].unread or not leaf.size:
            continue
        part = leaf.part
        least = tiny_of(leaf.value.dtype)
        at = [e[part] for e in errors]
        # What rounds within, as a gate near 1 does, shows in no move of the arguments.
        typical = float(np.sqrt(np.mean(np.square(right[0][part]))))
        small = coarse * (2 * SUM * terms[part] + INSIDE * typical) + least
        allowed = NOISE * rounding[part] + small + coarse * WITHIN * typical
        steady = _steady(np.array(at), allowed, small if coarse > HALF else None)
        finding, note = _leaf(leaf.name, leaf.value, steady, allowed, usual[part])
        if usual[part].max() <= coarse * usual.max():
            note = ""  # of what is nothing but rounding there is nothing to say
        found += [finding] if finding else []
        notes += [note] if note else []
        if coarse > HALF and not finding:
            kind, passes = leaf.value.dtype.name, float(small.max(initial=0))
            notes.append(f"in {kind} an error of {passes:.2g} in d{leaf.name} may have passed")
    return found, notes


def _given(forward: Forward, x: Array, dy: Array) -> Array | None:
    try:
        results, pullback = forward.at(x)
        return read(forward.layout, pullback(results.cotangent(dy))).g
    except Exception:  # f need not be defined there
        return None


@dataclass(frozen=True, eq=False)
class _Errors:
    """What one leaf is off by in its own precision: at all places, in the mean, and where."""

    mean: Array
    most: float
    lost: Array
    wrong: Array


def _steady(errors: Array, allowed: Array, small: Array | None) -> _Errors:
    """Tell which errors are the same at all places, and no rounding.

    In half precision rounding is so large that it hides much; but it averages out over many
    places, down to what is `small`.
    """
    lost = np.asarray(~np.isfinite(errors).all(axis=0))
    errors = np.where(np.isfinite(errors), errors, 0.0)
    mean, varies = errors.mean(axis=0), errors.std(axis=0)
    wrong = (np.abs(errors) > allowed).all(axis=0) & (varies <= STEADY * np.abs(mean))
    if small is not None:
        wrong |= np.abs(mean) > small + SURE * varies / np.sqrt(len(errors))
    return _Errors(mean, float(np.abs(errors).max(initial=0)), lost, wrong)


def _leaf(
    name: str, value: Array, errors: _Errors, allowed: Array, right: Array
) -> tuple[Finding | None, str]:
    """Return what is wrong with one leaf in its own precision, or what is worth a note."""
    kind = value.dtype.name
    lost = errors.lost & np.isfinite(right)
    if lost.any():
        place = _place(lost, value.shape)
        said = f"in {kind} d{name}{place} is NaN or infinite, in float64 {right[lost][0]:.4g}"
        return Finding("precision", name, f"{said}: something overflows", "overflow"), ""
    mean, wrong = errors.mean, errors.wrong
    size = float(right.max(initial=0))
    if wrong.any():
        at = int(np.argmax(np.where(wrong, np.abs(mean) / allowed, 0)))
        share = abs(mean[at]) / right[at] if right[at] else np.inf
        gone = right[at] > 0 and abs(abs(mean[at]) - right[at]) <= 1e-3 * right[at]
        why = "underflow" if gone else "precision"
        tail = ": something underflows to 0" if gone else ""
        said = (
            f"in {kind} d{name}{_place(at, value.shape)} is off by {abs(mean[at]):.3g} "
            f"({share:.3g} relative), where rounding explains {allowed[at]:.3g}; in float64 it is "
            f"right{tail}; {int(wrong.sum())} of {wrong.size} entries"
        )
        return Finding("precision", name, said, why), ""
    if size and errors.most > 0.01 * size:
        share = errors.most / size
        return None, f"in {kind} rounding moves d{name} by up to {share:.2g} of its largest"
    return None, ""


def _place(at: Array | int, shape: tuple[int, ...]) -> str:
    flat = int(np.flatnonzero(at)[0]) if isinstance(at, np.ndarray) else int(at)
    return str([int(k) for k in np.unravel_index(flat, shape)])
