"""Right numbers times a factor, and where the factor comes from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.arrays import at_hand, lengths
from npcbam.diagnosis.guesses import Said
from npcbam.diagnosis.wrong import Wrong

# Two float64 computations of one gradient agree to more digits than this.
SAME = 1e-9
# Times the error allowed, what a factor next to 1 has to be off by.
SURE = 30


def times(factor: float) -> str:
    """Say how many times, to the first digit that is not 1's.

    >>> times(0.5), times(1 + 1e-8)
    ('0.5 times', '(1 + 1e-08) times')
    """
    if abs(factor - 1) >= 1e-4:
        return f"{factor:.6g} times"
    return f"(1 {'+' if factor > 1 else '-'} {abs(factor - 1):.2g}) times"


def ratio_of(got: Array, want: Array, room: Array | float) -> float:
    """Return how many times `want` is most nearly in `got`; NaN where nothing tells.

    Every entry counts as much as it is sure.
    """
    room = np.broadcast_to(np.asarray(room, dtype=float), want.shape)
    most = float(room[np.isfinite(room)].max(initial=0)) or 1.0
    weight = 1 / np.square(np.maximum(room, 1e-3 * most))
    total = float((weight * np.square(want)).sum())
    return float((weight * got * want).sum()) / total if total > 0 else math.nan


def multiple_of(got: Array, want: Array, room: Array | float) -> float | None:
    """Return how many times `want` is in `got`; None if it is no multiple."""
    ratio = ratio_of(got, want, room)
    fits = np.isfinite(ratio) and Wrong("", got, want, room).fits(ratio * want, ratio)
    return ratio if fits else None


def multiple(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether the array is a multiple of what it should be."""
    factors = factors_of(seen)
    if factors is None:
        return None
    # So near to 1 a constant factor has to show well above rounding: else it is a matter of digits.
    sure = any((w.off > SURE * w.limit).any() for w in seen)
    if not sure and all(abs(f - 1) < 1e-4 for f in factors):
        return None
    # Of a single number anything is a multiple.
    common = max(factors) - min(factors) <= 1e-6 * max(map(abs, factors))
    alone = not (_vouched(seen) if common else any(_telling(w) > 1 for w in seen))
    doubt = max(doubt_of(w, w.known & (w.want != 0)) for w in seen)
    said = named(seen, factors, alone, doubt=doubt)
    if said is None:
        return None
    if said == "-1":
        return "sign", "has the wrong sign"
    return "factor", f"is {said}"


def factors_of(seen: Sequence[Wrong], entries: Sequence[Array] | None = None) -> list[float] | None:
    """Return the factor at each place, among the entries that are looked at; None if it is none."""
    factors = []
    for i, w in enumerate(seen):
        at = w.known if entries is None else w.known & entries[i]
        if not at.any() or not np.isfinite(w.got[at]).all():
            return None
        factor = ratio_of(w.got[at], w.want[at], w.limit[at])
        made = np.where(at, factor * w.want, np.nan)
        if not factor or not np.isfinite(factor) or not w.fits(made, factor, among=at):
            return None
        factors.append(factor)
    return factors


def named(
    seen: Sequence[Wrong],
    factors: Sequence[float],
    alone: bool = False,
    sources: bool = True,
    doubt: float = 0.0,
) -> str | None:
    """Put factors, one a place, into words that begin with how many times.

    `alone` wants a number that is plain or has a name, as nothing else vouches for the factor;
    without `sources` no length of an axis is looked for. `doubt` is how far rounding may take a
    factor, as a share of it.
    """

    def near(a: float, b: float) -> bool:
        return _near(a, b) or math.isclose(a, b, rel_tol=doubt)

    first = factors[0]
    common = all(near(f, first) for f in factors)
    if common and near(first, -1):
        return "-1"
    found = _sources(seen) if sources else iter(())
    fits = [said for said, values in found if all(map(near, factors, values))]
    if common:
        much = f"{times(first)} what it should be"
        if fits and not _plain(first):
            return f"{much} ({_or(fits)})"
        if alone and not fits and not _small_fraction(first, doubt):
            return None
        return much
    if fits:
        return f"{fits[0]} times what it should be"
    return None if alone else _different(seen, factors)


def _or(fits: Sequence[str]) -> str:
    """Name one source, and a second of the same number."""
    head, _, tail = fits[0].partition(", the ")
    _, _, other = fits[1].partition(", the ") if len(fits) > 1 else ("", "", "")
    if tail and other and fits[1].startswith(head):
        return f"{fits[0]} or {other.removeprefix('length of ')}"
    return fits[0] if " for N" in fits[0] else f"that is {fits[0]}"


