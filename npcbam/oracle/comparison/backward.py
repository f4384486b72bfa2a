"""The known mistakes of a backward: which of them explains gradients that are wrong?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis import Wrong, diagnose
from npcbam.diagnosis.factors import multiple_of, times
from npcbam.oracle.comparison.pulled import Pulled
from npcbam.oracle.precision import UNEXPLAINED
from npcbam.oracle.rules import gradient_routes
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.rule import Rule
from npcbam.routes import Gains, by_pool

# The names of the gains that a mistake changes at once.
Route: TypeAlias = tuple[str, ...]
# A number, one that the shape of x gives, or any.
Gain: TypeAlias = float | Callable[[tuple[int, ...]], float] | str


def _by_route() -> dict[Route, list[Rule]]:
    found: dict[Route, list[Rule]] = {}
    for each in gradient_routes.RULES:
        found.setdefault(tuple(each.sets), []).append(each)
    return found


# What may be amiss with each route.
ROUTES = _by_route()


@dataclass(frozen=True, eq=False)
class Cause:
    """What is amiss with dx, and the gains that explain it, by input.

    `left` is what of dx they leave unexplained, in units of the allowed error.
    """

    code: str
    message: str
    gains: Mapping[str, Gains] = field(default_factory=dict)
    left: float = 0.0


@dataclass(frozen=True, eq=False)
class Shares:
    """The shares that flow on some routes, and what of dx they leave unexplained.

    `doubt` is how far rounding may take each share.
    """

    shares: Sequence[float]
    doubt: Sequence[float]
    left: float


def name_dx(seen: Sequence[Pulled], right: Collection[str] = ()) -> Cause | None:
    """Return what explains dx on all inputs, one mistake or two at once; None if nothing does.

    Parameters
    ----------
    seen : inputs on which dx is wrong, without ties
    right : the attentions whose parameters have the right gradients
    """
    if not all(np.isfinite(each.dx).all() for each in seen):
        return Cause(*_said("gradient-not-finite", tensor="dx"))
    if not any(each.dx.any() for each in seen):
        return Cause(*_said("gradient-detached"))
    if (factor := _common_factor(seen)) is not None:
        return Cause(*_said("gradient-scaled", tensor="dx", times=times(factor)))
    # On one position, or one channel, several routes are one: the others tell more.
    telling = [each for each in seen if each.name not in ("point", "single")]
    return _by_routes(telling or seen, right)


def _common_factor(seen: Sequence[Pulled]) -> float | None:
    """Return how many times dx is what it should be on all inputs; None if it is no multiple."""
    ratios = [multiple_of(each.dx, each.expected[1], each.tolerance["dx"]) for each in seen]
    known = [ratio for ratio in ratios if ratio is not None]
    most = max((abs(1 - ratio) for ratio in known), default=0.0)
    same = len(known) == len(seen) and np.ptp(known) <= UNEXPLAINED * most
    return known[0] if same else None


def _by_routes(seen: Sequence[Pulled], right: Collection[str]) -> Cause | None:
    """Return the routes whose shares explain dx, one or two."""
    # What flows through a map reaches its parameters too.
    free = [route for route in ROUTES if route not in {(f"{name} map",) for name in right}]
    shut = [
        {route: each.with_gains(gains_of([route], [0.0]))[1] for route in free} for each in seen
    ]
    alone = [(route,) for route in free]
    pairs = [pair for pair in itertools.combinations(free, 2) if set(pair[0]).isdisjoint(pair[1])]
    for several in (alone, pairs):
        causes = [cause for routes in several if (cause := _cause(routes, seen, shut)) is not None]
        # Of several that are near enough the first, unless another is by far nearer.
        nearest = min((cause.left for cause in causes), default=0.0)
        if causes:
            return next(cause for cause in causes if cause.left <= 2 * nearest + 0.1)
    return None


def gains_of(routes: Sequence[Route], shares: Sequence[float]) -> dict[str, float]:
    """Return the gains with which these shares flow on these routes."""
    return {name: s for route, s in zip(routes, shares, strict=True) for name in route}


def _shares(each: Pulled, shut: Mapping[Route, Array], routes: Sequence[Route]) -> Shares | None:
    """Return the shares that give this dx, or None if there are none."""
    whole = each.expected[1]
    off = each.dx - whole
    parts = [whole - shut[route] for route in routes]
    if len(routes) == 2:
        # What passes both routes flows with the product of their shares.
        neither = each.with_gains(gains_of(routes, [0.0, 0.0]))[1]
        parts.append(parts[0] + parts[1] - whole + neither)
    tolerance = _floored(each.tolerance["dx"])
    # Every entry counts as much as it is sure.
    matrix = np.stack([(part / tolerance).ravel() for part in parts], axis=1)
    units = np.sqrt(np.square(matrix).sum(axis=0))
    if not units[: len(routes)].all():
        return None
    units[units == 0] = 1
    fitted, *_ = np.linalg.lstsq(matrix / units, (off / tolerance).ravel(), rcond=1e-10)
    shares = [1 + float(a / u) for a, u in zip(fitted, units, strict=True)][: len(routes)]
    gap = np.abs(each.with_gains(gains_of(routes, shares))[1] - each.dx)
    # What flows more often than it should rounds more.
    tolerance = tolerance * max(1.0, *map(abs, shares))
    if not (gap <= tolerance + UNEXPLAINED * np.abs(off).max(initial=0)).all():
        return None
    doubt = [float(2 / u) for u in units[: len(routes)]]
    return Shares(shares, doubt, float(np.sqrt(np.mean(np.square(gap / tolerance)))))


def _cause(
    routes: Sequence[Route], seen: Sequence[Pulled], shut: Sequence[Mapping[Route, Array]]
) -> Cause | None:
    """Put the shares that explain dx into words; None if a route has no common one."""
    fits = []
    for pulled, closed in zip(seen, shut, strict=True):
        fit = _shares(pulled, closed, routes)
        if fit is None:
            return None
        fits.append(fit)
    said, flowing = [], []
    for i, route in enumerate(routes):
        shares, doubt = [fit.shares[i] for fit in fits], [fit.doubt[i] for fit in fits]
        share = shares[int(np.argmin(doubt))]  # The surest of them.
        for each in ROUTES[route]:
            gain = next(iter(each.sets.values()))
            wanted = [_wanted(gain, share, pulled.x.shape) for pulled in seen]
            if _agree(shares, wanted, doubt):
                said.append((each.code, each.sentence.format(times=times(share))))
                # What was said, and not what was fitted: an input may tell little of its share.
                flowing.append(wanted)
                break
        else:
            return None
    message = ", and ".join(sentence for _, sentence in said)
    pairs = zip(seen, zip(*flowing, strict=True), strict=True)
    gains = {each.name: gains_of(routes, shares) for each, shares in pairs}
    return Cause(said[0][0], message, gains, max(fit.left for fit in fits))


def _wanted(gain: Gain, share: float, shape: tuple[int, ...]) -> float:
    """Return the share that a rule's gain stands for on an input; see `gradient_routes`."""
    if isinstance(gain, str):
        return share
    return gain(shape) if callable(gain) else gain


