"""A stage of a block: one map, what the paper says of it, and what is known otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.composition import Gate, Maps
from npcbam.oracle.rules.rule import COSTS, FAITHFUL, VARIANT, WRONG, Axes, Rule, Weights, counted

Computed: TypeAlias = Callable[[Axes, Weights, Array], Array]


@dataclass(frozen=True, eq=False)
class Stage:
    """One map of a block.

    Attributes
    ----------
    name : "channel" or "spatial"
    symbol : of its map and its logits among `Maps`, "c" for mc and zc
    paper : the axes on which it can be computed otherwise, as the paper has them
    rules : what is known of them
    numbered : those of the rules whose number is read off
    logits : what goes into its gate, from axes, weights and features
    gate : the map, from axes and logits
    fits : whether axes have the weights that they need, and use those that are there
    silenced : the weights with which the map is one constant
    shown : the weights with which all shows of it that a gate of usual size may hide
    everywhere : whether the map is the same at all positions, so that few of them will do
    """

    name: str
    symbol: str
    paper: Axes
    rules: tuple[Rule, ...]
    numbered: tuple[Rule, ...]
    logits: Computed
    gate: Callable[[Axes, Array], Array]
    fits: Callable[[Axes, Weights], bool]
    silenced: Callable[[Weights], dict[str, Array]]
    shown: Callable[[Weights], dict[str, Array]]
    everywhere: bool

    def map(self, axes: Axes, weights: Weights, x: Array) -> Array:
        """Return the map of features."""
        return self.gate(axes, self.logits(axes, weights, x))

    def way(self, *rules: Rule) -> Way:
        """Return the way that some rules settle, on the axes that they set."""
        axes = dict(self.paper)
        for rule in rules:
            axes |= rule.sets
        return Way(self, rules, axes)

    def singly(self) -> list[Way]:
        """Return the way of each rule by itself."""
        return [self.way(rule) for rule in self.rules]


@dataclass(frozen=True, eq=False)
class Way:
    """A way to compute a stage: some rules, and the axes that they settle."""

    stage: Stage
    rules: tuple[Rule, ...]
    axes: Axes

    @property
    def cost(self) -> int:
        """How far from the paper: what is wrong weighs most."""
        return sum(COSTS[rule.status] for rule in self.rules)

    @property
    def benign(self) -> bool:
        """Whether nothing of it is wrong."""
        return self.cost < COSTS[WRONG]

    @property
    def mixes(self) -> bool:
        """Whether samples influence each other."""
        return str(self.axes.get("norm")).startswith("batch")

    def fits(self, weights: Weights) -> bool:
        """Tell whether it has the weights that it needs, and uses those that are there."""
        return self.stage.fits(self.axes, weights)

    def gates(self, weights: Weights) -> dict[str, Gate]:
        """Return its map and logits by the names of `Maps`; they remember what they gave."""
        stage, axes = self.stage, self.axes
        logits = _once(lambda x: stage.logits(axes, weights, x))
        gate = _once(lambda x: stage.gate(axes, logits(x)))
        return {f"m{stage.symbol}": gate, f"z{stage.symbol}": logits}

    def put_right(self, axes: Collection[str]) -> Iterator[Way]:
        """Yield the ways in which some axes are as the paper has them, in any order of planes."""
        right = dict(self.axes) | {axis: self.stage.paper[axis] for axis in axes}
        yield Way(self.stage, (), right)
        if "pools" in axes:
            yield Way(self.stage, (), right | {"pools": right["pools"][::-1]})


@dataclass(frozen=True, eq=False)
class Composition:
    """What is done with the maps, and whether x is then added."""

    rule: Rule
    residual: bool = False

    @property
    def cost(self) -> int:
        """How far from the paper."""
        return COSTS[self.rule.status] + COSTS[VARIANT] * self.residual

    def __call__(self, x: Array, maps: Maps) -> Array:
        """Return y (N, C, *S) of x and both maps."""
        return self.added(self.made(x, maps), x)

    def made(self, x: Array, maps: Maps) -> Array:
        """Return y before x is added, which compositions with and without it share."""
        assert self.rule.made is not None
        y: Array = self.rule.made(x, maps)
        return y

    def added(self, y: Array, x: Array) -> Array:
        """Return y with x added, where it is."""
        return y + x if self.residual else y


def computed(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules that say how a map is computed, those with a number for usual ones."""
    every = (rule for rule in counted(rules) if rule.parameter is None)
    return tuple(rule for rule in every if rule.sets or rule.status == FAITHFUL)


def numbered(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return the rules whose number is read off."""
    return tuple(rule for rule in rules if rule.parameter is not None and rule.parameter.solved)


def constant(values: Collection[float]) -> Gate:
    """Return a map that is one number, or one for each of the samples."""

    def flat(f: Array) -> Array:
        return np.reshape([*values], (-1, *[1] * (f.ndim - 1))).astype(f.dtype)

    return flat


def _once(f: Gate) -> Gate:
    """Return a map that is computed once for each input."""
    seen: dict[tuple[np.dtype[Any], int], Array] = {}

    def remembered(x: Array) -> Array:
        # Most compositions give a map the same numbers in an array of their own.
        key = x.dtype, hash((x.shape, x.tobytes()))
        if key not in seen:
            seen[key] = f(x)
        return seen[key]

    return remembered
