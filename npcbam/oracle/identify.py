"""Which row of each table does the candidate follow? Stage by stage, by setting its parameters.

With the kernel at zero the spatial map is one constant, so that only the channel gate is left to
tell; with the last layer of the MLP at zero the channel map is one constant. What is done with both
is read off last, with all weights in place. The search is a sum over the tables and no product.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam.checks import Array
from npcbam.oracle.hypotheses import (
    CHANNEL,
    CHANNEL_PAPER,
    COMPOSE,
    GATES,
    SPATIAL,
    SPATIAL_PAPER,
    Row,
    Run,
    Stages,
    channel_logits,
    channel_map,
    spatial_logits,
    spatial_map,
)
from npcbam.oracle.planes import rows_of_planes

# Of the largest entry. In float64 sums in another order part by 1e-14, and any other row by 1e-6.
CLOSE = {"float64": 1e-9, "float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}
# Where no row fits so closely: half a precision or an approximate function may hide in the block.
LOOSE = (1e-6, 5e-3)
# What a gate gives for a logit of 0; 1/4 and 3 from two gates multiplied and summed with more.
NEUTRAL = sorted({float(gate(np.zeros((1, 1)))[0, 0]) for gate in GATES.values()} | {0.25, 3.0})
COSTS = {"faithful": 0, "variant": 10, "wrong": 1000}
USUAL = (
    *("channel-first", "residual", "channel-only", "channel-only-residual", "spatial-reads-input"),
    *("spatial-first", "spatial-first-residual", "parallel", "parallel-residual", "maps-added"),
)


@dataclass(frozen=True)
class Choice:
    """One row of a table, or two at once, merged."""

    rows: tuple[Row, ...]
    axes: Mapping[str, Any]

    @property
    def cost(self) -> int:
        """How far from the paper: wrong rows weigh most."""
        return sum(COSTS[row.status] for row in self.rows)


@dataclass(frozen=True)
class Reading:
    """What the candidate computes: a choice for either stage, and a composition."""

    channel: Choice | None
    spatial: Choice | None
    compose: str | None

    @property
    def known(self) -> bool:
        """Whether every stage was recognised."""
        return None not in (self.channel, self.spatial, self.compose)

    @property
    def wrong(self) -> bool:
        """Whether a stage that was recognised is wrong."""
        compose = COSTS[COMPOSE[self.compose][0]] if self.compose else 0
        costs = [choice.cost for choice in (self.channel, self.spatial) if choice is not None]
        return max(compose, *costs, 0) >= COSTS["wrong"]

    def predict(self, weights: Mapping[str, Array], x: Array) -> Array:
        """Return the y of this reading."""
        assert self.channel is not None
        assert self.spatial is not None
        assert self.compose is not None
        both = stages(self.channel.axes, self.spatial.axes, weights)
        y: Array = COMPOSE[self.compose][2](x, both)
        return y


def stages(channel: Mapping[str, Any], spatial: Mapping[str, Any], weights: Any) -> Stages:
    """Return both maps as functions, each computed once for each of its inputs."""
    (mc, zc), (ms, zs) = _gates(channel, weights), _gates(spatial, weights)
    return Stages(mc, ms, zc, zs)


def _gates(axes: Mapping[str, Any], weights: Any) -> list[Callable[[Array], Array]]:
    """Return a map and its logits, as functions that remember what they gave."""
    seen: dict[tuple[Callable[..., Array], np.dtype[Any], int], Array] = {}

    def once(f: Callable[..., Array]) -> Callable[[Array], Array]:
        def remembered(x: Array) -> Array:
            # Most compositions give a map the same numbers in an array of their own.
            key = (f, x.dtype, hash((x.shape, x.tobytes())))
            if key not in seen:
                seen[key] = f(axes, weights, x)
            return seen[key]

        return remembered

    of_channel = "mlps" in axes
    both = (channel_map, channel_logits) if of_channel else (spatial_map, spatial_logits)
    return [once(f) for f in both]


def choices(table: Sequence[Row], paper: Mapping[str, Any], pairs: bool) -> Iterator[Choice]:
    """Yield the rows of a table, or all pairs of rows that set different axes."""
    if not pairs:
        for row in table:
            yield Choice((row,), {**paper, **row.sets})
        return
    for one, two in itertools.combinations(table, 2):
        if one.sets and two.sets and not set(one.sets) & set(two.sets):
            yield Choice((one, two), {**paper, **one.sets, **two.sets})


@dataclass(frozen=True)
class Effort:
    """How far a search goes: single rows or pairs of them, which compositions, which constants.

    `room` is how far apart two outputs are that count as one.
    """

    pairs: bool
    compositions: tuple[str, ...]
    constants: tuple[float, ...]
    room: float = CLOSE["float64"]

    @property
    def widest(self) -> bool:
        """Whether all compositions are tried, or pairs of rows."""
        return self.pairs or len(self.compositions) == len(COMPOSE)


def efforts(positions: int, channels: int, depth: str, room: float) -> Iterator[Effort]:
    """Yield ever wider searches: nearly all candidates end with the first."""
    usual = tuple(name for name in COMPOSE if name in USUAL)
    yield Effort(False, usual, (0.5,), room)
    if depth == "quick":
        return
    yield Effort(False, tuple(COMPOSE), (0.5,), room)
    yield Effort(False, usual, (*NEUTRAL, 1 / positions, 1 / channels), room)
    if depth == "deep":
        yield Effort(True, usual[:2], (0.5, 1.0, 0.0), room)


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
    seen = _look(run, weights, x)
    if not all(np.isfinite(y).all() for y in (seen.channel, seen.spatial, seen.whole)):
        return Reading(None, None, None)
    channels: list[Choice] = []
    spatials: list[Choice] = []
    plain = _benign(True), _benign(False)
    of_space = (*SPATIAL, *fitted(seen, x, False), *fitted_eps(seen, x))
    of_space = (*of_space, *rows_of_planes(run, seen.flat, x, room))
    known = {True: (*CHANNEL, *fitted(seen, x, True)), False: of_space}
    tried = 0, 0
    for effort in efforts(seen.few[0, 0].size, x.shape[1], depth, room):
        if effort.pairs and not channels and not spatials:
            break
        if not channels:
            channels = list(_explain(known[True], True, seen.channel, seen.calm, seen.few, effort))
        if depth == "quick" and not channels:
            break
        if "k" not in weights:
            spatials = [Choice((SPATIAL[0],), SPATIAL_PAPER)]
        elif not spatials:
            fits = _explain(known[False], False, seen.spatial, seen.flat, x, effort)
            spatials = [choice for choice in fits if _has_eps(choice) != seen.divides]
        if depth == "quick" and not (channels and spatials):
            break
        # What nothing explains alone may show beside the other stage, or be right but out of sight.
        guesses = [(*plain, tuple(COMPOSE))] if depth != "quick" else []
        # One that all compositions were tried with already need not be tried again.
        fresh = (len(channels), len(spatials)) != tried
        if (channels and spatials) or (fresh and (channels or spatials) and effort.widest):
            tried = len(channels), len(spatials)
            guess = (channels or _single(True), spatials or _single(False))
            guesses.insert(0, (*guess, effort.compositions))
        for of_channel, of_spatial, names in guesses:
            found = _compose(seen.whole, of_channel, of_spatial, weights, x, names, room)
            if found is not None:
                return found
        plain = [], []
    return Reading(_nearest(channels), _nearest(spatials), None)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the candidate gave: each stage alone, and the whole.

    `divides` tells whether it divides 0 by 0 where the norm's variance is 0, None without a norm.
    """

    calm: Mapping[str, Array]
    flat: Mapping[str, Array]
    divides: bool | None
    few: Array
    channel: Array
    spatial: Array
    whole: Array


