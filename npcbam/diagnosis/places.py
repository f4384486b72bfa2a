"""Where wrong entries lie: on rows, where x < 0, at its zeros, in a few entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.checks import Array
from npcbam.diagnosis import factors
from npcbam.diagnosis.arrays import at_hand, joined, spread
from npcbam.diagnosis.guesses import Guess, Said, worst_first
from npcbam.diagnosis.values import plain_values, products
from npcbam.diagnosis.wrong import Wrong

# A place is believed if one choice of as many entries in so many would have met it by chance.
CHANCE, OWN_CHANCE = 200, 5
FEW = 3
# Larger arrays are not held against every product of two.
FACTORS = 100_000


@dataclass(frozen=True, eq=False)
class Place:
    """A part of an array: its key in words, and where it is; None where it cannot be told.

    `chance` is what the number of choices must exceed for the place to be more than a coincidence.
    """

    said: str
    where: Callable[[Wrong], Array | None]
    chance: float = 0.0


def partly(seen: Sequence[Wrong]) -> Said | None:
    """Explain the wrong entries alone, by what they are and where they lie."""
    if any(w.got.shape != w.want.shape for w in seen) or not any(
        (w.known & ~w.wrong).any() for w in seen
    ):
        return None
    first = worst_first(seen)[0]
    for guess in plain_values(first):
        if not first.fits(guess.made, among=first.wrong):
            continue
        made = [next((g for g in plain_values(w) if g.same(guess)), None) for w in seen]
        if all(g is not None for g in made):
            found = [g.made for g in made if g is not None]
            if all(_fits_wrong(w, m) for w, m in zip(seen, found, strict=True)):
                return _said(seen, guess, found)
    return _by_factor(seen) or _by_constant(seen) or _by_product(seen, first)


def _by_constant(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether the wrong entries are all off by the same number."""
    made, numbers = [], []
    for w in seen:
        if w.wrong.any() and (w.wrong.sum() < 2 or not np.isfinite(w.got).all()):
            return None
        number = float(np.median((w.got - w.want)[w.wrong])) if w.wrong.any() else 0.0
        numbers.append(number)
        made.append(w.want + number)
    if not all(map(_fits_wrong, seen, made)):
        return None
    where = describe(seen, made)
    if where is None:
        return None
    said = f"is off by {numbers[0]:.6g} {where}{_one_a_row(seen)}, and right elsewhere"
    return "added-partly", said


def _one_a_row(seen: Sequence[Wrong]) -> str:
    """Tell whether one entry of each row is wrong, as where a one-hot is missing."""
    for axis in range(seen[0].want.ndim):
        if seen[0].want.ndim > 1 and all((w.wrong.sum(axis) == 1).all() for w in seen):
            return f", one in each row along axis {axis}"
    return ""


def _by_product(seen: Sequence[Wrong], first: Wrong) -> Said | None:
    """Tell whether the wrong entries have a factor too many, or lack one."""
    if first.want.size > FACTORS:
        return None
    for guess in products(first):
        if not first.fits(guess.made, guess.grown, among=first.wrong):
            continue
        made = [next((g for g in products(w) if g.same(guess)), None) for w in seen]
        found = [g.made for g in made if g is not None]
        if len(found) == len(seen) and all(map(_fits_wrong, seen, found)):
            where = describe(seen, found)
            said = f"{guess.tail} {where}, and is right elsewhere"
            return (guess.code, said) if where else None
    return None


def _fits_wrong(w: Wrong, made: Array) -> bool:
    return not w.wrong.any() or w.fits(made, among=w.wrong)


def _said(seen: Sequence[Wrong], guess: Guess, made: Sequence[Array]) -> Said | None:
    where = describe(seen, made)
    if guess.code == "zero":
        if where is None:
            return None
        kind = _kind_of(where)
        verb = "is missing (zero)" if kind == "rows" else "is zero"
        return f"zero-{kind}", f"{verb} {where}, and should not be"
    if where is None:
        return None
    if guess.tail[1:] in seen[0].y and " = " in where and not where.endswith(" = 0"):
        return "ties", f"gets the whole of {guess.tail} at ties, {where}, and is right elsewhere"
    due = " and should be zero there" if _all_zero(seen) else ""
    return f"{guess.code}-partly", f"is {guess.tail} {where}{due}, and right elsewhere"


def _all_zero(seen: Sequence[Wrong]) -> bool:
    return all(not w.want[w.wrong].any() for w in seen)


def _kind_of(where: str) -> str:
    return "where" if where.startswith("where") else "rows" if "along" in where else "entries"


