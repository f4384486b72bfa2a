"""One gate alone: with the weights of the other at zero, that one's map is a constant.

What of a table explains what is left is looked for in every composition, with every constant that a
gate may give for logits of 0. Compositions that then come to the same are tried once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.identification.reading import (
    Choice,
    choices,
    close,
    fits_weights,
    stages,
    tables,
)
from npcbam.oracle.rules import CHANNEL_PAPER, COMPOSE, GATES, SPATIAL_PAPER, Row, Run, Stages

# What a gate gives for a logit of 0; 1/4 and 3 from two gates multiplied and summed with more.
NEUTRAL = sorted({float(gate(np.zeros((1, 1)))[0, 0]) for gate in GATES.values()} | {0.25, 3.0})
# By what logits before a norm are multiplied, so that none of its usual eps is lost beside them.
SMALL = 2.0**-5
USUAL = (
    *("channel-first", "residual", "channel-only", "channel-only-residual", "spatial-reads-input"),
    *("spatial-first", "spatial-first-residual", "parallel", "parallel-residual", "maps-added"),
)


@dataclass(frozen=True)
class Effort:
    """How far a search goes: single rows or pairs of them, which compositions, which constants."""

    pairs: bool
    compositions: tuple[str, ...]
    constants: tuple[float, ...]

    @property
    def widest(self) -> bool:
        """Whether all compositions are tried, or pairs of rows."""
        return self.pairs or len(self.compositions) == len(COMPOSE)


@dataclass(frozen=True, eq=False)
class Seen:
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


def look(run: Run, weights: Mapping[str, Array], x: Array) -> Seen:
    """Run the candidate with either gate alone, and as it is."""
    calm, flat = without_spatial(weights), small(without_channel(weights))
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
    return Seen(calm, flat, divides, few, channel, run(flat, x), run(weights, x))


def constants(seen: Seen, x: Array) -> tuple[float, ...]:
    """Return what a map may be where its logits are 0; without a kernel there is no other map."""
    shares = 1 / seen.few[0, 0].size, 1 / x.shape[1]
    return (*NEUTRAL, *shares) if "k" in seen.calm else (1.0,)


def efforts(seen: Seen, x: Array, depth: str) -> Iterator[Effort]:
    """Yield ever wider searches: nearly all candidates end with the first."""
    usual, every = tuple(name for name in COMPOSE if name in USUAL), constants(seen, x)
    half = (0.5,) if "k" in seen.calm else every
    yield Effort(False, usual, half)
    if depth == "quick":
        return
    yield Effort(False, tuple(COMPOSE), half)
    yield Effort(False, usual, every)
    if depth == "deep":
        if "k" in seen.calm:
            yield Effort(True, usual[:2], (0.5, 1.0, 0.0))
        else:
            alone = tuple(name for name in usual if name.startswith("channel-only"))
            yield Effort(True, alone, every)


def without_spatial(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights with which the spatial map is one constant."""
    nought = {"k", "kb", "beta", "mean"}
    return {name: 0 * w if name in nought else w for name, w in weights.items()}