def _look(run: Run, weights: Mapping[str, Array], x: Array) -> _Seen:
    calm, flat = without_spatial(weights), without_channel(weights)
    # Without the kernel every position is alike: a few of them, with all signs and sizes, will do.
    few = np.ascontiguousarray(x[(slice(None), slice(None), *[slice(3)] * (x.ndim - 2))])
    try:
        channel = run(calm, few)
    except Exception:
        # A block that takes maps of one size alone.
        few, channel = x, run(calm, x)
    divides = None
    if "var" in weights:
        with np.errstate(all="ignore"):
            divides = not np.isfinite(run({**calm, "var": 0 * weights["var"]}, x)).all()
    return _Seen(calm, flat, divides, few, channel, run(flat, x), run(weights, x))


def _has_eps(choice: Choice) -> bool:
    """Tell whether the norm has an eps, or none matters."""
    return bool(choice.axes["eps"] or choice.axes["norm"] == "ignored")


def _nearest(found: Sequence[Choice]) -> Choice | None:
    return min(found, key=lambda choice: choice.cost, default=None)


def _single(of_channel: bool) -> list[Choice]:
    return [*choices(*_tables(of_channel), pairs=False)]


def _tables(of_channel: bool) -> tuple[Sequence[Row], Mapping[str, Any]]:
    return (CHANNEL, CHANNEL_PAPER) if of_channel else (SPATIAL, SPATIAL_PAPER)


