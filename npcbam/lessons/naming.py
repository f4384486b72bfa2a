"""A wrong answer is told apart by what it computes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.lessons import structure
from npcbam.lessons.attempt import Attempt
from npcbam.lessons.exercise import Mistake
from npcbam.lessons.structure import close


@dataclass(frozen=True)
class Found:
    """What is recognised in some results: the names of the mistakes, and the sentence."""

    results: tuple[str, ...]
    codes: tuple[str, ...]
    sentence: str
    accepted: bool = False


def wrong_results(attempts: Sequence[Attempt], names: Sequence[str]) -> list[str]:
    """Return which of the results are not right everywhere."""
    return [n for n in names if not all(close(a.got[n], a.want(n)) for a in attempts)]


def recognise(attempts: Sequence[Attempt], wrong: Sequence[str]) -> list[Found]:
    """Explain wrong results by as few mistakes as possible; what is left out is not known."""
    given = attempts[0].exercise.known
    left, found = list(wrong), []
    while left:
        fits = {m: _fits(attempts, left, given[m]) for m in given}
        false = {m: _contradicted(attempts, given[m]) for m in given if fits[m]}
        if not false:
            break
        # One that says nothing false of other results if there is such, and that explains most.
        best = min(false, key=lambda m: (false[m] > 0, -len(fits[m]), false[m]))
        found.append(Found(tuple(fits[best]), (best.code,), best.sentence, best.accepted))
        left = [name for name in left if name not in fits[best]]
    for each in _exchanged(attempts, left):
        found.append(each)
        left = [name for name in left if name not in each.results]
    for name in left:
        more = _by_structure(attempts, name) or _partly(attempts, name, given)
        found += [more] if more else []
    return _merged(found)


def _fits(
    attempts: Sequence[Attempt], names: Sequence[str], given: Sequence[Mapping[str, Array]]
) -> list[str]:
    """Return the results that one mistake explains at all points."""
    return [
        name
        for name in names
        if name in given[0]
        and all(close(a.got[name], g[name]) for a, g in zip(attempts, given, strict=True))
    ]


def _contradicted(attempts: Sequence[Attempt], given: Sequence[Mapping[str, Array]]) -> int:
    """Count the results that came, and that a mistake would have made otherwise."""
    came = [name for name in given[0] if name in attempts[0].got]
    return len(came) - len(_fits(attempts, came, given))


def _exchanged(attempts: Sequence[Attempt], names: Sequence[str]) -> list[Found]:
    """Return the results that have changed places."""
    found = structure.exchanged(attempts, names)
    return [Found(each.names, (each.code,), each.sentence) for each in found]


def _by_structure(attempts: Sequence[Attempt], name: str) -> Found | None:
    """Explain a result by how it lies to the right one."""
    said = structure.relation(attempts, name, [a.want(name) for a in attempts])
    return Found((name,), said[:1], f"{name} {said[1]}") if said else None


def _partly(
    attempts: Sequence[Attempt], name: str, given: Mapping[Mistake, Sequence[Mapping[str, Array]]]
) -> Found | None:
    """Explain a result by a share of a mistake, by two that add, or by one and a relation to it."""
    made = {m: [each[name] for each in g] for m, g in given.items() if name in g[0]}
    wants = [a.want(name) for a in attempts]
    shaped = [m for m, g in made.items() if all(map(_same_shape, g, wants))]
    for one in shaped:
        share = _share(attempts, name, made[one])
        if share is not None:
            sentence = f"{name} is off by {share:.6g} times what this would make it: {one.sentence}"
            return Found((name,), (one.code, "share"), sentence)
    for one, two in itertools.combinations(shaped, 2):
        both = [a + b - want for a, b, want in zip(made[one], made[two], wants, strict=True)]
        if all(close(a.got[name], d) for a, d in zip(attempts, both, strict=True)):
            sentence = f"two things at once: {one.sentence}; and {two.sentence}"
            return Found((name,), (one.code, two.code), sentence)
    for one in made:
        said = structure.relation(attempts, name, made[one])
        if said:
            sentence = f"two things at once: {one.sentence}; and {name}, so made, {said[1]}"
            return Found((name,), (one.code, said[0]), sentence)
    return None


def _share(attempts: Sequence[Attempt], name: str, made: Sequence[Array]) -> float | None:
    """Return how many times the error of a mistake is in a result; None if it is not its error."""
    off = [
        (a.got[name], a.want(name), m - a.want(name)) for a, m in zip(attempts, made, strict=True)
    ]
    if any(got.shape != want.shape or not np.isfinite(got).all() for got, want, _ in off):
        return None
    total = sum(float(np.square(error).sum()) for *_, error in off)
    if not total:
        return None
    share = sum(float(((got.real - want) * error).sum()) for got, want, error in off) / total
    return share if all(close(got, want + share * error) for got, want, error in off) else None


def _same_shape(a: Array, b: Array) -> bool:
    return a.shape == b.shape


def _merged(found: Sequence[Found]) -> list[Found]:
    """Say what several results have in common once."""
    merged: dict[tuple[str, ...], Found] = {}
    for each in found:
        first = merged.get(each.codes)
        tail = each.sentence.removeprefix(each.results[0])
        if first and tail != each.sentence:
            results = (*first.results, *each.results)
            sentence = f"{' and '.join(results)}: each{tail}"
            merged[each.codes] = Found(results, each.codes, sentence)
        else:
            merged[(*each.codes, *each.results) if first else each.codes] = each
    return list(merged.values())


def worst(attempts: Sequence[Attempt], name: str) -> str:
    """Return one entry that is wrong, with what it is and should be, in words."""
    for a in attempts:
        got, want = a.got[name], a.want(name)
        if close(got, want):
            continue
        if got.shape != want.shape:
            return f"On `{a.point}` {name} has shape {got.shape}, and should have {want.shape}"
        off = np.abs(got - want)
        index = np.unravel_index(int(np.where(np.isnan(off), np.inf, off).argmax()), off.shape)
        place = ", ".join(str(int(i)) for i in index)
        came = got[index] + 0  # a truth value has no digits
        return f"On `{a.point}` {name}[{place}] is {came:.6g}, and should be {want[index]:.6g}"
    return ""
