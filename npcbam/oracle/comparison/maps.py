"""The maps that a candidate computes, beside those of the paper: what the pictures show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from npcbam.arguments import Array
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules.composition import Gate
from npcbam.oracle.rules.stage import Composition, Way

# Numbers as nested lists.
Nested: TypeAlias = "list[float] | list[Nested]"


def maps(reading: Reading, weights: Mapping[str, Array], x: Array) -> dict[str, Nested] | None:
    """Return the maps of the first sample of x as nested lists, or None if they are not known.

    They are computed by the reading, which gives the candidate's y. A map that its composition
    does not multiply by is left out, and so is one that the paper's block cannot form of these
    weights. Free conventions, such as the order of the planes, are the candidate's in both.

    Returns
    -------
    dict
        `candidate_mc` and `reference_mc` (C,), `candidate_ms` and `reference_ms` (*S).
    """
    if reading.composition is None or not reading.known:
        return None
    right = replace(reading, ways={name: _right(way) for name, way in reading.ways.items()})
    paper = Composition(reading.block.compositions[0].rule)
    found = _seen(reading, reading.composition, weights, x)
    try:
        wanted = _seen(right, paper, weights, x)
    except (KeyError, ValueError):
        return None  # two MLPs, or a kernel of another number of planes
    of_candidate = {f"candidate_{name}": value for name, value in found.items()}
    return of_candidate | {f"reference_{name}": value for name, value in wanted.items()}


def _right(way: Way) -> Way:
    """Return the way with those axes put right that set it apart."""
    odd = {axis for rule in way.rules if rule.status != "faithful" for axis in rule.sets}
    return next(way.put_right(odd))


def _seen(
    reading: Reading, composition: Composition, weights: Mapping[str, Array], x: Array
) -> dict[str, Nested]:
    """Return the maps that a composition multiplies by, the first of each kind."""
    seen: dict[str, Array] = {}
    known = reading.maps(weights)

    def watched(name: str, f: Gate) -> Gate:
        def watching(features: Array) -> Array:
            value = f(features)
            seen.setdefault(name, value)
            return value

        return watching

    names = [f"m{stage.symbol}" for stage in reading.block.stages]
    composition(x, replace(known, **{name: watched(name, getattr(known, name)) for name in names}))
    found: dict[str, Nested] = {}
    if "mc" in seen:
        found["mc"] = seen["mc"][0].ravel().tolist()
    if "ms" in seen:
        found["ms"] = seen["ms"][0, 0].tolist()
    return found
