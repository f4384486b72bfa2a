"""The right backward of another dy: one row for all, another order, a part, a factor in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis import factors, order, partly, values
from npcbam.diagnosis.arrays import at_hand, joined, spread
from npcbam.diagnosis.guesses import Explanation, Guess, Said, explained_by
from npcbam.diagnosis.jacobian import flat, pull, result_slices, usable
from npcbam.diagnosis.values import factors_at_hand
from npcbam.diagnosis.wrong import Wrong

# Subsets of so many rows are tried one by one.
ROWS = 10
# And single ones of so many.
INDICES = 64
# A dy that is solved for is off by its errors, many times over: by less tells nothing.
SURE = 100


def of_another_dy(w: Wrong) -> Iterator[Guess]:
    """Yield what the right backward gives for a dy that is taken otherwise."""
    if not usable(w):
        return
    d, slices = flat(w), result_slices(w)
    for name, dy in w.dy.items():
        for other, (code, tail), key in _others(w, name, np.asarray(dy, dtype=float)):
            taken = d.copy()
            taken[slices[name]] = other.reshape(-1)
            yield Guess(code, tail, pull(w, taken), f"d{name} {key}")


def _others(w: Wrong, name: str, dy: Array) -> Iterator[tuple[Array, Said, str]]:
    for other, (_, tail), key in order.orders(dy):
        yield other, ("cotangent-order", f"is right for a d{name} that {tail}"), key
    yield from _one_for_all(name, dy)
    yield from _masked(w, name, dy)
    yield from _some_rows(name, dy)
    for said, a in factors_at_hand(replace(w, want=dy)):
        out = spread(a, dy.shape)
        if out is not None and not said.startswith(f"|d{name}"):
            tail = f"has the factor {said} on d{name} once too often"
            yield dy * out, ("factor-twice", tail), f"times {said}"
            if out.all():
                tail = f"lacks the factor {said} on d{name}"
                yield dy / out, ("factor-missing", tail), f"over {said}"


def _one_for_all(name: str, dy: Array) -> Iterator[tuple[Array, Said, str]]:
    """Yield one row of dy, or its mean or sum, in place of all."""
    for axis in range(dy.ndim):
        if dy.shape[axis] < 2:
            continue
        along = f" along axis {axis}" if dy.ndim > 1 else ""
        for which, word in ((0, "first"), (-1, "last")):
            one = np.broadcast_to(np.take(dy, [which], axis), dy.shape)
            tail = f"takes the {word} d{name}{along} for all"
            yield one, ("one-for-all", tail), f"{word} {axis}"
        mean = np.broadcast_to(dy.mean(axis, keepdims=True), dy.shape)
        yield mean, ("one-for-all", f"takes the mean of d{name}{along} for all"), f"mean {axis}"
        total = np.broadcast_to(dy.sum(axis, keepdims=True), dy.shape)
        yield total, ("one-for-all", f"takes the sum of d{name}{along} for all"), f"sum {axis}"
        rest = dy - mean
        tail = f"is right for d{name} less its mean{along}"
        yield rest, ("mean-taken-out", tail), f"less mean {axis}"
        from_end = np.flip(np.cumsum(np.flip(dy, axis), axis), axis)
        for said, run in (
            ("sums from the front", np.cumsum(dy, axis)),
            ("sums from the end", from_end),
        ):
            tail = f"is right for the running {said} of d{name}{along}"
            yield run, ("running-sum", tail), f"{said} {axis}"
    if dy.ndim > 1:
        for which, word in ((0, "first"), (-1, "last")):
            one = np.full(dy.shape, dy.reshape(-1)[which])
            tail = f"takes the {word} number of d{name} for all"
            yield one, ("one-for-all", tail), f"{word} of all"
        for at, axis in itertools.permutations(range(dy.ndim), 2):
            if dy.shape[at] == dy.shape[axis]:
                diagonal = np.einsum("ii->i", dy) if dy.ndim == 2 else None
                if diagonal is not None:
                    tail = f"takes the diagonal of d{name} along axis {axis} for all"
                    full = np.broadcast_to(np.expand_dims(diagonal, at), dy.shape)
                    yield full, ("one-for-all", tail), f"diagonal {axis}"


def _masked(w: Wrong, name: str, dy: Array) -> Iterator[tuple[Array, Said, str]]:
    for said, a in at_hand(w).items():
        out = spread(a, dy.shape)
        if out is None:
            continue
        for sign, mask in ((">", out > 0), ("<", out < 0)):
            if 1 < mask.sum() < mask.size - 1:
                tail = f"passes d{name} only where {said} {sign} 0"
                yield dy * mask, ("cotangent-masked", tail), f"{said} {sign} 0"


def one_row(w: Wrong) -> Iterator[Guess]:
    """Yield what comes of one index of dy along an axis, without the others."""
    if not usable(w):
        return
    d, slices = flat(w), result_slices(w)
    for name, dy in w.dy.items():
        for axis, size in enumerate(dy.shape):
            for kept in range(size) if 1 < size <= INDICES else ():
                alone = np.zeros(dy.shape)
                at = (slice(None),) * axis + ([kept],)
                alone[at] = dy[at]
                taken = d.copy()
                taken[slices[name]] = alone.reshape(-1)
                along = f" along axis {axis}" if dy.ndim > 1 else ""
                tail = f"uses d{name} at index {kept}{along} alone, not the others"
                yield Guess("rows-left-out", tail, pull(w, taken), f"d{name} {axis} {kept}")


def _some_rows(name: str, dy: Array) -> Iterator[tuple[Array, Said, str]]:
    """Yield dy with some of its rows along an axis alone, the fewest lost first."""
    for axis in range(dy.ndim):
        size = dy.shape[axis]
        along = f" along axis {axis}" if dy.ndim > 1 else ""
        if not 2 <= size <= ROWS:
            continue
        # The more ways there are, the more entries must vouch for one of them.
        most = size - 2 if dy.size > size or size <= 4 else 1
        for many in range(1, most + 1):
            for lost in itertools.combinations(range(size), many):
                rest = dy.copy()
                rest[(slice(None),) * axis + (list(lost),)] = 0
                yield rest, ("rows-left-out", _left_out(name, lost, along)), f"{axis} {lost}"


def _left_out(name: str, lost: Sequence[int], along: str) -> str:
    word = "index" if len(lost) == 1 else "indices"
    return f"leaves out d{name} at {word} {joined([str(i) for i in lost])}{along}"


def read_elsewhere(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether entries that each take one number of dy take another one."""
    first = seen[0]
    if any(len(w.dy) != 1 or not usable(w) or not w.known.all() for w in seen):
        return None
    j = first.slopes
    assert j is not None
    if not ((j != 0).sum(0) == 1).all() or not all(_has(w, j) for w in seen):
        return None
    due, came = (j != 0).argmax(0), _taken(seen, j.sum(0))
    if came is None or np.array_equal(due, came):
        return None
    (name, dy), *_ = first.dy.items()
    if first.want.size > 2 and (np.diff(came) == 1).all():
        tail = f"reads d{name} as if it lay in memory one number after the other from "
        return "memory-order", tail + f"d{name}{_at(int(came[0]), dy.shape)} on"
    moved = np.flatnonzero(due != came)
    said = [
        f"{first.name}{_at(int(k), first.want.shape)} takes d{name}{_at(int(came[k]), dy.shape)}, "
        f"not d{name}{_at(int(due[k]), dy.shape)}"
        for k in moved[:2]
    ]
    more = f", and so on in {len(moved)} entries" if len(moved) > 2 else ""
    return "cotangent-order", f"takes d{name} from the wrong places: {'; '.join(said)}{more}"


