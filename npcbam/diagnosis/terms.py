"""A term too many, lacking or wrong: a constant, a mean along an axis, a multiple of an array."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.arrays import at_hand, joined, spread
from npcbam.diagnosis.guesses import Said, worst_first
from npcbam.diagnosis.values import copies
from npcbam.diagnosis.wrong import Wrong

# So many entries more than there are numbers to choose must agree.
SPARE = 3
LARGEST = 50_000
# Larger arrays are not held against products of two.
PRODUCTS = 2000
# So many groups are looked at first.
GROUPS = 8


@dataclass(frozen=True)
class Term:
    """Arrays by name, and the axes along which the number that multiplies each is the same."""

    names: tuple[str, ...]
    axes: tuple[int, ...]


def off_by_one_term(seen: Sequence[Wrong]) -> Said | None:
    """Explain by how much an array is off, by multiples of one array that is at hand."""
    return _off_by(seen, _plain_terms)


def off_by_terms(seen: Sequence[Wrong]) -> Said | None:
    """Explain it by multiples of two, or of the product of two."""
    return _off_by(seen, _more_terms)


def _off_by(
    seen: Sequence[Wrong],
    terms: Callable[[Wrong, Sequence[dict[str, Array]]], Iterator[Term]],
) -> Said | None:
    if any(w.got.shape != w.want.shape or not np.isfinite(w.got).all() for w in seen):
        return None
    first = worst_first(seen)[0]
    if not first.axes or first.want.size > LARGEST:
        return None
    bases = [basis_of(w) for w in seen]
    for term in terms(first, bases):
        found = []
        for w, basis in zip(seen, bases, strict=True):
            fitted = _fit(w, basis, term)
            if fitted is None:
                break
            found.append(fitted)
        if len(found) == len(seen) and not _says_nothing(first, bases[seen.index(first)], term):
            return _said(seen, bases, term, found)
    return None


def basis_of(w: Wrong) -> dict[str, Array]:
    """Return the arrays of which a term may be a multiple."""
    shape = w.want.shape
    found = {"1": np.ones(shape)}
    found |= {n: np.asarray(a, dtype=float) for n, a in copies(w) if not n.startswith("-")}
    single = {
        n: out
        for n, a in at_hand(w).items()
        if a.size > 1 and (out := spread(np.asarray(a, dtype=float), shape)) is not None
    }
    found |= {n: a for n, a in single.items() if n not in found}
    # Of logarithms such as those of a softmax the derivative holds the exponentials.
    found |= {f"exp({n})": np.exp(a) for n, a in single.items() if n in w.y and (a <= 0).all()}
    pairs = itertools.combinations_with_replacement(single, 2)
    for one, two in pairs if w.want.size <= PRODUCTS else ():
        said = f"{one}²" if one == two else f"{one}·{two}"
        found[said] = single[one] * single[two]
    return found


def _names(bases: Sequence[dict[str, Array]]) -> tuple[list[str], list[str]]:
    """Return the names of all arrays, and of those that are no products."""
    names = [n for n in bases[0] if all(n in b for b in bases)]
    return names, [n for n in names if "·" not in n and "²" not in n]


def _groups(w: Wrong) -> list[tuple[int, ...]]:
    """Return the axes along which the number of a term may be the same: all, most, ..., one."""
    return [
        axes
        for many in reversed(range(1, w.want.ndim + 1))
        for axes in itertools.combinations(range(w.want.ndim), many)
        if many == w.want.ndim or all(w.want.shape[a] > 1 for a in axes)
    ]


def _plain_terms(w: Wrong, bases: Sequence[dict[str, Array]]) -> Iterator[Term]:
    for axes in _groups(w):
        for name in _names(bases)[1]:
            yield Term((name,), axes)


def _more_terms(w: Wrong, bases: Sequence[dict[str, Array]]) -> Iterator[Term]:
    names, plain = _names(bases)
    everywhere = tuple(range(w.want.ndim))
    for name in names:
        if name not in plain:
            yield Term((name,), everywhere)
    for axes in _groups(w):
        for name in plain[1:]:
            yield Term(("1", name), axes)
    for axes in _groups(w):
        for name in names:
            if name not in plain:
                for one in name.replace("²", "").split("·"):
                    if one in names:
                        yield Term((one, name), axes)


def _says_nothing(w: Wrong, basis: dict[str, Array], term: Term) -> bool:
    """Tell whether the right array is made of such terms itself, so that any multiple would be."""
    if not w.known.all():
        return True
    like = Wrong(w.name, w.want, np.zeros(w.want.shape), 1e-6 * w.scale)
    return _fit(like, basis, term) is not None


def _fit(w: Wrong, basis: dict[str, Array], term: Term) -> Array | None:
    """Return the numbers that multiply the arrays, (groups, arrays); None if they do not fit."""
    if not _may_fit(w, basis, term):
        return None
    rows = _grouped(w.got - w.want, term.axes)
    known = _grouped(w.known, term.axes).astype(bool)
    columns = np.stack([_grouped(basis[name], term.axes) for name in term.names], axis=-1)
    many, size, count = columns.shape
    # An entry where all the arrays are 0 vouches for nothing.
    told = (np.abs(columns) > 0).any(-1).sum(-1)
    if not known.all() or size <= count or np.maximum(told - count, 0).sum() < SPARE:
        return None
    if not w.wrong.any():
        return np.zeros((many, count))
    units = np.sqrt(np.square(columns).sum(1, keepdims=True))
    if not np.isfinite(columns).all() or not units.any():
        return None
    scaled = columns / np.where(units == 0, 1, units)
    gram = np.einsum("gkc,gkd->gcd", scaled, scaled)
    if count > 1 and (np.linalg.eigvalsh(gram)[:, 0] < 1e-8).any():
        return None
    numbers = np.einsum("gcd,gd->gc", np.linalg.pinv(gram), np.einsum("gkc,gk->gc", scaled, rows))
    numbers = numbers / np.where(units[:, 0] == 0, 1, units[:, 0])
    made = w.want + _ungrouped(np.einsum("gkc,gc->gk", columns, numbers), term.axes, w.want.shape)
    return numbers if w.fits(made, 2.0) else None


def _may_fit(w: Wrong, basis: dict[str, Array], term: Term) -> bool:
    """Tell of a few groups whether a term may fit: most are thrown out here."""
    rest = [i for i in range(w.want.ndim) if i not in term.axes]
    many = int(np.prod([w.want.shape[i] for i in rest]))
    if many <= 2 * GROUPS:
        return True
    at = np.unravel_index(
        np.linspace(0, many - 1, GROUPS).astype(int), [w.want.shape[i] for i in rest]
    )

    def some(a: Array) -> Array:
        found: Array = np.moveaxis(a, rest, range(len(rest)))[at]
        return found

    few = Wrong(w.name, some(w.got), some(w.want), some(w.limit))
    if not few.wrong.any():
        return True
    small = {name: some(basis[name]) for name in term.names}
    axes = tuple(range(1, few.want.ndim))
    return _fit(few, small, Term(term.names, axes)) is not None


def _grouped(a: Array, axes: tuple[int, ...]) -> Array:
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    size = int(np.prod([a.shape[i] for i in axes]))
    return a.transpose(rest + axes).reshape(-1, size)


def _ungrouped(a: Array, axes: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    order = tuple(i for i in range(len(shape)) if i not in axes) + axes
    return a.reshape([shape[i] for i in order]).transpose(np.argsort(order))


def _said(
    seen: Sequence[Wrong], bases: Sequence[dict[str, Array]], term: Term, found: Sequence[Array]
) -> Said:
    """Put a term into words."""
    whole = len(term.axes) == seen[0].want.ndim
    if term.names == ("1",):
        return _of_ones(seen, term, found, whole)
    if len(term.names) == 2:
        return _of_two(seen, term, found)
    name = term.names[0]
    if whole:
        return _of_one(seen, name, [float(f[0, 0]) for f in found])
    rows = f"in each row along {_axes(term.axes)}"
    side = _side(seen, bases, name, term.axes)
    return "projection", f"is off by a multiple of {name} {rows}: {side}"


def _of_ones(seen: Sequence[Wrong], term: Term, found: Sequence[Array], whole: bool) -> Said:
    if whole:
        numbers = [float(f[0, 0]) for f in found]
        if np.ptp(numbers) <= 1e-6 * max(map(abs, numbers)):
            return "added", f"is off by a constant: {numbers[0]:.6g} is added to every entry"
        said = "the same number is added to every entry, another one for another dy"
        return "mean-term", f"is off by a constant, {_lacks_mean(seen, term.axes) or said}"
    said = _lacks_mean(seen, term.axes)
    tail = f"is off by a term that is the same along {_axes(term.axes)}"
    return "mean-term", f"{tail}: {said}" if said else tail


def _lacks_mean(seen: Sequence[Wrong], axes: tuple[int, ...]) -> str:
    """Tell which of the two has no mean along some axes."""
    if all(_small(w, w.want.mean(axes)) for w in seen):
        return "its mean there should be 0"
    if all(_small(w, w.got.mean(axes)) for w in seen):
        return "its mean there is 0, and should not be"
    return ""


def _small(w: Wrong, a: Array) -> bool:
    return bool(np.abs(a).max(initial=0) <= 1e-9 * w.scale + float(w.limit.max(initial=0)))


def _of_one(seen: Sequence[Wrong], name: str, numbers: Sequence[float]) -> Said:
    used = [n for n, w in zip(numbers, seen, strict=True) if w.wrong.any()]
    first = used[0]
    if max(abs(n - first) for n in used) > 1e-6 * abs(first):
        said = ", ".join(f"{n:.4g}" for n in used[:3])
        return "added", f"is off by a multiple of {name}, another one each time: {said}"
    if abs(abs(first) - 1) < 1e-6:
        said = f"{name} is added to it" if first > 0 else f"the term {name} is missing"
        return ("added" if first > 0 else "term-missing"), f"is off by one term: {said}"
    much = "too much" if first > 0 else "too little"
    return "added", f"is off by one term: it holds {abs(first):.6g} times {name} {much}"


def _side(
    seen: Sequence[Wrong], bases: Sequence[dict[str, Array]], name: str, axes: tuple[int, ...]
) -> str:
    along = [_inner(w.want, b[name], axes) for w, b in zip(seen, bases, strict=True)]
    if all(_small(w, a) for w, a in zip(seen, along, strict=True)):
        return f"its part along {name} should be 0 (a projection is missing or wrong)"
    along = [_inner(w.got, b[name], axes) for w, b in zip(seen, bases, strict=True)]
    if all(_small(w, a) for w, a in zip(seen, along, strict=True)):
        return f"its part along {name} is 0, and should not be (a projection too many)"
    return f"the term along {name} (of a norm, a projection) is missing or wrong"


def _inner(a: Array, b: Array, axes: tuple[int, ...]) -> Array:
    norm = np.sqrt(np.square(b).sum(axes)) + 1e-300
    product: Array = (a * b).sum(axes) / norm
    return product


def _of_two(seen: Sequence[Wrong], term: Term, found: Sequence[Array]) -> Said:
    one, two = term.names
    rows = f"along {_axes(term.axes)}"
    if one == "1":
        said = f"is off by a constant and a multiple of {two} {rows}: "
        return "statistics", said + _statistics(seen, term.axes)
    numbers = np.concatenate([f for f, w in zip(found, seen, strict=True) if w.wrong.any()])
    if np.allclose(numbers[:, 0], -numbers[:, 1], 1e-6):
        factor = two.split("·")
        extra = next((n for n in factor if n != one), one).replace("²", "")
        return "term-factor", f"has a wrong factor in its term along {one}: {extra} is one too many"
    return "term", f"is off by multiples of {one} and {two} {rows}"


def _statistics(seen: Sequence[Wrong], axes: tuple[int, ...]) -> str:
    """Tell whether terms through mean and variance lack, or are too many."""
    if all(_follows_dy(w, w.want, axes) for w in seen):
        return "it has terms through the mean and variance, which here do not depend on it"
    if all(_small(w, w.want.mean(axes)) for w in seen):
        return "terms through the mean and variance are missing or wrong"
    return "terms such as those through a mean and a variance are missing or wrong"


def _follows_dy(w: Wrong, a: Array, axes: tuple[int, ...]) -> bool:
    """Tell whether an array is dy, up to a factor that is the same along some axes."""
    dy = next(iter(w.dy.values()), None)
    if dy is None or len(w.dy) != 1 or dy.shape != a.shape:
        return False
    factor = (a * dy).sum(axes, keepdims=True) / (dy * dy).sum(axes, keepdims=True)
    return bool(np.allclose(a, factor * dy, 1e-9, 1e-9 * w.scale))


def _axes(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {joined([str(a) for a in axes])}"
