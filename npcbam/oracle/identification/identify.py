"""Which row of each table does the candidate follow? Stage by stage, by setting its parameters.

With the kernel at zero the spatial map is one constant, so that only the channel gate is left to
tell; with the last layer of the MLP at zero the channel map is one constant. What is done with both
is read off last, with all weights in place. The search is a sum over the tables and no product.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.identification.more_planes import rows_of_planes
from npcbam.oracle.identification.parameters import fitted, fitted_eps
from npcbam.oracle.identification.reading import (
    COSTS,
    Choice,
    Reading,
    benign,
    close,
    fits_weights,
    gates,
    single,
)
from npcbam.oracle.identification.single_gate import Alone, Fit, Seen, efforts, look, mixes
from npcbam.oracle.precision import CLOSE
from npcbam.oracle.rules import CHANNEL, COMPOSE, SPATIAL, SPATIAL_PAPER, Run, Stages


def identify(
    run: Run,
    weights: Mapping[str, Array],
    x: Array,
    depth: str = "deep",
    room: float = CLOSE["float64"],
) -> Reading:
    """Return what the candidate computes.

    Parameters
    ----------
    run : y of the candidate for weights (by their keys) and an input
    weights : values in which nothing is 0 and no gate saturates
    x : an input on which no two rows agree, see `battery.telling`
    depth : "quick" for single rows in usual compositions, "wide" for all compositions, "deep" for
        two rows at once too
    room : how far apart, of the largest entry, two outputs are that count as one
    """
    seen = look(run, weights, x)
    if not all(np.isfinite(y).all() for y in (seen.channel, seen.spatial, seen.whole)):
        return Reading(None, None, None)
    channels: list[Fit] = []
    spatials: list[Fit] = []
    plain = _free(benign(True)), _free(benign(False))
    of_space = (*SPATIAL, *fitted(seen, x, False), *fitted_eps(seen, x))
    of_space = (*of_space, *rows_of_planes(run, seen.flat, x, room))
    of_channels = (*CHANNEL, *fitted(seen, x, True))
    channel, spatial = Alone(seen, x, True, room), Alone(seen, x, False, room)
    tried = 0, 0
    for effort in efforts(seen, x, depth):
        if effort.pairs and not channels and not spatials:
            break
        if not channels:
            channels = [*channel.explain(of_channels, effort)]
        if depth == "quick" and not channels:
            break
        if "k" not in weights:
            spatials = _free([Choice((SPATIAL[0],), SPATIAL_PAPER)])
        elif not spatials:
            fits = spatial.explain(of_space, effort)
            spatials = [fit for fit in fits if _has_eps(fit.choice) != seen.divides]
        if depth == "quick" and not (channels and spatials):
            break
        # What nothing explains alone may show beside the other stage, or be right but out of sight.
        guesses = [(*plain, tuple(COMPOSE))] if depth != "quick" else []
        # One that all compositions were tried with already need not be tried again.
        fresh = (len(channels), len(spatials)) != tried
        # Beside a single row, one of the other gate shows alone in the usual compositions.
        known = (*channels, *spatials)
        wide = effort.widest and (not effort.pairs or any(len(f.choice.rows) > 1 for f in known))
        if (channels and spatials) or (fresh and known and wide):
            tried = len(channels), len(spatials)
            guess = (channels or _free(single(True)), spatials or _free(single(False)))
            guesses.insert(0, (*guess, effort.compositions))
        for of_channel, of_spatial, names in guesses:
            found = _compose(seen, of_channel, of_spatial, weights, x, names, room)
            if found is not None:
                return found
        plain = [], []
    return Reading(_nearest(channels), _nearest(spatials), None)


def _free(several: Sequence[Choice]) -> list[Fit]:
    """Return choices that no composition is ruled out for."""
    return [Fit(choice) for choice in several]


def _has_eps(choice: Choice) -> bool:
    """Tell whether the norm has an eps, or none matters."""
    return bool(choice.axes["eps"] or choice.axes["norm"] == "ignored")


def _nearest(found: Sequence[Fit]) -> Choice | None:
    return min((fit.choice for fit in found), key=lambda choice: choice.cost, default=None)


def _compose(
    seen: Seen,
    channels: Sequence[Fit],
    spatials: Sequence[Fit],
    weights: Mapping[str, Array],
    x: Array,
    names: Sequence[str],
    room: float,
) -> Reading | None:
    """Return the reading nearest to the paper that gives y with all weights in place."""
    found = []
    fit_c, fit_s = (
        [(f, gates(f.choice.axes, weights)) for f in several if fits_weights(f.choice, weights)]
        for several in (channels, spatials)
    )
    names = [name for name in names if _may_be(name, "k" in weights)]
    for (one, (mc, zc)), (two, (ms, zs)) in itertools.product(fit_c, fit_s):
        s, alone = Stages(mc, ms, zc, zs), not mixes(two.choice)
        for name in names:
            if name not in one.compositions or name not in two.compositions:
                continue
            if _gives(name, s, x, seen.whole, room, alone):
                cost = one.choice.cost + two.choice.cost + COSTS[COMPOSE[name][0]]
                # Without a spatial gate, what is said of the channel gate's map says it best.
                of_channel = "k" in weights or name.startswith("channel")
                found.append(((cost, not of_channel), Reading(one.choice, two.choice, name)))
    return min(found, key=lambda fit: fit[0], default=((0, False), None))[1]


def _may_be(name: str, spatial: bool) -> bool:
    """Tell whether a composition is of so many gates; a mistake may be in one gate alone."""
    if spatial or COMPOSE[name][0] != "wrong":
        return name.startswith("channel-only") != spatial
    return True


def _gives(name: str, s: Stages, x: Array, y: Array, room: float, alone: bool) -> bool:
    """Tell whether a composition gives y; where samples stand alone, the first tells it sooner."""
    compose = COMPOSE[name][2]
    # Its largest entry is smaller than that of all.
    if alone and not close(y[:1], compose(x[:1], s), 8 * room):
        return False
    return close(y, compose(x, s), room)