def _benign(of_channel: bool) -> list[Choice]:
    return [choice for choice in _single(of_channel) if choice.cost < COSTS["wrong"]]


def fitted(seen: _Seen, x: Array, of_channel: bool) -> Iterator[Row]:
    """Yield the rows with a number in them that is read off: by what the logits are multiplied."""
    name, y, weights = "spatial", seen.spatial, seen.flat
    if of_channel:
        name, y, weights, x = "channel", seen.channel, seen.calm, seen.few
    paper = _tables(of_channel)[1]
    for choice in _benign(of_channel):
        if "k" not in weights or not fits_weights(choice, weights):
            continue
        # The other gate, now a constant, may come first; and x may be added.
        for gated, read in itertools.product((y, y - x), (x, x / 2)):
            z = (channel_logits if of_channel else spatial_logits)(choice.axes, weights, read)
            factor = _factor(np.broadcast_to(z, x.shape), gated / (x / 2))
            if factor is not None and abs(factor - 1) > 1e-3:
                said = f"the {name} logits are multiplied by {factor:.6g} before the sigmoid"
                sets = {axis: v for axis, v in choice.axes.items() if v != paper[axis]}
                yield Row(f"{name}-temperature", "wrong", said, {**sets, "factor": factor})


def fitted_eps(seen: _Seen, x: Array) -> Iterator[Row]:
    """Yield the rows of a norm with an eps of its own, which is read off."""
    if "var" not in seen.flat or "k" not in seen.flat:
        return
    var, beta = seen.flat["var"], seen.flat.get("beta", 0)
    for choice in _benign(False):
        if not fits_weights(choice, seen.flat):
            continue
        for gated, read in itertools.product((seen.spatial, seen.spatial - x), (x, x / 2)):
            # Without beta, the logits are those of a variance of 1 over the root of what it is.
            plain = {**seen.flat, "beta": 0 * var, "var": 1 + 0 * var}
            z = spatial_logits({**choice.axes, "eps": 0.0}, plain, read)
            factor = _factor(np.broadcast_to(z, x.shape), gated / (x / 2), beta)
            eps = 0.0 if not factor else float(f"{(factor**-2 - var).item():.3g}")
            if 1e-13 < eps <= 0.1:
                sets = {"pools": choice.axes["pools"], "eps": eps}
                said = f"planes {list(sets['pools'])}, and the norm has eps {eps:g}"
                yield Row("spatial-eps", choice.rows[0].status, said, sets)


def _factor(z: Array, gate: Array, added: Array | float = 0.0) -> float | None:
    """Return t where the gate is the sigmoid of t z + `added`, None if it is of no t."""
    with np.errstate(all="ignore"):
        scaled = np.log(gate / (1 - gate)) - np.reshape(added, -1)
        factor = float(np.median(scaled / z))
        fits = np.abs(scaled - factor * z).max() <= 1e-6 * np.abs(scaled).max()
    return factor if fits else None


