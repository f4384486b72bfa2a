"""Parts of an array that hold what another should, or are off by a factor of their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.arrays import at_hand, joined
from npcbam.diagnosis.guesses import Said, worst_first
from npcbam.diagnosis.wrong import Wrong

# Equal parts into which an axis is cut: gates of a recurrent net, halves of a rotary embedding.
PARTS = (2, 3, 4, 6, 8)
# Tied entries that are looked at.
TIED = 200


def copied(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether parts along an axis hold what another part should, perhaps times -1."""
    first = worst_first(seen)[0]
    if any(w.got.shape != first.want.shape or not np.isfinite(w.got).all() for w in seen):
        return None
    for axis, parts in _cuts(first.want.shape):
        sources = [_source(seen, axis, parts, i) for i in range(parts)]
        found = [s for s in sources if s is not None]
        if len(found) == parts and any(s != (i, 1) for i, s in enumerate(found)):
            said = _copies(first, axis, parts, found)
            if said is not None:
                return said
    return None


def _cuts(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    for axis, size in enumerate(shape):
        several = int(np.prod(shape)) // size if size else 0
        for parts in sorted({*PARTS, size if size <= 8 else 2}):
            # Of single numbers one may equal another by chance, or by symmetry.
            if 1 < parts <= size and size % parts == 0 and (several > 1 or size > parts):
                yield axis, parts


def _source(seen: Sequence[Wrong], axis: int, parts: int, part: int) -> tuple[int, int] | None:
    """Return which part of the right array a part holds, and with which sign."""
    for sign in (1, -1):
        for other in sorted(range(parts), key=lambda i: i != part):
            if all(_is(w, axis, parts, part, other, sign) for w in seen):
                return other, sign
    return None


def _is(w: Wrong, axis: int, parts: int, part: int, other: int, sign: int) -> bool:
    got, want, limit, known = (np.split(a, parts, axis) for a in (w.got, w.want, w.limit, w.known))
    like = Wrong(w.name, got[part], want[part], limit[part])
    if other == part and sign == 1:
        return not like.wrong.any()
    if not known[other].all() or not want[other].any():
        return False
    return bool(like.wrong.any() and like.fits(sign * want[other], 2.0))


def _copies(w: Wrong, axis: int, parts: int, found: Sequence[tuple[int, int]]) -> Said | None:
    size = w.want.shape[axis] // parts
    along = f" along axis {axis}" if w.want.ndim > 1 else ""
    moved = [(i, *s) for i, s in enumerate(found) if s != (i, 1)]
    if all(i == other for i, other, _ in moved):
        at = joined([_span(i, size) for i, *_ in moved])
        return "sign-partly", f"has the wrong sign at {at}{along}, and is right elsewhere"
    said = [f"{_span(i, size)} hold{'s' if size == 1 else ''} "
            f"{'minus ' if sign < 0 else ''}what {_span(other, size)} should"
            for i, other, sign in moved]  # fmt: skip
    if len(said) > 4:
        return "copied", f"has parts that hold what others should{along}, the first: {said[0]}"
    return "copied", f"holds parts in the place of others{along}: {'; '.join(said)}"


def _span(part: int, size: int) -> str:
    return f"index {part}" if size == 1 else f"{part * size}:{part * size + size}"


def by_index(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether an array is off by a factor of its own for each index along an axis."""
    first = worst_first(seen)[0]
    shape = first.want.shape
    if first.want.ndim < 2 or any(w.got.shape != shape or w.want.shape != shape for w in seen):
        return None
    for many in range(1, first.want.ndim):
        for axes in itertools.combinations(first.axes, many):
            found = [_factors(w, axes) for w in seen]
            factors = [f for f in found if f is not None]
            if len(factors) == len(seen) and _same(factors, seen):
                return _by_index_said(seen, axes, factors)
    return None


def _factors(w: Wrong, axes: tuple[int, ...]) -> Array | None:
    """Return the factor at each index along some axes; NaN where all is 0."""
    rest = tuple(i for i in range(w.want.ndim) if i not in axes)
    at = w.known & np.isfinite(w.got)
    want, got = np.where(at, w.want, 0.0), np.where(at, w.got, 0.0)
    total = np.square(want).sum(rest, keepdims=True)
    factor = (got * want).sum(rest, keepdims=True) / np.where(total == 0, np.nan, total)
    # Each index needs two numbers that agree, and one index two factors.
    enough = (np.abs(want) > w.limit).sum(rest, keepdims=True) >= 2
    if not enough[total > 0].all() or not np.isfinite(w.got).all():
        return None
    made = np.where(np.isnan(factor), 0.0, factor) * w.want
    grown = np.where(np.isnan(factor), 1.0, factor)
    return factor if w.fits(made, grown) else None


def _same(factors: Sequence[Array], seen: Sequence[Wrong]) -> bool:
    """Tell whether the factors are those of the point, not of dy, as far as can be told."""
    wrong = [f for f, w in zip(factors, seen, strict=True) if w.wrong.any()]
    return all(np.allclose(f, wrong[0], 1e-6, equal_nan=True) for f in wrong) or len(seen) == 1


def _by_index_said(seen: Sequence[Wrong], axes: tuple[int, ...], factors: Sequence[Array]) -> Said:
    where = f"axis {axes[0]}" if len(axes) == 1 else f"axes {' and '.join(map(str, axes))}"
    values = factors[0].reshape(-1)
    shown = ", ".join(f"{f:.4g}" for f in values[:4]) + (", ..." if len(values) > 4 else "")
    tail = f"is off by a factor of its own for each index along {where}: {shown}"
    return "factor-by-index", tail


def along_another_axis(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether a factor of one axis is taken along another axis of the same length."""
    first = worst_first(seen)[0]
    shape = first.want.shape
    for name, a in at_hand(first).items():
        if a.ndim != 1 or a.size < 2 or not a.all():
            continue
        axes = [axis for axis, size in enumerate(shape) if size == a.size]
        for due, came in itertools.permutations(axes, 2):
            if all(_taken(w, name, due, came) for w in seen):
                tail = f"takes {name} along axis {came} in place of axis {due}"
                return "other-axis", tail
    return None


def _taken(w: Wrong, name: str, due: int, came: int) -> bool:
    a = np.asarray(at_hand(w)[name], dtype=float)
    made = w.want / _along(a, due, w.want.ndim) * _along(a, came, w.want.ndim)
    # What has not this factor at all may stay as it is.
    if w.fits(made, 4.0):
        return True
    if not w.wrong.any():
        return False
    near = w.known & ~w.wrong
    return w.fits(np.where(near, w.want, made), 4.0) and int(w.wrong.sum()) > 2


def _along(a: Array, axis: int, ndim: int) -> Array:
    return a.reshape([-1 if i == axis else 1 for i in range(ndim)])


def another_mask(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether an array is right but for zeros, which stand at other places."""
    zero = nonzero = agree = 0
    for w in seen:
        if w.got.shape != w.want.shape or not np.isfinite(w.got).all():
            return None
        lost = w.wrong & (w.got == 0)
        extra = w.wrong & (np.abs(w.want) <= w.limit)
        if (w.wrong & ~lost & ~extra).any():
            return None
        zero, nonzero = max(zero, int(lost.sum())), max(nonzero, int(extra.sum()))
        agree = max(agree, int((w.known & ~w.wrong & (w.got != 0)).sum()))
    if min(zero, nonzero) < 1 or agree < 3 or zero + nonzero < 3:
        return None
    tail = f"has zeros at other places: {zero} entries are zero that should not be, and {nonzero} "
    return "another-mask", tail + "are not that should; where neither is zero it is right"


def ties(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether entries that equal another each get what they should share."""
    for w in seen:
        x = w.argument
        if x is None or x.shape != w.want.shape or w.got.shape != w.want.shape:
            return None
        if not all(_shares(w, x, int(k)) for k in np.flatnonzero(w.wrong)[:TIED]):
            return None
    return "ties", f"gives every tied entry of {seen[0].name[1:]} the whole gradient"


def _shares(w: Wrong, x: Array, k: int) -> bool:
    """Tell whether an entry is tied, and got all that is shared or that another one got."""
    tied = np.flatnonzero((x == x.reshape(-1)[k]).reshape(-1))
    got, want = w.got.reshape(-1), w.want.reshape(-1)
    room = 1e-9 * np.abs(got[k]) + 2 * float(w.limit.reshape(-1)[k])
    if len(tied) < 2 or not np.isfinite(got[k]):
        return False
    if abs(want[k]) > room:
        ratio = float(got[k] / want[k])
        whole = round(ratio) if np.isfinite(ratio) else 0
        shared = int((np.abs(got[tied] - got[k]) <= room).sum())
        return 2 <= whole <= shared and abs(got[k] - whole * want[k]) <= room
    return bool((np.abs(want[tied] - got[k]) <= room).any()) and abs(got[k]) > room


def whole_multiples(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether each entry is a whole number of times what it should be."""
    lowest, highest, told = np.inf, -np.inf, 0
    for w in seen:
        at = w.known & (np.abs(w.want) > w.limit)
        ratio = np.where(at, w.got / np.where(at, w.want, 1), 1.0)
        whole = np.rint(ratio)
        if not np.isfinite(ratio).all() or whole.min() < 1 or whole.max() > 64:
            return None
        if not w.fits(np.where(at, whole * w.want, w.want), whole):
            return None
        told += int((whole[w.wrong] > 1).sum())
        lowest, highest = min(lowest, whole[at].min()), max(highest, whole[at].max())
    if told < 2:
        return None
    tail = f"is {lowest:.0f} to {highest:.0f} times what it should be, by entry: a whole number"
    return "counted-several", tail + ", as if entries were counted several times"
