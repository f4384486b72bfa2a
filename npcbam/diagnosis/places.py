"""Where wrong entries lie: on rows, where x < 0, at its zeros, in a few entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.arrays import at_hand, joined, spread
from npcbam.diagnosis.wrong import Wrong

# A place is believed if one choice of as many entries in so many would have met it by chance.
CHANCE, OWN_CHANCE = 200, 5
FEW = 3


@dataclass(frozen=True, eq=False)
class Place:
    """A part of an array: its key in words, and where it is; None where it cannot be told.

    `chance` is what the number of choices must exceed for the place to be more than a coincidence.
    """

    said: str
    where: Callable[[Wrong], Array | None]
    chance: float = 0.0


def describe(seen: Sequence[Wrong], made: Sequence[Array]) -> str | None:
    """Return in words where the entries are those of `made`, in all that is seen."""
    for place in [*by_value(seen[0]), *rows(seen), *_beyond(seen), *entries(seen)]:
        if all(_holds(place, w, m) for w, m in zip(seen, made, strict=True)):
            return place.said
    return None


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


def by_value(w: Wrong) -> Iterator[Place]:
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


def rows(seen: Sequence[Wrong]) -> Iterator[Place]:
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
        # Where a few entries are known, one wrong entry of a row tells nothing of the row.
        sure = all(w.known.all() for w in seen) or _count(seen) >= FEW * len(wrong)
        run = len(wrong) == max(wrong, default=0) - min(wrong, default=0) + 1
        few = (run or len(wrong) <= size // 2) if ndim > 1 else len(wrong) <= FEW
        if 0 < len(wrong) < size and few and sure:
            found.append((len(wrong) / size, axis, sorted(wrong), size))
    for _, axis, rows, size in sorted(found):
        yield Place(_row_words(rows, axis, size, ndim), _row_mask(axis, rows))


def _count(seen: Sequence[Wrong]) -> int:
    return max(int(w.wrong.sum()) for w in seen)


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


def entries(seen: Sequence[Wrong]) -> Iterator[Place]:
    """Yield a few entries, or how many they are."""
    shape = seen[0].want.shape
    if any(w.want.shape != shape for w in seen):
        return
    wrong = np.any([w.wrong for w in seen], axis=0)
    at = np.argwhere(wrong)
    if len(at) <= FEW:
        said = joined([str([int(i) for i in index]) for index in at])
        yield Place(f"at {said}", lambda w: wrong)
    known = int(seen[0].known.sum())
    which = f"its {known} entries" if known == wrong.size else f"the {known} entries looked at"
    count = f"at {len(at)} of {which}"
    yield Place(count, lambda w: w.wrong)