def _by_factor(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether the wrong entries are off by one factor."""
    wrong = [w for w in seen if w.wrong.any()]
    found = factors.factors_of(wrong, [w.wrong for w in wrong])
    if found is None:
        return None
    alone = all(int(w.wrong.sum()) < 2 for w in wrong)
    if not alone and not math.isclose(min(found), max(found), rel_tol=1e-5):
        return None
    doubt = max(factors.doubt_of(w, w.wrong & (w.want != 0)) for w in wrong)
    words = factors.named(wrong, found, alone, sources=False, doubt=doubt)
    if words is None:
        return None
    made = [found[0] * w.want for w in seen]
    where = describe(seen, made) or f"at {_count(wrong[0])}"
    words = "the negative of what it should be" if words == "-1" else words
    return "factor-partly", f"is {words} {where}, and right elsewhere"


def _count(w: Wrong) -> str:
    return f"{int(w.wrong.sum())} of its {int(w.known.sum())} entries"


def describe(seen: Sequence[Wrong], made: Sequence[Array]) -> str | None:
    """Return in words where the entries are those of `made`, in all that is seen."""
    best: str | None = None
    for place in [*_masks(seen[0]), *_rows(seen), *_beyond(seen), *_entries(seen)]:
        if all(_holds(place, w, m) for w, m in zip(seen, made, strict=True)):
            best = place.said
            break
    return best


def _holds(place: Place, w: Wrong, made: Array) -> bool:
    where = place.where(w)
    if where is None:
        return False
    # Where the mistake would change nothing, the place tells nothing.
    telling = w.known & (np.abs(made - w.want) > w.limit)
    inside, outside = int((telling & where).sum()), int((telling & ~where).sum())
    if not w.wrong.any():
        return not inside
    few = min(inside, outside)
    if not inside or (few < 8 and math.comb(inside + outside, few) < place.chance):
        return False
    if place.chance and not outside:
        return False
    return w.fits(np.where(where, made, w.want), 2.0)


def _masks(w: Wrong) -> Iterator[Place]:
    """Yield places that signs and equal numbers make."""
    hand = at_hand(w)
    own = w.name[1:] if w.argument is not None else ""
    # The argument itself, the others, results, cotangents.
    names = sorted(hand, key=lambda n: (n != own, n in w.y, n[1:] in w.y))
    for name in names:
        yield Place(f"where {name} = 0", _mask(name, lambda a: a == 0))
    for name in names:
        chance = OWN_CHANCE if name == own else CHANCE
        yield Place(f"where {name} < 0", _mask(name, lambda a: a < 0), chance)
        yield Place(f"where {name} > 0", _mask(name, lambda a: a > 0), chance)
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            if hand[one].shape == hand[two].shape and two[1:] not in w.y:
                a, b = sorted((one, two))
                yield Place(f"where {a} = {b}", _compared(a, b, np.equal))
                yield Place(f"where {a} < {b}", _compared(a, b, np.less), CHANCE)
                yield Place(f"where {a} > {b}", _compared(a, b, np.greater), CHANCE)
    yield Place("where it should be zero", lambda w: w.known & (w.want == 0), OWN_CHANCE)


def _mask(name: str, test: Callable[[Array], Array]) -> Callable[[Wrong], Array | None]:
    def where(w: Wrong) -> Array | None:
        a = at_hand(w).get(name)
        return None if a is None else spread(test(a), w.want.shape)

    return where


def _compared(
    one: str, two: str, test: Callable[[Array, Array], Array]
) -> Callable[[Wrong], Array | None]:
    def where(w: Wrong) -> Array | None:
        hand = at_hand(w)
        if one not in hand or two not in hand:
            return None
        return spread(test(hand[one], hand[two]), w.want.shape)

    return where


def _rows(seen: Sequence[Wrong]) -> Iterator[Place]:
    """Yield the indices along one axis among which all wrong entries lie, the fewest first."""
    ndim = seen[0].want.ndim
    if any(w.want.ndim != ndim for w in seen):
        return
    found = []
    for axis in range(ndim):
        size = min(w.want.shape[axis] for w in seen)
        wrong = set[int]()
        for w in seen:
            rest = tuple(i for i in range(ndim) if i != axis)
            wrong |= set(np.flatnonzero(w.wrong.any(axis=rest)).tolist())
        if 0 < len(wrong) < size and (ndim > 1 or len(wrong) <= FEW):
            found.append((len(wrong) / size, axis, sorted(wrong), size))
    for _, axis, rows, size in sorted(found):
        yield Place(_row_words(rows, axis, size, ndim), _row_mask(axis, rows))


def _row_words(wrong: Sequence[int], axis: int, size: int, ndim: int) -> str:
    along = f" along axis {axis}" if ndim > 1 else ""
    if list(wrong) == [size - 1] and size > 2:
        return f"at the last index ({wrong[0]}){along}"
    if len(wrong) > 4:
        for start in (0, 1):
            if list(wrong) == list(range(start, size, 2)):
                return f"at every {'second' if start else 'other'} index from {start} on{along}"
        if list(wrong) == list(range(wrong[0], wrong[-1] + 1)):
            return f"at the indices {wrong[0]} to {wrong[-1]}{along}"
        return f"at {len(wrong)} of the {size} indices{along}"
    word = "index" if len(wrong) == 1 else "indices"
    return f"at {word} {joined([str(i) for i in wrong])}{along}"


def _row_mask(axis: int, indices: Sequence[int]) -> Callable[[Wrong], Array | None]:
    def where(w: Wrong) -> Array | None:
        if max(indices) >= w.want.shape[axis]:
            return None
        mask = np.zeros(w.want.shape, dtype=bool)
        mask[(slice(None),) * axis + (list(indices),)] = True
        return mask

    return where


def _beyond(seen: Sequence[Wrong]) -> Iterator[Place]:
    """Yield where something is beyond a number: the small entries, those of a large argument."""

    def sized(w: Wrong) -> dict[str, Array]:
        own = {} if w.argument is None else {w.name[1:]: np.asarray(w.argument)}
        found = {"it": np.abs(w.want), **own, **{f"|{n}|": np.abs(a) for n, a in own.items()}}
        dy = {f"|d{n}|": np.abs(dy) for n, dy in w.dy.items() if dy.shape == w.want.shape}
        return found | dy

    for name in sized(seen[0]):
        pairs = [(sized(w).get(name), w.wrong, w.known) for w in seen]
        if any(a is None or a.shape != wrong.shape for a, wrong, _ in pairs):
            continue
        bad = np.concatenate([a[wrong] for a, wrong, _ in pairs if a is not None])
        good = np.concatenate([a[known & ~wrong] for a, wrong, known in pairs if a is not None])
        if min(bad.size, good.size) < FEW:
            continue
        if bad.max() < good.min():
            number = (bad.max() + good.min()) / 2
            said = f"where {name} is small, below" if name[0] in "i|" else f"where {name} <"
            yield Place(f"{said} {number:.2g}", _side(sized, name, number, -1), CHANCE)
        elif bad.min() > good.max():
            number = (bad.min() + good.max()) / 2
            yield Place(f"where {name} > {number:.2g}", _side(sized, name, number, 1), CHANCE)


def _side(
    sized: Callable[[Wrong], dict[str, Array]], name: str, number: float, sign: int
) -> Callable[[Wrong], Array | None]:
    def where(w: Wrong) -> Array | None:
        return np.asarray(sign * (sized(w)[name] - number) > 0)

    return where


def _entries(seen: Sequence[Wrong]) -> Iterator[Place]:
    """Yield a few entries, or how many they are."""
    shape = seen[0].want.shape
    if any(w.want.shape != shape for w in seen):
        return
    wrong = np.any([w.wrong for w in seen], axis=0)
    at = np.argwhere(wrong)
    if len(at) <= FEW:
        said = joined([str([int(i) for i in index]) for index in at])
        yield Place(f"at {said}", lambda w: wrong)
    count = f"at {len(at)} of its {int(seen[0].known.sum())} entries"
    yield Place(count, lambda w: w.wrong)


def not_finite(seen: Sequence[Wrong]) -> Said | None:
    """Tell where entries are NaN or infinite that should be finite."""
    bad = [w for w in seen if (~np.isfinite(w.got)).any()]
    if not bad:
        return None
    shape = bad[0].want.shape
    if any(w.got.shape != w.want.shape for w in bad) or any(w.want.shape != shape for w in bad):
        return "not-finite", "has NaN or infinite entries"
    kinds = [word for word, test in (("NaN", np.isnan), ("infinite", np.isinf))
             if any(test(w.got).any() for w in bad)]  # fmt: skip
    what, masks = " or ".join(kinds), [~np.isfinite(w.got) for w in bad]
    for place in _masks(bad[0]):
        found = [place.where(w) for w in bad]
        if all(f is not None and np.array_equal(f, m) for f, m in zip(found, masks, strict=True)):
            inside, size = int(masks[0].sum()), masks[0].size
            if inside < size and math.comb(size, inside) >= place.chance:
                return "not-finite", f"is {what} {place.said}"
    if all(m.all() for m in masks):
        own = bad[0].argument
        zero = own is not None and not own.any()
        at = f", where {bad[0].name[1:]} is all zeros" if zero else ""
        return "not-finite", f"is {what} everywhere{at}"
    like = [Wrong(w.name, np.where(m, np.nan, 0.0), np.zeros(shape), 0.0)
            for w, m in zip(bad, masks, strict=True)]  # fmt: skip
    for place in [*_rows(like), *_entries(like)]:
        found = [place.where(w) for w in like]
        if all(f is not None and np.array_equal(f, m) for f, m in zip(found, masks, strict=True)):
            return "not-finite", f"is {what} {place.said}"
    some = next(_entries(like)).said
    return "not-finite", f"is {what} {some}"