def _different(seen: Sequence[Wrong], factors: Sequence[float]) -> str:
    numbers = ", ".join(f"{f:.4g}" for f in factors[:4])
    return f"a multiple of what it should be, by another factor each time: {numbers}"


def _vouched(seen: Sequence[Wrong]) -> bool:
    """Tell whether a common factor is more than the ratio of two numbers."""
    telling = [_telling(w) for w in seen]
    dys = [sum(dy.size for dy in w.dy.values()) for w, n in zip(seen, telling, strict=True) if n]
    return max(telling, default=0) > 1 or (len(dys) > 1 and min(dys) > 1)


def _telling(w: Wrong) -> int:
    """Count the right entries that are not 0."""
    return int((np.abs(w.want[w.known]) > w.limit[w.known]).sum())


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=SAME) or abs(a - b) <= 1e-6 * min(abs(a - 1), abs(b - 1))


def _plain(factor: float) -> bool:
    """Tell whether a factor needs no source: it may be the length of many axes by chance."""
    return any(_near(abs(factor), plain) for plain in (1, 2, 0.5))


def _small_fraction(factor: float, doubt: float = 0.0) -> bool:
    for power in (1, 2):
        size = abs(factor) ** power
        ratio = Fraction(size).limit_denominator(32)
        near = _near(size, float(ratio)) or math.isclose(size, float(ratio), rel_tol=2 * doubt)
        if ratio and ratio.numerator <= 32 and near:
            return True
    return False


def doubt_of(w: Wrong, at: Array) -> float:
    """Return how far rounding may take a factor that some entries have in common, as a share."""
    size = np.abs(np.where(at, w.want, 0.0))
    return float(min((w.limit[at] / size[at]).min(initial=1.0), 1e-3)) if size.any() else 0.0


def _sources(seen: Sequence[Wrong]) -> Iterator[tuple[str, list[float]]]:
    """Yield what a factor may be, with its value at each place."""
    found = [lengths(w) for w in seen]
    named_sizes = seen[0].sizes is not None
    names = [n for n in found[0] if all(n in f for f in found)]
    several = range(1, 5) if named_sizes else range(1, 2)
    for many in several:
        for chosen in itertools.combinations(names, many):
            values = [float(math.prod(f[n] for n in chosen)) for f in found]
            yield from _of_a_size("·".join(chosen), values, named_sizes, many)
    yield from _of_numbers(seen)


def _of_a_size(
    name: str, values: list[float], named_size: bool, many: int
) -> Iterator[tuple[str, list[float]]]:
    if any(v < 1 for v in values):
        return
    if named_size:
        yield name, values
        yield (f"1/({name})" if many > 1 else f"1/{name}"), [1 / v for v in values]
        return
    n = f"for N = {int(values[0])}, {name}"
    yield f"N {n}", values
    yield f"1/N {n}", [1 / v for v in values]
    yield f"√N {n}", [math.sqrt(v) for v in values]
    yield f"1/√N {n}", [1 / math.sqrt(v) for v in values]
    if all(v > 2 for v in values) and name.startswith("the length"):
        yield f"1/(N - 1) {n}", [1 / (v - 1) for v in values]
        yield f"N/(N - 1) {n}", [v / (v - 1) for v in values]


def _of_numbers(seen: Sequence[Wrong]) -> Iterator[tuple[str, list[float]]]:
    """Yield the arrays of one number that may be a factor too many, or lacking."""
    hand = [at_hand(w) for w in seen]
    for name in hand[0]:
        if all(name in h and h[name].size == 1 for h in hand):
            values = [float(h[name].reshape(-1)[0]) for h in hand]
            if all(values):
                yield name, values
                yield f"1/{name}", [1 / v for v in values]
                yield f"1/{name}²", [v**-2 for v in values]
    for name in hand[0]:
        if all(name in h and h[name].size > 1 for h in hand):
            for said, f in STATISTICS:
                values = [f(h[name]) for h in hand]
                if all(np.isfinite(values)) and all(values):
                    yield f"{said} of {name}", values
                    yield f"one over {said} of {name}", [1 / v for v in values]


STATISTICS: tuple[tuple[str, Callable[[Array], float]], ...] = (
    ("the sum", lambda a: float(a.sum())),
    ("the mean", lambda a: float(a.mean())),
    ("the largest", lambda a: float(a.max())),
    ("the norm", lambda a: float(np.sqrt(np.square(a).sum()))),
    ("the sum of squares", lambda a: float(np.square(a).sum())),
)
