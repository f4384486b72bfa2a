"""What a backward makes of the Jacobian and of dy: parts that it leaves out, or takes otherwise."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.arrays import joined
from npcbam.diagnosis.guesses import Guess
from npcbam.diagnosis.wrong import Wrong

# A Jacobian of more numbers takes too long to be pulled through in some hundred ways.
LARGEST = 200_000
# A result at most so many steps later still counts where a recurrent backward is cut off.
STEPS = 3


def usable(w: Wrong) -> bool:
    """Tell whether the Jacobian is known, and gives what is right."""
    j = w.slopes
    if j is None or not j.size or j.size > LARGEST or not w.dy:
        return False
    if j.shape != (sum(dy.size for dy in w.dy.values()), w.want.size):
        return False
    again = pull(w, flat(w))
    at = w.known & np.isfinite(again)
    near = np.abs(again - w.want)[at] <= w.limit[at] + 1e-6 * w.scale
    return bool(at.any() and near.all())


def flat(w: Wrong) -> Array:
    """Return all cotangents in one row."""
    return np.concatenate([np.asarray(dy, dtype=float).reshape(-1) for dy in w.dy.values()])


def pull(w: Wrong, d: Array, jacobian: Array | None = None) -> Array:
    """Return what a cotangent of all results gives, in the shape of the argument."""
    j = w.slopes if jacobian is None else jacobian
    assert j is not None
    back: Array = np.asarray(d) @ j
    return back.reshape(w.want.shape)


def parts_of_it(w: Wrong) -> Iterator[Guess]:
    """Yield what part of the Jacobian gives: its diagonal, one result, one step, the last index."""
    if not usable(w):
        return
    j, d = w.slopes, flat(w)
    assert j is not None
    yield from _results(w, j, d)
    if _copied(j):
        yield from _ends(w, j, d, "use of entries that are read several times")
    if j.shape[0] == j.shape[1]:
        yield from _square(w, j, d)
    yield from _same_index(w, j, d)


def ends_of_it(w: Wrong) -> Iterator[Guess]:
    """Yield what the first or last result alone gives that each entry reaches."""
    if usable(w) and w.slopes is not None and not _copied(w.slopes):
        yield from _ends(w, w.slopes, flat(w), "of the results that each entry reaches")


def _copied(j: Array) -> bool:
    """Tell whether results are copies of entries."""
    return bool((np.isnan(j) | (j == 0) | (np.abs(j - 1) < 1e-9)).all())


def _results(w: Wrong, j: Array, d: Array) -> Iterator[Guess]:
    """Yield what comes of all results but one, and of one alone."""
    slices, names = result_slices(w), list(w.dy)
    for name in names:
        rest = d.copy()
        rest[slices[name]] = 0
        if len(names) > 1:
            yield Guess("result-left-out", f"does not use d{name}, the cotangent of {name}",
                        pull(w, rest))  # fmt: skip
    for many in range(2, len(names)):
        for lost in itertools.combinations(names, many):
            rest = d.copy()
            for name in lost:
                rest[slices[name]] = 0
            said = joined([f"d{name}" for name in lost])
            yield Guess("result-left-out", f"does not use {said}", pull(w, rest))
    alike = [n for n in names if w.dy[n].shape == w.dy[names[0]].shape]
    if 2 <= len(alike) <= 3 and len(alike) == len(names):
        yield from _mixed(w, names, slices, d)


def _mixed(w: Wrong, names: list[str], slices: dict[str, slice], d: Array) -> Iterator[Guess]:
    """Yield what comes of cotangents that go into the place of another, or into that as well."""
    for one, two in itertools.permutations(names, 2):
        other = d.copy()
        other[slices[two]] = d[slices[one]]
        tail = f"takes d{one} for the cotangent of {two} as well"
        yield Guess("result-mixed", tail, pull(w, other))
        other = d.copy()
        other[slices[two]] = d[slices[one]] + d[slices[two]]
        tail = f"takes d{one} + d{two} for the cotangent of {two}, and d{one} for that of {one}"
        yield Guess("result-mixed", tail, pull(w, other))
        other[slices[one]] = 0
        tail = f"takes d{one} + d{two} for the cotangent of {two}: d{one} goes through the "
        tail += f"derivative of {two} and not through that of {one}"
        yield Guess("result-mixed", tail, pull(w, other))
        swapped = d.copy()
        swapped[slices[one]], swapped[slices[two]] = d[slices[two]], d[slices[one]]
        a, b = sorted((one, two))
        yield Guess("result-mixed", f"takes d{a} and d{b} in each other's place", pull(w, swapped))


def result_slices(w: Wrong) -> dict[str, slice]:
    """Return where the entries of each result lie among all."""
    found, start = {}, 0
    for name, dy in w.dy.items():
        found[name] = slice(start, start + dy.size)
        start += dy.size
    return found


def _square(w: Wrong, j: Array, d: Array) -> Iterator[Guess]:
    shape, diagonal = w.want.shape, np.diagonal(j)
    by_diagonal = (d * diagonal).reshape(shape)
    off = j - np.diag(diagonal)
    if np.nan_to_num(off).any():
        tail = "uses only the diagonal of the Jacobian"
        yield Guess("diagonal", tail, by_diagonal)
        lacks = pull(w, d, off)
        yield Guess("off-diagonal", "lacks the diagonal of the Jacobian", lacks)
    if not np.isfinite(j).all():
        return
    straight = (j @ d).reshape(shape)
    tail = "applies the Jacobian where its transpose is due"
    if _is_permutation(j):
        tail += " (a permutation applied again, not undone)"
    yield Guess("not-transposed", tail, straight)
    across = (off @ d).reshape(shape)
    tail = "takes what lies off the Jacobian's diagonal with the other sign"
    yield Guess("off-diagonal", tail, 2 * by_diagonal - pull(w, d))
    tail = "takes what lies off the Jacobian's diagonal {}: it should be transposed"
    yield Guess("not-transposed", tail.format("with the other sign"), by_diagonal - across)
    tail = "has what lies off the Jacobian's diagonal twice"
    yield Guess("off-diagonal", tail, 2 * pull(w, d) - by_diagonal)
    tail = "has what lies off the Jacobian's diagonal at half its size"
    yield Guess("off-diagonal", tail, 0.5 * (pull(w, d) + by_diagonal))
    yield Guess("diagonal", "has the diagonal of the Jacobian twice", pull(w, d) + by_diagonal)


def passes(w: Wrong) -> Iterator[Guess]:
    """Yield what comes of two passes along an axis if the first writes over the dy of the second.

    What comes from later results is of one pass, from earlier ones of the other, and from the same
    index half of each.
    """
    if not usable(w) or w.slopes is None or len(w.dy) != 1:
        return
    j, d = w.slopes, flat(w)
    (name, dy), *_ = w.dy.items()
    if dy.shape != w.want.shape or not np.isfinite(j).all():
        return
    for axis, size in enumerate(dy.shape):
        gap = np.sign(_index(dy.shape, axis)[:, None] - _index(dy.shape, axis)[None, :])
        for sign, which in ((1, "the later"), (-1, "the earlier")) if size > 2 else ():
            first = j * (1 + sign * gap) / 2
            taken = d @ first
            tail = (
                f"takes, for one of two passes along axis {axis}, what the other wrote over d{name}"
            )
            tail += f" (the pass that brings {which} results back came first)"
            yield Guess("overwritten", tail, pull(w, taken, j - first) + taken.reshape(dy.shape))


def _is_permutation(j: Array) -> bool:
    return bool(((j != 0).sum(0) == 1).all() and ((j != 0).sum(1) == 1).all())


def _ends(w: Wrong, j: Array, d: Array, what: str) -> Iterator[Guess]:
    reaches = j != 0
    several = reaches.sum(0) > 1
    if not several.any():
        return
    shape, columns = w.want.shape, np.arange(j.shape[1])
    last = j.shape[0] - 1 - reaches[::-1].argmax(0)
    for rows, which in ((last, "last"), (reaches.argmax(0), "first")):
        made = np.where(reaches.any(0), d[rows] * j[rows, columns], 0.0).reshape(shape)
        yield Guess(f"only-{which}", f"counts only the {which} {what}", made)
    for name, dy in w.dy.items():
        for axis in range(dy.ndim if len(w.dy) == 1 and dy.ndim > 1 else 0):
            index = np.where(reaches, _index(dy.shape, axis)[:, None], -1)
            first = np.where(reaches, index, dy.size).min(0)
            for end, which in ((index.max(0), "last"), (first, "first")):
                tail = (
                    f"counts only the {which} index of d{name} along axis {axis} that each entry "
                )
                yield Guess(
                    f"only-{which}", tail + "reaches", pull(w, d, np.where(index == end, j, 0.0))
                )
    for name, mean in _averages(d, j, reaches):
        yield Guess(
            "mean-for-sum", f"takes {name} of what each entry should sum", mean.reshape(shape)
        )


def _averages(d: Array, j: Array, reaches: Array) -> Iterator[tuple[str, Array]]:
    many = np.maximum(reaches.sum(0), 1)
    yield "the mean", (d @ j) / many
    parts = np.where(reaches, d[:, None] * j, -np.inf)
    yield "the largest", np.where(reaches.any(0), parts.max(0), 0.0)


def _same_index(w: Wrong, j: Array, d: Array) -> Iterator[Guess]:
    """Yield what the results give that have the index of the entry along an axis."""
    if w.want.ndim == 0:
        return
    shapes = [(name, dy.shape) for name, dy in w.dy.items()]
    for at in range(w.want.ndim):
        size = w.want.shape[at]
        mine = _index(w.want.shape, at)
        for axis in range(max(len(s) for _, s in shapes)):
            if size < 2 or any(len(s) <= axis or s[axis] != size for _, s in shapes):
                continue
            theirs = np.concatenate([_index(s, axis) for _, s in shapes])
            gap = theirs[:, None] - mine[None, :]
            yield from _within(w, j, d, gap, at)


def _within(w: Wrong, j: Array, d: Array, gap: Array, axis: int) -> Iterator[Guess]:
    for steps in range(min(STEPS, int(gap.max(initial=0)))):
        for sign, which in ((1, "later"), (-1, "earlier")):
            far = sign * gap > steps
            kept = np.where(far, 0.0, j)
            much = f" by more than {steps}" if steps else ""
            tail = f"lacks what comes from results that are {which}{much} along axis {axis}"
            yield Guess(f"only-up-to-{steps}", tail, pull(w, d, kept))
    kept = np.where(gap != 0, 0.0, j)
    yield from _one_of_two_uses(w, kept, d, axis)
    tail = f"holds what comes from results at the same index along axis {axis} alone"
    yield Guess("same-index", tail, pull(w, d, kept))


def _one_of_two_uses(w: Wrong, kept: Array, d: Array, axis: int) -> Iterator[Guess]:
    """Yield what comes of one factor of a product of an array with itself, such as x @ x.T."""
    if len(w.dy) != 1:
        return
    (name, dy), *_ = w.dy.items()
    if dy.ndim < 2 or dy.shape[-1] != dy.shape[-2]:
        return
    turned = dy.swapaxes(-1, -2).reshape(-1)
    if np.allclose(pull(w, turned), pull(w, d), 1e-9, 1e-9 * w.scale):
        same = _index(dy.shape, dy.ndim - 1) == _index(dy.shape, dy.ndim - 2)
        tail = f"counts one of the two uses of {w.name[1:]} in {name}, the one along axis {axis}"
        yield Guess("use-lost", tail, pull(w, d, np.where(same[:, None], kept / 2, kept)))


def _index(shape: tuple[int, ...], axis: int) -> Array:
    found: Array = np.indices(shape)[axis].reshape(-1)
    return found
