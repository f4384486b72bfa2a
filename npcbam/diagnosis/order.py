"""The right numbers in the wrong places: transposed, flipped, shifted, in another memory order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.arrays import joined
from npcbam.diagnosis.guesses import Guess, Said
from npcbam.diagnosis.wrong import Wrong

# More axes have too many orders, and longer ones too many shifts, to try them all.
AXES, SHIFTS = 4, 64
# In larger arrays only short shifts are looked for.
LARGE = 4096


@dataclass(frozen=True)
class Turn:
    """One way to put the numbers of an array into another order; the shape stays.

    `unless` is a way that must change the array, for this one to say something.
    """

    code: str
    said: str
    key: str
    of: Callable[[Array], Array]
    unless: Callable[[Array], Array] | None = None

    def tells(self, a: Array) -> bool:
        """Tell whether an array shows this turn."""
        return self.unless is None or not np.array_equal(self.unless(a), a, equal_nan=True)


def reordered(w: Wrong) -> Iterator[Guess]:
    """Yield the right array in other orders."""
    for turn in turns(w.want.shape):
        if turn.tells(w.want) and w.may_be(turn.of(w.want)):
            grown = _grown(turn.of(w.limit), w.limit)
            yield Guess(turn.code, turn.said, turn.of(w.want), turn.key, grown)


def _grown(moved: Array, limit: Array) -> Array:
    """Return how many times more error is allowed for what moved to an entry."""
    with np.errstate(all="ignore"):
        grown = np.where(limit > 0, moved / limit, 1.0)
    return np.asarray(np.nan_to_num(grown, nan=1.0, posinf=1.0))


def orders(a: Array) -> Iterator[tuple[Array, Said, str]]:
    """Yield an array in other orders of the same shape, with what to say and a key."""
    for turn in turns(a.shape):
        if turn.tells(a):
            yield turn.of(a), (turn.code, turn.said), turn.key


def turns(shape: tuple[int, ...]) -> Iterator[Turn]:
    """Yield the ways to reorder an array, the simplest first."""
    yield from _permuted(shape)
    yield from _flipped(shape)
    yield from _shifted(shape)
    yield from _regrouped(shape)


def _permuted(shape: tuple[int, ...]) -> Iterator[Turn]:
    ndim = len(shape)
    if 2 <= ndim <= AXES:
        for order in itertools.permutations(range(ndim)):
            if order != tuple(range(ndim)) and tuple(shape[i] for i in order) == shape:
                moved = [i for i, j in enumerate(order) if i != j]
                said = "is transposed"
                if ndim > 2 and len(moved) == 2:
                    said = f"has axes {moved[0]} and {moved[1]} exchanged (transposed)"
                elif ndim > 2:
                    said = f"has its axes in the order {order}"
                yield Turn("transposed", said, f"order {order}", partial(np.transpose, axes=order))
    if ndim >= 2:
        said = "has the right numbers, read in another memory order (Fortran for C)"
        yield Turn("memory-order", said, "F", lambda a: a.reshape(-1).reshape(a.shape, order="F"))
        yield Turn("memory-order", said, "C", lambda a: a.reshape(-1, order="F").reshape(a.shape))


def _flipped(shape: tuple[int, ...]) -> Iterator[Turn]:
    long = [axis for axis, size in enumerate(shape) if size > 1]
    for many in range(1, min(len(long), 3) + 1):
        for axes in itertools.combinations(long, many):
            said = f"is flipped along {_axis(axes[0], shape)}"
            if many > 1:
                said = f"is flipped along axes {joined([str(a) for a in axes])}"
            yield Turn("flipped", said, f"flip {axes}", partial(np.flip, axis=axes))


def _axis(axis: int, shape: tuple[int, ...]) -> str:
    return f"axis {axis}" if len(shape) > 1 else "its axis"


def _shifted(shape: tuple[int, ...]) -> Iterator[Turn]:
    for axis, size in enumerate(shape):
        most = min(size // 2, SHIFTS if math.prod(shape) <= LARGE else SHIFTS // 16)
        near = [s for k in range(1, most + 1) for s in (k, -k)]
        for shift in near:
            to = f"by {abs(shift)} towards the {'end' if shift > 0 else 'front'}"
            said = f"is shifted along {_axis(axis, shape)} {to}"

            def roll(a: Array, shift: int = shift, axis: int = axis) -> Array:
                return np.roll(a, shift, axis)

            def push(a: Array, shift: int = shift, axis: int = axis) -> Array:
                made = np.roll(a, shift, axis)
                ends = slice(0, shift) if shift > 0 else slice(shift, None)
                made[(slice(None),) * axis + (ends,)] = 0
                return made

            yield Turn("shifted", said, f"roll {axis} {shift}", roll)
            # Zeros at an end are no shift of what is the same all along.
            zeros = f"{said}, with zeros after it"
            yield Turn("shifted", zeros, f"push {axis} {shift}", push, roll)


def _regrouped(shape: tuple[int, ...]) -> Iterator[Turn]:
    """Yield the ways to deal the indices of an axis out in groups, as a shuffle of channels."""
    for axis, size in enumerate(shape):
        for groups in range(2, size // 2 + 1):
            if size % groups == 0:
                index = np.arange(size).reshape(groups, -1).T.reshape(-1)
                said = f"has axis {axis} in another order, dealt out in {groups} groups"
                yield _taken("regrouped", said, axis, index)
        if size % 2 == 0 and size > 2:
            index = np.arange(size).reshape(-1, 2)[:, ::-1].reshape(-1)
            said = f"has neighbours along axis {axis} exchanged"
            yield _taken("regrouped", said, axis, index)


def _taken(code: str, said: str, axis: int, index: Array) -> Turn:
    return Turn(code, said, said, lambda a: np.take(a, index, axis))


def shuffled(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether the right numbers are all there, in other places."""
    for w in seen:
        if w.got.shape != w.want.shape or not w.known.all() or w.want.size < 2:
            return None
        got, want = w.got.reshape(-1), w.want.reshape(-1)
        at, due = np.argsort(got), np.argsort(want)
        if not np.isfinite(got).all() or np.ptp(want) == 0:
            return None
        again = Wrong(w.name, got[at], want[due], w.limit.reshape(-1)[due])
        if again.wrong.any():
            return None
    return "shuffled", f"has the right numbers in the wrong places{_places(seen)}"


def _places(seen: Sequence[Wrong]) -> str:
    """Name the entries, where they are few."""
    at = np.argwhere(seen[0].wrong)
    if not 0 < len(at) <= 4 or (len(seen) > 1 and seen[0].want.shape != seen[1].want.shape):
        return ""
    return ": " + ", ".join(str([int(i) for i in index]) for index in at)
