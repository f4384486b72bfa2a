"""A reading: a way to compute each stage, and how the maps are composed; and its y."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Finding
from npcbam.oracle.precision import CLOSE
from npcbam.oracle.rules.block import Block
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.composition import Maps
from npcbam.oracle.rules.rule import COSTS, FAITHFUL, WRONG, Weights
from npcbam.oracle.rules.stage import Composition, Way


@dataclass(frozen=True, eq=False)
class Reading:
    """What the candidate computes.

    Attributes
    ----------
    block : what it is read as
    ways : of each stage that is known, by name
    composition : what is done with the maps, None if that is not known
    """

    block: Block
    ways: Mapping[str, Way]
    composition: Composition | None = None

    @property
    def known(self) -> bool:
        """Whether every stage was recognised."""
        return self.composition is not None and len(self.ways) == len(self.block.stages)

    @property
    def parts(self) -> int:
        """How many of the stages and the composition were recognised."""
        return len(self.ways) + (self.composition is not None)

    @property
    def wrong(self) -> bool:
        """Whether a part that was recognised is wrong."""
        costs = [way.cost for way in self.ways.values()]
        return max([*costs, self.composition.cost if self.composition else 0]) >= COSTS[WRONG]

    @property
    def residual(self) -> bool:
        """Whether x is added to the output."""
        return self.composition is not None and self.composition.residual

    def maps(self, weights: Weights) -> Maps:
        """Return the maps of the known stages as functions of features; the others are 1."""
        gates = {k: gate for way in self.ways.values() for k, gate in way.gates(weights).items()}
        return self.block.maps(gates)

    def predict(self, weights: Weights, x: Array, shape: tuple[int, ...] | None = None) -> Array:
        """Return the y of a reading that is known; of a map alone in the `shape` that it has."""
        assert self.composition is not None
        y = self.composition(x, self.maps(weights))
        return y if shape is None else y[tuple(slice(size) for size in shape)]

    def stated(self) -> Iterator[tuple[Finding, list[Reading]]]:
        """Yield what sets it apart, each with the readings in which that is put right."""
        for name, way in self.ways.items():
            for each in way.rules:
                if each.status != FAITHFUL:
                    ways = way.put_right(each.sets)
                    yield each.finding(), [self._with(name, other) for other in ways]
        if self.composition is None:
            return
        paper, rule_of_it = self.block.compositions[0].rule, self.composition.rule
        # A rule that settles whether x is added may be either way when it is put right.
        added = (False, True) if "residual" in rule_of_it.sets else (self.composition.residual,)
        right = [replace(self, composition=Composition(paper, each)) for each in added]
        if self.composition.rule.status != FAITHFUL:
            yield self.composition.rule.finding(), right
        if self.composition.residual:
            yield rule("residual").finding(), []

    def _with(self, name: str, way: Way) -> Reading:
        return replace(self, ways={**self.ways, name: way})


def close(got: Array, expected: Array, tolerance: float = CLOSE["float64"]) -> bool:
    """Tell whether two outputs agree but for rounding."""
    if got.shape != expected.shape:
        return False
    with np.errstate(invalid="ignore"):
        gap = np.abs(got - expected).max(initial=0)
    return bool(gap <= tolerance * max(np.abs(expected).max(initial=0), 1e-300))
