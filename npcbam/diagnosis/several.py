"""Several wrong arrays of one backward: which have changed places, and what they have in common."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from npcbam.diagnosis.arrays import joined
from npcbam.diagnosis.wrong import Diagnosis, Wrong

Seen = Mapping[str, Sequence[Wrong]]


def exchanged(seen: Seen) -> list[Diagnosis]:
    """Return the arrays that came in each other's place."""
    found: list[Diagnosis] = []
    left = list(seen)
    for many in (2, 3):
        for chosen in itertools.combinations(left, many):
            if set(chosen) <= set(left) and (order := _order(seen, chosen)):
                found.append(_said(chosen, order))
                left = [name for name in left if name not in chosen]
    return found


def _order(seen: Seen, names: Sequence[str]) -> Sequence[str] | None:
    """Return what came in place of each, if it is the others."""
    if len({len(seen[name]) for name in names}) > 1:
        return None
    for order in itertools.permutations(names):
        if not any(a == b for a, b in zip(names, order, strict=True)) and all(
            _came(seen[a], seen[b]) for a, b in zip(names, order, strict=True)
        ):
            return order
    return None


def _came(one: Sequence[Wrong], two: Sequence[Wrong]) -> bool:
    """Tell whether what came for one is what should have come for two."""
    return all(
        replace(b, got=a.got).fits(b.want)
        for a, b in zip(one, two, strict=True)
        if b.want.shape == a.got.shape or not b.want.size
    ) and all(a.got.shape == b.want.shape for a, b in zip(one, two, strict=True))


def _said(names: Sequence[str], order: Sequence[str]) -> Diagnosis:
    if len(names) == 2:
        return Diagnosis("exchanged", f"{joined(list(names))} have changed places", tuple(names))
    came = joined([f"{a} holds {b}" for a, b in zip(names, order, strict=True)])
    return Diagnosis("exchanged", f"the cotangents are in another order: {came}", tuple(names))


def merged(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Say what several arrays have in common once."""
    return list(_merged(found))


def _merged(found: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    tails = [d.sentence.removeprefix(d.names[0]) if d.names else d.sentence for d in found]
    done: set[int] = set()
    for i, one in enumerate(found):
        if i in done:
            continue
        alike = [
            j
            for j, two in enumerate(found)
            if two.code == one.code and tails[j] == tails[i] and tails[j] != two.sentence
        ]
        if len(alike) < 2:
            yield one
            continue
        done |= set(alike)
        names = tuple(name for j in alike for name in found[j].names)
        yield Diagnosis(one.code, f"{joined(list(names))}: each{tails[i]}", names)