def without_spatial(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights with which the spatial map is one constant."""
    nought = {"k", "kb", "beta", "mean"}
    return {name: 0 * w if name in nought else w for name, w in weights.items()}


def without_channel(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights with which the channel map is one constant."""
    last = ("w1", "b1") if "w1" in weights else ("w0", "b0")
    return {name: 0 * w if name.rstrip("'") in last else w for name, w in weights.items()}


def close(got: Array, expected: Array, room: float = CLOSE["float64"]) -> bool:
    """Tell whether two outputs agree but for rounding."""
    if got.shape != expected.shape:
        return False
    with np.errstate(invalid="ignore"):
        gap = np.abs(got - expected).max(initial=0)
    return bool(gap <= room * max(np.abs(expected).max(initial=0), 1e-300))


def _explain(
    table: Sequence[Row],
    of_channel: bool,
    y: Array,
    weights: Mapping[str, Array],
    x: Array,
    effort: Effort,
) -> Iterator[Choice]:
    """Yield what of a table explains y where the other map is a constant."""
    paper = _tables(of_channel)[1]
    for choice in choices(table, paper, effort.pairs):
        if fits_weights(choice, weights):
            axes = (choice.axes, SPATIAL_PAPER) if of_channel else (CHANNEL_PAPER, choice.axes)
            s = stages(axes[0], axes[1], weights)
            constants = (1.0,) if "k" not in weights else effort.constants
            mixed = (_fixed(s, constant, of_channel) for constant in constants)
            alone, names = not _mixes(choice), effort.compositions
            if any(_gives(name, m, x, y, effort.room, alone) for m in mixed for name in names):
                yield choice


def _mixes(choice: Choice) -> bool:
    """Tell whether samples influence each other in a row."""
    return str(choice.axes.get("norm")).startswith("batch")


def _gives(name: str, s: Stages, x: Array, y: Array, room: float, alone: bool) -> bool:
    """Tell whether a composition gives y; where samples stand alone, the first tells it sooner."""
    compose = COMPOSE[name][2]
    # Its largest entry is smaller than that of all.
    if alone and not close(y[:1], compose(x[:1], s), 8 * room):
        return False
    return close(y, compose(x, s), room)


def _fixed(s: Stages, constant: float, of_channel: bool) -> Stages:
    """Return the stages with the other map a constant, and its logits 0."""

    def flat(value: float) -> Callable[[Array], Array]:
        return lambda f: np.full((f.shape[0], *[1] * (f.ndim - 1)), value, f.dtype)

    if of_channel:
        return Stages(s.mc, flat(constant), s.zc, flat(0))
    return Stages(flat(constant), s.ms, flat(0), s.zs)


def _compose(
    y: Array,
    channels: Sequence[Choice],
    spatials: Sequence[Choice],
    weights: Mapping[str, Array],
    x: Array,
    names: Sequence[str],
    room: float,
) -> Reading | None:
    """Return the reading nearest to the paper that gives y with all weights in place."""
    fits = []
    fit_c, fit_s = (
        [(choice, _gates(choice.axes, weights)) for choice in few if fits_weights(choice, weights)]
        for few in (channels, spatials)
    )
    for (channel, (mc, zc)), (spatial, (ms, zs)) in itertools.product(fit_c, fit_s):
        s, alone = Stages(mc, ms, zc, zs), not _mixes(spatial)
        for name in names:
            if name.startswith("channel-only") == ("k" in weights):
                continue
            if _gives(name, s, x, y, room, alone):
                cost = channel.cost + spatial.cost + COSTS[COMPOSE[name][0]]
                fits.append((cost, Reading(channel, spatial, name)))
    return min(fits, key=lambda fit: fit[0], default=(0, None))[1]


def fits_weights(choice: Choice, weights: Mapping[str, Array]) -> bool:
    """Tell whether the row has the parameters that it needs, and uses those that are there."""
    axes = choice.axes
    if "mlps" in axes:
        have = (
            "none" if "w0" not in weights
            else "single" if "w1" not in weights
            else "separate" if "w0'" in weights
            else "shared"
        )  # fmt: skip
        biased = axes["b1"] == CHANNEL_PAPER["b1"] or "b1" in weights
        return biased and have == str(axes["mlps"]).replace("swapped", "separate")
    if "k" not in weights:
        return dict(axes) == SPATIAL_PAPER
    planes = len(axes["pools"])
    norm = axes["norm"] == "running" and axes["eps"] == SPATIAL_PAPER["eps"]
    return bool(weights["k"].shape[1] == planes and (norm or "mean" in weights))
