"""The maps that a candidate computes, beside those of the paper: what the pictures show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from npcbam.arguments import Array
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules.stage import Composition, Gate, Way


def maps(reading: Reading, weights: Mapping[str, Array], x: Array) -> dict[str, Any] | None:
    """Return the maps of the first sample of x as nested lists, or None if they are not known.

    They are computed by the reading, which gives the candidate's y. A map that its composition
    does not multiply by is left out, and so is one that the paper's block cannot form of these
    weights. Free conventions, such as the order of the planes, are the candidate's in both.

    Returns
    -------
    dict
        `candidate_mc` and `reference_mc` (C,), `candidate_ms` and `reference_ms` (*S).
    """
    if not reading.known:
        return None
    ways = {name: _right(way) for name, way in reading.ways.items()}
    paper = Composition(reading.block.compositions[0].rule)
    found = _seen(reading, weights, x, "candidate")
    try:
        right = replace(reading, ways=ways, composition=paper)
        return found | _seen(right, weights, x, "reference")
    except (KeyError, ValueError):
        return None  # two MLPs, or a kernel of another number of planes


def _right(way: Way) -> Way:
    """Return the way with those axes put right that set it apart."""
    odd = {axis for rule in way.rules if rule.status != "faithful" for axis in rule.sets}
    return next(way.put_right(odd))


def _seen(reading: Reading, weights: Mapping[str, Array], x: Array, whose: str) -> dict[str, Any]:
    """Return the maps that a composition multiplies by, the first of each kind."""
    seen: dict[str, Array] = {}
    known = reading.maps(weights)

    def watched(name: str, f: Gate) -> Gate:
        def watching(features: Array) -> Array:
            value = f(features)
            seen.setdefault(name, value)
            return value

        return watching

    assert reading.composition is not None
    names = [f"m{stage.symbol}" for stage in reading.block.stages]
    watching = {name: watched(name, getattr(known, name)) for name in names}
    reading.composition(x, replace(known, **watching))
    found = {}
    if "mc" in seen:
        found[f"{whose}_mc"] = seen["mc"][0].ravel().tolist()
    if "ms" in seen:
        found[f"{whose}_ms"] = seen["ms"][0, 0].tolist()
    return found
