"""The right numbers in the wrong places: transposed, flipped, shifted, in another memory order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from npcbam.checks import Array
from npcbam.diagnosis.guesses import Guess, Said, worst_first
from npcbam.diagnosis.wrong import Wrong

# More axes have too many orders, and longer ones too many shifts, to try them all.
AXES, SHIFTS = 4, 64


def reordered(w: Wrong) -> Iterator[Guess]:
    """Yield the right array in other orders."""
    for made, (code, tail), key in orders(w.want):
        limit = next(m for m, _, k in orders(w.limit) if k == key)
        yield Guess(code, tail, made, key, _grown(limit, w.limit))


def _grown(moved: Array, limit: Array) -> Array:
    """Return how many times more error is allowed for what moved to an entry."""
    with np.errstate(all="ignore"):
        grown = np.where(limit > 0, moved / limit, np.where(moved > 0, 1.0, 1.0))
    return np.asarray(np.nan_to_num(grown, nan=1.0, posinf=1.0))


def orders(a: Array) -> Iterator[tuple[Array, Said, str]]:
    """Yield an array in other orders of the same shape, with what to say and a key."""
    yield from _permuted(a)
    yield from _flipped(a)
    yield from _shifted(a)
    yield from _regrouped(a)


def _permuted(a: Array) -> Iterator[tuple[Array, Said, str]]:
    if 2 <= a.ndim <= AXES:
        for order in itertools.permutations(range(a.ndim)):
            if order != tuple(range(a.ndim)) and tuple(a.shape[i] for i in order) == a.shape:
                moved = [i for i, j in enumerate(order) if i != j]
                said = "is transposed"
                if a.ndim > 2 and len(moved) == 2:
                    said = f"has axes {moved[0]} and {moved[1]} exchanged (transposed)"
                elif a.ndim > 2:
                    said = f"has its axes in the order {order}"
                yield a.transpose(order), ("transposed", said), f"order {order}"
    if a.ndim >= 2:
        said = "has the right numbers, read in another memory order (Fortran for C)"
        yield a.reshape(-1).reshape(a.shape, order="F"), ("memory-order", said), "F"
        yield a.reshape(-1, order="F").reshape(a.shape), ("memory-order", said), "C"


def _flipped(a: Array) -> Iterator[tuple[Array, Said, str]]:
    long = [axis for axis in range(a.ndim) if a.shape[axis] > 1]
    for many in range(1, min(len(long), 3) + 1):
        for axes in itertools.combinations(long, many):
            said = f"is flipped along {_axis(axes[0], a)}"
            if many > 1:
                said = f"is flipped along axes {' and '.join(map(str, axes))}"
            yield np.flip(a, axes), ("flipped", said), f"flip {axes}"


def _axis(axis: int, a: Array) -> str:
    return f"axis {axis}" if a.ndim > 1 else "its axis"


def _shifted(a: Array) -> Iterator[tuple[Array, Said, str]]:
    for axis in range(a.ndim):
        size = a.shape[axis]
        near = [s for k in range(1, min(size // 2, SHIFTS) + 1) for s in (k, -k)]
        for shift in near[: size - 1]:
            to = f"by {abs(shift)} towards the {'end' if shift > 0 else 'front'}"
            said = f"is shifted along {_axis(axis, a)} {to}"
            yield np.roll(a, shift, axis), ("shifted", said), f"roll {axis} {shift}"
            cut = np.roll(a, shift, axis)
            ends = slice(0, shift) if shift > 0 else slice(shift, None)
            cut = cut.copy()
            cut[(slice(None),) * axis + (ends,)] = 0
            yield cut, ("shifted", said + ", with zeros after it"), f"push {axis} {shift}"


def _regrouped(a: Array) -> Iterator[tuple[Array, Said, str]]:
    """Yield the array with the indices of an axis dealt out in groups, as a shuffle of channels."""
    for axis in range(a.ndim):
        size = a.shape[axis]
        for groups in range(2, size // 2 + 1):
            if size % groups == 0:
                index = np.arange(size).reshape(groups, -1).T.reshape(-1)
                said = f"has axis {axis} in another order, dealt out in {groups} groups"
                yield np.take(a, index, axis), ("regrouped", said), f"deal {axis} {groups}"
        if size % 2 == 0 and size > 2:
            index = np.arange(size).reshape(-1, 2)[:, ::-1].reshape(-1)
            said = f"has neighbours along axis {axis} exchanged"
            yield np.take(a, index, axis), ("regrouped", said), f"pairs {axis}"


def shuffled(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether the right numbers are all there, in other places."""
    for w in worst_first(seen):
        if w.got.shape != w.want.shape or not w.known.all() or w.want.size < 2:
            return None
        # A zero has no place of its own.
        got, want = w.got.reshape(-1), w.want.reshape(-1)
        at, due = np.argsort(got), np.argsort(want)
        if not np.isfinite(got).all() or np.ptp(want) == 0:
            return None
        again = Wrong(w.name, got[at], want[due] + 0.0, w.limit.reshape(-1)[due])
        if again.wrong.any() and not np.allclose(got[at], want[due], 1e-9, 1e-12 * w.scale):
            return None
    return "shuffled", f"has the right numbers in the wrong places{_pairs(seen)}"


def _pairs(seen: Sequence[Wrong]) -> str:
    """Name the entries, where they are few."""
    w = seen[0]
    at = np.argwhere(w.wrong)
    if not 0 < len(at) <= 4:
        return ""
    return ": " + ", ".join(str([int(i) for i in index]) for index in at)