def _agree(shares: Sequence[float], wanted: Sequence[float], doubt: Sequence[float]) -> bool:
    each = zip(shares, wanted, doubt, strict=True)
    return all(abs(s - w) <= UNEXPLAINED * abs(1 - w) + d for s, w, d in each)


def name_weight(leaf: str, each: Pulled, gains: Gains) -> tuple[str, str]:
    """Return the code and the sentence of what is amiss with a parameter's gradient.

    `gains` are those that explain dx.
    """
    got, expected = each.dparams[leaf], each.with_gains(gains)[0][leaf]
    tolerance, tensor = each.tolerance[leaf], f"the gradient of {leaf}"
    if not np.isfinite(got).all():
        return _said("gradient-not-finite", tensor=tensor)
    if not got.any():
        return _said("parameter-detached", leaf=leaf)
    parts = by_pool(leaf, each.cbam, each.x, each.dy)
    wrong = Wrong(leaf, got, expected, tolerance, arguments={"x": each.x})
    lost = [pool for pool, part in parts.items() if part.any() and wrong.fits(expected - part)]
    if lost:
        # A bias gets as much from each.
        one = f"from the {lost[0]} descriptor" if len(lost) == 1 else "from one of the descriptors"
        return _said("shared-weight-half", leaf=leaf, which=one)
    if (ratio := multiple_of(got, expected, tolerance)) is not None:
        return _said("gradient-scaled", tensor=tensor, times=times(ratio))
    found = diagnose([wrong])
    if found is None:
        return _said("gradient-wrong", tensor=tensor)
    code = "gradient-transposed" if found.code == "transposed" else "gradient-explained"
    return _said(code, leaf=leaf, what=found.sentence.removeprefix(f"{leaf} "))


def _said(code: str, **words: object) -> tuple[str, str]:
    return code, rule(code).sentence.format(**words)


def explains(gains: Gains, leaf: str, each: Pulled) -> bool:
    """Tell whether the gains that explain dx explain a parameter's gradient too."""
    # What flows more often than it should rounds more.
    tolerance = max([1.0, *map(abs, gains.values())]) * each.tolerance[leaf]
    wrong = Wrong("", each.dparams[leaf], each.expected[0][leaf], tolerance)
    return wrong.fits(each.with_gains(gains)[0][leaf])


def _floored(tolerance: Array) -> Array:
    """Return tolerances to divide by: none is 0, nor much smaller than the others."""
    most = float(tolerance[np.isfinite(tolerance)].max(initial=0)) or 1.0
    floored: Array = np.maximum(tolerance, 1e-3 * most)
    return floored