def _has(w: Wrong, jacobian: Array) -> bool:
    return w.slopes is not None and np.array_equal(w.slopes, jacobian)


def _taken(seen: Sequence[Wrong], slopes: Array) -> Array | None:
    """Return which number of dy each entry takes; None if not each takes one."""
    hit = np.ones((len(slopes), flat(seen[0]).size), dtype=bool)
    for w in seen:
        parts = slopes[:, None] * flat(w)[None, :]
        hit &= np.abs(parts - w.got.reshape(-1)[:, None]) <= 1e-9 * np.abs(parts).max(1)[:, None]
    return hit.argmax(1) if (hit.sum(1) == 1).all() else None


def _at(k: int, shape: tuple[int, ...]) -> str:
    return str([int(i) for i in np.unravel_index(k, shape)])


def as_if(seen: Sequence[Wrong]) -> Said | None:
    """Explain the one dy for which the right backward gives what came, if there is one."""
    if any(len(w.dy) != 1 or not usable(w) or not np.isfinite(w.got).all() for w in seen):
        return None
    taken = [_solved(w) for w in seen]
    found = [w for w in taken if w is not None]
    if len(found) < len(seen) or not any((w.off > SURE * w.limit).any() for w in found):
        return None
    for explain in AS_IF:
        said = explain(found)
        if said is not None:
            tail = said[1].replace("what it should be", "itself")
            return f"cotangent-{said[0]}", f"is right for a {found[0].name} that {tail}"
    return None


AS_IF: tuple[Explanation, ...] = (
    factors.multiple,
    explained_by(order.reordered),
    explained_by(values.clipped),
    partly.partly,
)


def _solved(w: Wrong) -> Wrong | None:
    """Return the dy of which the right backward makes what came, beside dy."""
    j = w.slopes
    assert j is not None
    if not np.isfinite(j).all() or j.shape[0] > min(j.shape[1], 200):
        return None
    d, _, rank, values = np.linalg.lstsq(j.T, w.got.reshape(-1), rcond=None)
    if rank < j.shape[0] or values[-1] < 1e-6 * values[0] or not w.fits(pull(w, d)):
        return None
    (name, dy), *_ = w.dy.items()
    most = max(float(w.limit.max(initial=0)), 1e-14 * w.scale)
    allowed = 10 * most * np.sqrt(w.want.size) / values[-1]
    return Wrong(f"d{name}", d.reshape(dy.shape), dy, allowed, arguments=w.arguments, y=w.y)
