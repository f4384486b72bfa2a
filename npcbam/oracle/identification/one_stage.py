"""One stage alone: with the weights of the others silenced, their maps are constants.

The rules that explain what is left are looked for in every composition, with every constant that a
gate may give for logits of 0. Compositions that then come to the same are tried once.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.identification.reading import close
from npcbam.oracle.rules.block import CBAM, Block
from npcbam.oracle.rules.composition import Gate, Maps
from npcbam.oracle.rules.rule import Run, Weights
from npcbam.oracle.rules.stage import Composition, Stage, Way, constant

Formula = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Effort:
    """How far a search goes: which compositions, which constants, which rules.

    Single ones; those whose `numbers` are read off; or `several` at once.
    """

    compositions: tuple[Composition, ...]
    constants: tuple[float, ...]
    numbers: bool = False
    several: bool = False


@dataclass(frozen=True, eq=False)
class Fit:
    """A way that explains what is seen of a stage, and whether it does so in a composition."""

    way: Way
    within: Callable[[Composition], bool]


@dataclass(frozen=True, eq=False)
class _Gated:
    """A way with its gates, and what compositions made of the first sample, by code and constants.

    A composition with x added makes the same as without.
    """

    way: Way
    gates: dict[str, Gate]
    made: dict[tuple[object, ...], Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Alone:
    """What the candidate gave with one stage alone.

    Attributes
    ----------
    block, stage : what it is read as, and the stage that was not silenced
    weights, x, y : what was given and what came
    constants : what the other maps may be
    tolerance : how far apart, of the largest entry, two outputs are that count as one
    divides : whether 0 is divided by 0 where the norm's variance is 0, None without a norm
    """

    block: Block
    stage: Stage
    weights: Weights
    x: Array
    y: Array
    constants: tuple[float, ...]
    tolerance: float
    divides: bool | None = None

    def explained(self, ways: Iterable[Way], effort: Effort, tried: set[Formula]) -> Iterator[Fit]:
        """Yield what explains y where the other maps are constants, in formulas not yet tried."""
        fresh = self._fresh(effort, tried)
        for way in ways:
            if not way.fits(self.weights) or self.divides not in (None, _divides(way)):
                continue
            gated = _Gated(way, way.gates(self.weights))
            fits = any(self._gives(*each, gated) for each in fresh)
            if fits and not self._saturates(gated):
                yield Fit(way, functools.cache(functools.partial(self._within, gated)))

    def seen(self, y: Array) -> Iterator[tuple[Array, Array, Array]]:
        """Yield what the map times a scale may be, that scale, and the features that it reads.

        Another stage, now a constant of one half, may come first or last; and x may be added.
        """
        x = self.x
        if len(self.block.stages) == 1:
            yield from ((y, x, x), (y - x, x, x), (y, np.ones_like(x), x))
        else:
            for gated, read in itertools.product((y, y - x), (x, x / 2)):
                yield gated, x / 2, read

    def _fresh(self, effort: Effort, known: set[Formula]) -> list[tuple[Composition, list[float]]]:
        """Return the compositions with the constants that make them formulas not tried before."""
        found = []
        for composition in effort.compositions:
            new = []
            for number in effort.constants:
                formula = _formula(self.block, composition, number, self.stage)
                if formula not in known:
                    new.append(number)
                known.add(formula)
            if new:
                found.append((composition, new))
        return found

    def _saturates(self, gated: _Gated) -> bool:
        """Tell whether the map is one number, which any gate that is never applied looks like."""
        gate = gated.gates[f"m{self.stage.symbol}"](self.x)
        return gate.size > 1 and not np.ptp(gate)

    def _within(self, gated: _Gated, composition: Composition) -> bool:
        """Tell whether it explains the first sample, with any constant."""
        return bool(self._near(composition, self.constants, gated))

    def _gives(self, composition: Composition, numbers: Sequence[float], gated: _Gated) -> bool:
        near = self._near(composition, numbers, gated)
        maps = (_maps(self.block, self.stage, gated.gates, [number]) for number in near)
        return any(close(self.y, composition(self.x, each), self.tolerance) for each in maps)

    def _near(
        self, composition: Composition, numbers: Sequence[float], gated: _Gated
    ) -> Sequence[float]:
        """Return the constants with which the first sample agrees: all are tried at once."""
        if gated.way.mixes:
            return numbers
        x, key = self.x[:1], (composition.rule.code, *numbers)
        if key not in gated.made:
            maps = _maps(self.block, self.stage, gated.gates, numbers)
            gated.made[key] = composition.made(x, maps)
        got = composition.added(gated.made[key], x)
        over = tuple(range(1, self.x.ndim))
        with np.errstate(invalid="ignore"):
            gap = np.abs(got - self.y[:1]).max(axis=over)
        # Its largest entry is smaller than that of all.
        near = gap <= 8 * self.tolerance * np.maximum(np.abs(got).max(axis=over), 1e-300)
        near = np.broadcast_to(near, len(numbers))
        return [c for c, fits in zip(numbers, near, strict=True) if fits]


def look(
    block: Block, run: Run, weights: Weights, x: Array, tolerance: float, *, shown: bool = True
) -> list[Alone]:
    """Run the candidate with each stage alone; `shown` with weights that let all of it show."""
    found = []
    for stage in block.stages:
        left = block.alone(stage, weights)
        left = stage.shown(left) if shown else left
        found.append(_look(block, stage, run, left, x, tolerance))
    return found


def _look(block: Block, stage: Stage, run: Run, left: Weights, x: Array, tolerance: float) -> Alone:
    seen = x
    if stage.everywhere and len(block.stages) > 1:
        # A few positions, with all signs and sizes; unless the block takes maps of one size alone.
        seen = np.ascontiguousarray(x[(slice(None), slice(None), *[slice(3)] * (x.ndim - 2))])
    try:
        y = run(left, seen)
    except Exception:
        seen, y = x, run(left, x)
    divides = None
    if stage.name == "spatial" and "var" in left:
        with np.errstate(all="ignore"):
            nought = stage.silenced(left) | {"var": 0 * left["var"]}
            divides = not np.isfinite(run(nought, x)).all()
    return Alone(block, stage, left, seen, y, constants(block, x, seen), tolerance, divides)


def constants(block: Block, *inputs: Array) -> tuple[float, ...]:
    """Return what the map of a stage may be where its logits are 0: 1 if there is no such stage."""
    if len(block.stages) < 2:
        return (1.0,)
    shares = [share for x in inputs for share in (1 / x[0, 0].size, 1 / x.shape[1])]
    return tuple(dict.fromkeys([*_neutral(), *shares]))


@functools.cache
def _neutral() -> tuple[float, ...]:
    """Return what each known gate gives for 0; 1/4 and 3 come of two multiplied, or summed."""
    nought = np.zeros((1, 1))
    gates = [stage.paper["gate"] for stage in CBAM.stages]
    gates += [r.sets["gate"] for stage in CBAM.stages for r in stage.rules if "gate" in r.sets]
    return tuple(sorted({float(gate(nought)[0, 0]) for gate in gates} | {0.25, 3.0}))


def _divides(way: Way) -> bool:
    """Tell whether 0 is divided by 0 where the norm's variance is 0."""
    return not way.axes.get("eps") and way.axes.get("norm") != "ignored"


def _maps(block: Block, stage: Stage, gates: dict[str, Gate], numbers: Sequence[float]) -> Maps:
    """Return the maps with the others constant, and their logits 0.

    With several numbers one sample is tried with all of them.
    """
    others = {f"m{s.symbol}": constant(numbers) for s in block.stages if s is not stage}
    return block.maps(others | gates)


@functools.lru_cache(maxsize=8192)
def _formula(block: Block, composition: Composition, number: float, stage: Stage) -> Formula:
    """Return what a composition gives for a gate of no meaning: like a name of its formula."""
    gates: dict[str, Gate] = {
        f"m{stage.symbol}": lambda f: np.asarray(np.cos(f + 0.3)),
        f"z{stage.symbol}": lambda f: np.asarray(np.sin(2 * f)),
    }
    x = np.linspace(-2.1, 1.7, 6).reshape(1, 6, 1)
    y = composition(x, _maps(block, stage, gates, [number]))
    return tuple(np.round(y, 9).ravel().tolist())
