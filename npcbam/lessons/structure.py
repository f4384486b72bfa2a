"""How a wrong array lies to the right one: a multiple of it, transposed, not summed, and so on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from npcbam.checks import Array
from npcbam.lessons.attempt import Attempt
from npcbam.oracle.slips import times

# Of the largest entry. Two float64 computations of one gradient, a few hundred operations deep,
# differ by 1e-13; a mistake on random inputs changes the first digits.
SAME = 1e-9
Said = tuple[str, str]


def close(got: Array, want: Array) -> bool:
    """Tell whether two arrays are the same but for rounding."""
    if got.shape != want.shape or not np.isfinite(got).all():
        return False
    finest = np.finfo(got.dtype).eps if got.dtype.kind == "f" else 0.0
    room = max(SAME, 64 * finest) * float(np.abs(want).max(initial=0))
    return bool((np.abs(got - want) <= room).all())


def relation(attempts: Sequence[Attempt], name: str, wants: Sequence[Array]) -> Said | None:
    """Return a code and what can be said of a result, at all points where it is wrong."""
    pairs = [
        (a, a.got[name], want)
        for a, want in zip(attempts, wants, strict=True)
        if not close(a.got[name], want)
    ]
    if not pairs:
        return None
    for code, sentence, holds in RELATIONS:
        if all(holds(got, want) for _, got, want in pairs):
            got, want = pairs[0][1:]
            return code, sentence.format(got=got.shape, want=want.shape)
    return _factor(pairs) or _elsewhere(pairs, name)


def _not_finite(got: Array, want: Array) -> bool:
    return not np.isfinite(got).all()


def _not_summed(got: Array, want: Array) -> bool:
    if got.ndim != want.ndim or not all(w in (1, g) for g, w in zip(got.shape, want.shape)):  # noqa: B905
        return False
    axes = tuple(i for i, g in enumerate(got.shape) if g != want.shape[i])
    return bool(axes) and close(got.sum(axis=axes, keepdims=True), want)


def _not_spread(got: Array, want: Array) -> bool:
    try:
        return got.shape != want.shape and close(np.broadcast_to(got, want.shape), want)
    except ValueError:
        return False


def _turned(got: Array, want: Array) -> bool:
    if got.ndim < 2:
        return False
    return close(got.swapaxes(-1, -2), want) and not close(got, want)


def _flipped(axes: Sequence[int]) -> Callable[[Array, Array], bool]:
    def holds(got: Array, want: Array) -> bool:
        return got.ndim >= 2 and close(np.flip(got, tuple(axes)), want)

    return holds


def _reshaped(got: Array, want: Array) -> bool:
    return got.size == want.size and close(got.reshape(want.shape), want)


def _shuffled(got: Array, want: Array) -> bool:
    return got.size == want.size > 1 and close(np.sort(got.ravel()), np.sort(want.ravel()))


RELATIONS: tuple[tuple[str, str, Callable[[Array, Array], bool]], ...] = (
    ("not-finite", "has NaN or infinite entries", _not_finite),
    ("zero", "is all zeros, and should not be", lambda g, w: g.shape == w.shape and not g.any()),
    ("transposed", "is transposed", _turned),
    (
        "shape",
        "has the right numbers in the shape {got}, and {want} is expected (keepdims=True keeps "
        "an axis that is summed)",
        lambda g, w: g.ndim < w.ndim and _reshaped(g, w),
    ),
    ("shape", "has the right numbers in the shape {got}, and {want} is expected", _reshaped),
    (
        "not-summed",
        "is not summed: its shape is {got}, and of what was broadcast in the forward each "
        "element gets the sum over all that it went to, {want}",
        _not_summed,
    ),
    ("not-spread", "has the shape {got}: spread it to {want}, and it is right", _not_spread),
    ("flipped", "is flipped in space", _flipped((-1, -2))),
    ("flipped", "is flipped along its last axis", _flipped((-1,))),
    ("flipped", "is in reverse order along its first axis", _flipped((0,))),
    ("shuffled", "has the right numbers in the wrong places", _shuffled),
)


def _factor(pairs: Sequence[tuple[Attempt, Array, Array]]) -> Said | None:
    """Tell whether a result is a multiple, and whether the factor is one of its sizes."""
    factors = []
    for _, got, want in pairs:
        if got.shape != want.shape or not want.any():
            return None
        factor = float((got.real * want).sum() / np.square(want).sum())
        if not close(got, factor * want):
            return None
        factors.append(factor)
    if all(math.isclose(f, factors[0], rel_tol=SAME) for f in factors):
        if math.isclose(factors[0], -1, rel_tol=SAME):
            return "sign", "has the wrong sign"
        known = _sizes(pairs) if len(pairs) < 2 else []
        said = [s for s, values in known if math.isclose(values[0], factors[0], rel_tol=SAME)]
        more = f", which is {said[0]} here" if said else ""
        return "factor", f"is {times(factors[0])} what it should be{more}"
    for said_as, values in _sizes(pairs):
        if all(math.isclose(f, v, rel_tol=SAME) for f, v in zip(factors, values, strict=True)):
            return "factor", f"is {said_as} times what it should be"
    numbers = ", ".join(f"{f:.4g}" for f in factors)
    return "factor", f"is a multiple of what it should be, by another factor each time: {numbers}"


def _sizes(pairs: Sequence[tuple[Attempt, Array, Array]]) -> Iterator[tuple[str, list[float]]]:
    """Yield products of the sizes of axes, by the letters of the exercise, and one over them."""
    found = [_letters(a) for a, *_ in pairs]
    for many in range(1, 5):
        for names in itertools.combinations(found[0], many):
            values = [float(math.prod(sizes[n] for n in names)) for sizes in found]
            product = "·".join(names)
            yield product, values
            yield f"1/({product})" if many > 1 else f"1/{product}", [1 / v for v in values]


def _letters(attempt: Attempt) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name, shape in attempt.exercise.takes.items():
        letters = shape.strip("()").split(", ")
        if " or " not in shape:
            sizes |= dict(zip(letters, attempt.want(name).shape, strict=True))
    return {letter: size for letter, size in sizes.items() if letter.isalpha()}


def _elsewhere(pairs: Sequence[tuple[Attempt, Array, Array]], name: str) -> Said | None:
    """Tell whether a result is what another value should be, or one of the arguments."""
    exercise = pairs[0][0].exercise
    others = [*exercise.cotangents, *exercise.takes, exercise.result, f"d{exercise.result}"]
    for other in others:
        if other != name and all(close(got, a.want(other)) for a, got, _ in pairs):
            should = "should be" if other in exercise.cotangents else "is"
            return f"is-{other}", f"is what {other} {should}"
    return None
