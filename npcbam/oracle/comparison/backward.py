"""The known mistakes of a backward: which of them explains gradients that are wrong?"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis import Wrong, diagnose
from npcbam.diagnosis.factors import multiple_of, times
from npcbam.oracle.comparison.pulled import Pulled
from npcbam.routes import Gains, by_pool

# What an explanation may leave of a difference, of the largest entry of it, besides rounding.
LEFT = 1e-4
# The gains that a mistake changes at once, its code, and what is said where they are 0.
Mistake = tuple[tuple[str, ...], str, str]
MISTAKES: tuple[Mistake, ...] = (
    (("channel map",), "channel-map", "no gradient flows through the channel map"),
    (("spatial map",), "spatial-map", "no gradient flows through the spatial map"),
    (("channel max",), "channel-max", "the max branch of the channel gate has no gradient"),
    (("channel avg",), "channel-avg", "the average branch of the channel gate has no gradient"),
    (("spatial max",), "spatial-max", "the max plane of the spatial gate has no gradient"),
    (("spatial avg",), "spatial-avg", "the average plane of the spatial gate has no gradient"),
    (
        ("channel max", "channel avg"),
        "channel-pools",
        "no gradient flows through the descriptors of the channel gate",
    ),
    (
        ("spatial max", "spatial avg"),
        "spatial-pools",
        "no gradient flows through the planes of the spatial gate",
    ),
    (("spatial features",), "spatial-features", "F' has no gradient as a factor of F''"),
    (("channel features",), "channel-features", "F has no gradient as a factor of F'"),
    (("residual",), "residual", "the x that is added back has no gradient"),
)
NAMES = {
    "channel-map": "through the channel map",
    "spatial-map": "through the spatial map",
    "channel-max": "through the max branch of the channel gate",
    "channel-avg": "through the average branch of the channel gate",
    "spatial-max": "through the max plane of the spatial gate",
    "spatial-avg": "through the average plane of the spatial gate",
    "channel-pools": "through the descriptors of the channel gate",
    "spatial-pools": "through the planes of the spatial gate",
    "spatial-features": "of F' as a factor",
    "channel-features": "of F as a factor",
    "residual": "of the x that is added back",
}


# What the oracle calls the kinds of a diagnosis.
CODES = {"transposed": "gradient-transposed"}


@dataclass(frozen=True, eq=False)
class Named:
    """What is amiss with dx, and the gains that explain it on each input."""

    code: str
    message: str
    gains: Sequence[Gains]


@dataclass(frozen=True, eq=False)
class Fit:
    """The shares that flow on the routes of some mistakes, and what of dx they leave unexplained.

    `doubt` is how far rounding may take each share.
    """

    shares: Sequence[float]
    doubt: Sequence[float]
    left: float


def name_dx(seen: Sequence[Pulled], right: Collection[str] = ()) -> Named | None:
    """Return what explains dx on all inputs, one mistake or two at once; None if nothing does.

    Parameters
    ----------
    seen : inputs on which dx is wrong, without ties
    right : the attentions whose parameters have the right gradients
    """
    if not all(np.isfinite(each.dx).all() for each in seen):
        return None
    # What flows through a map reaches its parameters too.
    free = [m for m in MISTAKES if m[1] not in {f"{name}-map" for name in right}]
    shut = [{m[1]: each.with_gains(gains_of([m], [0.0]))[1] for m in free} for each in seen]
    for many in (1, 2):
        found: list[tuple[float, Named]] = []
        for mistakes in itertools.combinations(free, many):
            names = [name for gains, *_ in mistakes for name in gains]
            if len(set(names)) == len(names):
                fits = [_fit(*pair, mistakes) for pair in zip(seen, shut, strict=True)]
                found += _named(mistakes, [fit for fit in fits if fit is not None], seen)
        # Of several that are near enough the first, unless another is by far nearer.
        nearest = min((left for left, _ in found), default=0.0)
        if found:
            return next(named for left, named in found if left <= 2 * nearest + 0.1)
    return None


def gains_of(mistakes: Sequence[Mistake], shares: Sequence[float]) -> dict[str, float]:
    """Return the gains of these mistakes with these shares."""
    return {v: s for (names, *_), s in zip(mistakes, shares, strict=True) for v in names}


def _named(
    mistakes: Sequence[Mistake], fits: Sequence[Fit], seen: Sequence[Pulled]
) -> Iterator[tuple[float, Named]]:
    if len(fits) < len(seen):
        return
    said = []
    for i, mistake in enumerate(mistakes):
        text = _say(mistake, [fit.shares[i] for fit in fits], [fit.doubt[i] for fit in fits], seen)
        if text is None:
            return
        said.append(text)
    gains = [gains_of(mistakes, fit.shares) for fit in fits]
    message = ", and ".join(text for _, text in said)
    yield max(fit.left for fit in fits), Named(said[0][0], message, gains)


def _fit(each: Pulled, shut: Mapping[str, Array], mistakes: Sequence[Mistake]) -> Fit | None:
    """Return the shares that give this dx, or None if there are none."""
    whole = each.expected[1]
    off = each.dx - whole
    routes = [whole - shut[code] for _, code, _ in mistakes]
    if len(mistakes) == 2:
        # What passes both routes flows with the product of their shares.
        neither = each.with_gains(gains_of(mistakes, [0.0, 0.0]))[1]
        routes.append(routes[0] + routes[1] - whole + neither)
    room = _floored(each.tolerance["dx"])
    # Every entry counts as much as it is sure.
    matrix = np.stack([(route / room).ravel() for route in routes], axis=1)
    units = np.sqrt(np.square(matrix).sum(axis=0))
    if not units[: len(mistakes)].all():
        return None
    units[units == 0] = 1
    fitted, *_ = np.linalg.lstsq(matrix / units, (off / room).ravel(), rcond=1e-10)
    shares = [1 + float(a / u) for a, u in zip(fitted, units, strict=True)][: len(mistakes)]
    gap = np.abs(each.with_gains(gains_of(mistakes, shares))[1] - each.dx)
    # What flows more often than it should rounds more.
    room = room * max(1.0, *map(abs, shares))
    if not (gap <= room + LEFT * np.abs(off).max(initial=0)).all():
        return None
    doubt = [float(2 / u) for u in units[: len(mistakes)]]
    return Fit(shares, doubt, float(np.sqrt(np.mean(np.square(gap / room)))))


def _say(
    mistake: Mistake, shares: Sequence[float], doubt: Sequence[float], seen: Sequence[Pulled]
) -> tuple[str, str] | None:
    """Put the shares that a route has on all inputs into words; None if they have no common one."""
    _, code, what = mistake

    def all_are(wanted: Sequence[float]) -> bool:
        rooms = (LEFT * abs(1 - w) + d for w, d in zip(wanted, doubt, strict=True))
        return all(abs(s - w) <= r for s, w, r in zip(shares, wanted, rooms, strict=True))

    if all_are([0.0] * len(shares)):
        return f"{code}-detached", what
    if code in ("channel-avg", "spatial-avg"):
        what = "positions" if code == "channel-avg" else "channels"
        space = slice(2, None) if code == "channel-avg" else slice(1, 2)
        if all_are([float(np.prod(each.x.shape[space])) for each in seen]):
            said = f"the gradient of the average is not divided by the number of {what}"
            return f"{code}-not-divided", said
    # The surest of them.
    share = shares[int(np.argmin(doubt))]
    if not all_are([share] * len(shares)):
        return None
    return f"{code}-scaled", f"the gradient {NAMES[code]} is {times(share)} what it should be"


def name_weight(leaf: str, each: Pulled, gains: Gains) -> tuple[str, str]:
    """Return the code and the sentence of what is amiss with a parameter's gradient.

    `gains` are those that explain dx.
    """
    got, expected = each.dparams[leaf], each.with_gains(gains)[0][leaf]
    room = each.tolerance[leaf]
    if not np.isfinite(got).all():
        return "gradient-not-finite", f"the gradient of {leaf} is not finite"
    if not got.any():
        return "parameter-detached", f"{leaf} has no gradient"
    parts = {k: part for k, part in by_pool(leaf, each.cbam, each.x, each.dy).items() if part.any()}
    lost = [pool for pool in parts if alike(got, expected - parts[pool], expected, room)]
    if lost:
        # A bias gets as much from each.
        which = (
            f"from the {lost[0]} descriptor" if len(lost) == 1 else "from one of the descriptors"
        )
        return "shared-weight-half", f"{leaf} gets no gradient {which}"
    if (ratio := multiple_of(got, expected, room)) is not None:
        said = f"the gradient of {leaf} is {times(ratio)} what it should be"
        return "gradient-scaled", said
    found = diagnose([Wrong(leaf, got, expected, room, arguments={"x": each.x})])
    if found is not None:
        code = CODES.get(found.code, "gradient-wrong")
        return code, f"the gradient of {found.sentence}"
    return "gradient-wrong", f"the gradient of {leaf} is not that of what the forward computes"


def alike(got: Array, explained: Array, expected: Array, room: Array) -> bool:
    """Tell whether an explanation leaves no more than rounding of a difference."""
    return Wrong("", got, expected, room).fits(explained)


def _floored(room: Array) -> Array:
    """Return rooms to divide by: none is 0, nor much smaller than the others."""
    most = float(room[np.isfinite(room)].max(initial=0)) or 1.0
    floored: Array = np.maximum(room, 1e-3 * most)
    return floored
