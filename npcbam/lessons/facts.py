"""What can be proven of a wrong result that nothing explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npcbam.lessons.attempt import Attempt, forward, pull
from npcbam.lessons.exercise import cotangent
from npcbam.lessons.structure import SAME, close
from npcbam.lessons.verdict import Stop


def proven(answer: Callable[..., Any], attempts: Sequence[Attempt], name: str) -> list[str]:
    """Return sentences on where a result is wrong, and on what it depends."""
    a = next(a for a in attempts if not close(a.got[name], a.want(name)))
    if a.got[name].shape != a.want(name).shape:
        return []
    said = _extent(a, name)
    said += [] if name == a.exercise.result else _by_cotangent(a, name)
    for argument in a.exercise.takes:
        said += _by_argument(answer, a, name, argument)
    return said


def _extent(a: Attempt, name: str) -> list[str]:
    """Count the wrong entries, and say along which axis they all lie together."""
    got, want = a.got[name], a.want(name)
    wrong = ~(np.abs(got - want) <= SAME * np.abs(want).max(initial=0))
    said = [f"{int(wrong.sum())} of its {wrong.size} entries on `{a.point}` are wrong"]
    for axis, size in enumerate(wrong.shape):
        at = np.flatnonzero(wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis)))
        if len(at) < size:
            where = ", ".join(map(str, at.tolist()))
            said.append(f"Along axis {axis}, of length {size}, all of them are at index {where}")
    return said


def _by_cotangent(a: Attempt, name: str) -> list[str]:
    """Probe how a cotangent depends on dy: not at all, linearly, sample by sample."""
    result = a.exercise.result
    dy = a.want(f"d{result}")
    try:
        other = pull(a, cotangent(dy, 2))[name]
        twice = pull(a, 2 * dy)[name]
    except Stop:
        return []
    got = a.got[name]
    if np.array_equal(other, got):
        return [f"It does not depend on d{result} at all"]
    if twice.shape == got.shape and not close(twice, 2 * got):
        return [
            f"It is not linear in d{result}: twice the d{result} does not give twice the {name}"
        ]
    return []


def _by_argument(answer: Callable[..., Any], a: Attempt, name: str, argument: str) -> list[str]:
    """Move one argument alone, and see whether the result moves as it should."""
    args = [
        -0.7 * value + 0.1 if taken == argument else value
        for taken, value in zip(a.exercise.takes, a.args(), strict=True)
    ]
    result = a.exercise.result
    moved = a.exercise.values(tuple(args))
    dy = a.want(f"d{result}")
    want = _right(a, tuple(args), dy)
    try:
        there = forward(answer, a.exercise, a.point, moved)
        got = there.got | (pull(there, dy) if name != result else {})
    except Stop:
        return []
    moves, should = not np.array_equal(got[name], a.got[name]), not close(want[name], a.want(name))
    if moves == should:
        return []
    does, should_it = ("depends", "should not") if moves else ("does not depend", "should")
    return [f"It {does} on {argument}, and {should_it}"]


def _right(a: Attempt, args: tuple[Any, ...], dy: Any) -> dict[str, Any]:
    y, pullback = a.exercise.vjp(*args)
    return {a.exercise.result: y, **dict(zip(a.exercise.cotangents, pullback(dy), strict=True))}