def without_channel(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights with which the channel map is one constant."""
    last = last_layer(weights)
    return {name: 0 * w if name.rstrip("'") in last else w for name, w in weights.items()}


def small(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights with logits before a norm so small that its eps shows in the map."""
    if "var" not in weights:
        return dict(weights)
    powers = {"k": 1, "kb": 1, "mean": 1, "var": 2}
    return {name: SMALL ** powers.get(name, 0) * w for name, w in weights.items()}


def last_layer(weights: Mapping[str, Array]) -> tuple[str, str]:
    """Return the keys of the MLP's last layer, and of its bias."""
    return ("w1", "b1") if "w1" in weights else ("w0", "b0")


@dataclass(frozen=True)
class Fit:
    """A choice that explains what is seen of one gate, and the compositions in which it does."""

    choice: Choice
    compositions: Collection[str] = tuple(COMPOSE)


def ways(
    of_channel: bool, effort: Effort, known: set[tuple[float, ...]]
) -> list[tuple[str, list[float]]]:
    """Return the compositions with those constants that make them another formula than all before.

    Parameters
    ----------
    known : what the formulas tried before give, to which the new ones are added
    """
    found = []
    for name in effort.compositions:
        fresh = []
        for constant in effort.constants:
            seen = _formula(name, constant, of_channel)
            if seen not in known:
                fresh.append(constant)
            known.add(seen)
        if fresh:
            found.append((name, fresh))
    return found


@functools.lru_cache(maxsize=4096)
def _formula(name: str, constant: float, of_channel: bool) -> tuple[float, ...]:
    """Return what a composition gives for a gate of no meaning: like a name of its formula."""

    def gate(f: Array) -> Array:
        return np.asarray(np.cos(f + 0.3))

    def logits(f: Array) -> Array:
        return np.asarray(np.sin(2 * f))

    s = fixed(Stages(gate, gate, logits, logits), (constant,), of_channel)
    y = COMPOSE[name][2](np.linspace(-2.1, 1.7, 6).reshape(1, 6, 1), s)
    return tuple(np.round(y, 9).ravel().tolist())


class Alone:
    """What a candidate gave with one gate alone, on `x` with `weights`: `y`."""

    def __init__(self, seen: Seen, x: Array, of_channel: bool, room: float) -> None:
        self.of_channel, self.room = of_channel, room
        self.y, self.weights, self.x = seen.spatial, seen.flat, x
        if of_channel:
            self.y, self.weights, self.x = seen.channel, seen.calm, seen.few
        self.constants = constants(seen, x)
        self.known: set[tuple[float, ...]] = set()

    def explain(self, table: Sequence[Row], effort: Effort) -> Iterator[Fit]:
        """Yield what of a table explains y where the other map is a constant."""
        # What was tried with single rows is not tried again, but with pairs of them.
        several = ways(self.of_channel, effort, set() if effort.pairs else self.known)
        for choice in choices(table, tables(self.of_channel)[1], effort.pairs):
            if fits_weights(choice, self.weights):
                s = self._stages(choice)
                fits = any(self._gives(*way, s, choice) for way in several)
                if fits and not self._saturates(s):
                    yield Fit(choice, self._compositions(s, choice))

    def _stages(self, choice: Choice) -> Stages:
        if self.of_channel:
            return stages(choice.axes, SPATIAL_PAPER, self.weights)
        return stages(CHANNEL_PAPER, choice.axes, self.weights)

    def _saturates(self, s: Stages) -> bool:
        """Tell whether the map is one number, which any gate that is never applied looks like."""
        gate = (s.mc if self.of_channel else s.ms)(self.x)
        return gate.size > 1 and not np.ptp(gate)

    def _compositions(self, s: Stages, choice: Choice) -> list[str]:
        """Return the compositions that explain y with any constant, as far as one sample tells."""
        return [name for name in COMPOSE if self._near(name, self.constants, s, choice)]

    def _gives(self, name: str, several: Sequence[float], s: Stages, choice: Choice) -> bool:
        near = self._near(name, several, s, choice)
        return any(close(self.y, self._y(name, s, (c,), self.x), self.room) for c in near)

    def _near(
        self, name: str, several: Sequence[float], s: Stages, choice: Choice
    ) -> Sequence[float]:
        """Return the constants with which the first sample agrees: all are tried at once."""
        if mixes(choice):
            return several
        got, over = self._y(name, s, several, self.x[:1]), tuple(range(1, self.x.ndim))
        with np.errstate(invalid="ignore"):
            gap = np.abs(got - self.y[:1]).max(axis=over)
        # Its largest entry is smaller than that of all.
        near = gap <= 8 * self.room * np.maximum(np.abs(got).max(axis=over), 1e-300)
        near = np.broadcast_to(near, len(several))
        return [c for c, fits in zip(several, near, strict=True) if fits]

    def _y(self, name: str, s: Stages, several: Sequence[float], x: Array) -> Array:
        return COMPOSE[name][2](x, fixed(s, several, self.of_channel))


def mixes(choice: Choice) -> bool:
    """Tell whether samples influence each other in a row."""
    return str(choice.axes.get("norm")).startswith("batch")


def fixed(s: Stages, several: Sequence[float], of_channel: bool) -> Stages:
    """Return the stages with the other map a constant, and its logits 0.

    With several constants one sample is tried with all of them.
    """

    def flat(values: Sequence[float]) -> Callable[[Array], Array]:
        return lambda f: np.reshape(values, (-1, *[1] * (f.ndim - 1))).astype(f.dtype)

    if of_channel:
        return Stages(s.mc, flat(several), s.zc, flat([0.0]))
    return Stages(flat(several), s.ms, flat([0.0]), s.zs)
