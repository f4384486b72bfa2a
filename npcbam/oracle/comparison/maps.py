"""The two maps that a candidate computes, beside those of the paper: what the pictures show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from npcbam.arguments import Array
from npcbam.oracle.identification.reading import Choice, Reading, stages
from npcbam.oracle.rules import CHANNEL_PAPER, COMPOSE, SPATIAL_PAPER, Stages


def maps(
    reading: Reading, weights: Mapping[str, Array], x: Array, stage: str = "whole"
) -> dict[str, Any] | None:
    """Return both maps of the first sample of x as nested lists, or None if they are not known.

    They are computed by the reading, which gives the candidate's y. A map that its composition
    does not multiply by is left out, and so is one that the paper's block cannot form of these
    weights. Free conventions, such as the order of the planes, are the candidate's in both.

    Parameters
    ----------
    stage : "channel" or "spatial" for the map of a half alone, which reads x

    Returns
    -------
    dict
        `candidate_mc` and `reference_mc` (C,), `candidate_ms` and `reference_ms` (*S).
    """
    if reading.channel is None or reading.spatial is None or reading.compose is None:
        return None
    axes = reading.channel.axes, reading.spatial.axes
    right = _right(reading.channel, CHANNEL_PAPER), _right(reading.spatial, SPATIAL_PAPER)
    whole = "channel-first" if "k" in weights else "channel-only"
    if stage == "spatial":
        whole = "spatial-first"
    found = _seen(stages(*axes, weights), reading.compose, x, "candidate")
    try:
        found |= _seen(stages(*right, weights), whole, x, "reference")
    except (KeyError, ValueError):
        return None  # two MLPs, or a kernel of another number of planes
    return {name: found[name] for name in found if stage == "whole" or name[-1] == stage[0]}


def _right(choice: Choice, paper: Mapping[str, Any]) -> dict[str, Any]:
    """Return the axes with those put right that set it apart."""
    odd = {axis for row in choice.rows if row.status != "faithful" for axis in row.sets}
    return dict(choice.axes) | {axis: paper[axis] for axis in odd}


def _seen(s: Stages, compose: str, x: Array, whose: str) -> dict[str, Any]:
    """Return the maps that a composition multiplies by, the first of each kind."""
    seen: dict[str, Array] = {}

    def watched(name: str, f: Callable[[Array], Array]) -> Callable[[Array], Array]:
        def watching(features: Array) -> Array:
            value = f(features)
            seen.setdefault(name, value)
            return value

        return watching

    COMPOSE[compose][2](x, replace(s, mc=watched("mc", s.mc), ms=watched("ms", s.ms)))
    found = {}
    if "mc" in seen:
        found[f"{whose}_mc"] = seen["mc"][0].ravel().tolist()
    if "ms" in seen:
        found[f"{whose}_ms"] = seen["ms"][0, 0].tolist()
    return found
