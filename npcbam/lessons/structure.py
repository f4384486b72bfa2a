"""How a wrong array lies to the right one: a multiple of it, transposed, not summed, and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis import Diagnosis, Wrong, diagnose, several
from npcbam.lessons.attempt import Attempt

# Of the largest entry. Two float64 computations of one gradient, a few hundred operations deep,
# differ by 1e-13; a mistake on random inputs changes the first digits.
SAME = 1e-9
Said = tuple[str, str]


def close(got: Array, want: Array) -> bool:
    """Tell whether two arrays are the same but for rounding."""
    if got.shape != want.shape or not np.isfinite(got).all():
        return False
    return bool((np.abs(got - want) <= _allowed(got, want)).all())


def relation(attempts: Sequence[Attempt], name: str, wants: Sequence[Array]) -> Said | None:
    """Return a code and what can be said of a result, at all points where it is wrong."""
    seen = [
        _seen(a, name, want)
        for a, want in zip(attempts, wants, strict=True)
        if not close(a.got[name], want)
    ]
    found = diagnose(seen)
    return None if found is None else (found.code, found.sentence.removeprefix(f"{name} "))


def exchanged(attempts: Sequence[Attempt], names: Sequence[str]) -> list[Diagnosis]:
    """Return which results came in each other's place."""
    return several.exchanged({n: [_seen(a, n, a.want(n)) for a in attempts] for n in names})


def _seen(a: Attempt, name: str, want: Array) -> Wrong:
    """Put what came at one point beside what is right, and beside all that is at hand there."""
    exercise, result = a.exercise, a.exercise.result
    arguments = {taken: a.want(taken) for taken in exercise.takes}
    others = {other: a.want(other) for other in exercise.cotangents if other != name}
    got = np.asarray(a.got[name])
    seen = Wrong(name, got, want, _allowed(got, want), arguments=arguments, sizes=_letters(a))
    if name == result:
        return seen
    return replace(
        seen,
        argument=arguments.get(name.removeprefix("d")),
        y={result: a.want(result)},
        dy={result: a.want(f"d{result}")},
        others=others,
    )


def _allowed(got: Array, want: Array) -> float:
    finest = np.finfo(got.dtype).eps if got.dtype.kind == "f" else 0.0
    return float(max(SAME, 64 * finest) * float(np.abs(want).max(initial=0)))


def _letters(attempt: Attempt) -> dict[str, float]:
    """Return the sizes of axes by the letters of the exercise."""
    sizes: dict[str, float] = {}
    for name, shape in attempt.exercise.takes.items():
        letters = shape.strip("()").split(", ")
        if " or " not in shape:
            sizes |= dict(zip(letters, map(float, attempt.want(name).shape), strict=True))
    return {letter: size for letter, size in sizes.items() if letter.isalpha()}
