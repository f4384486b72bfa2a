"""Which rule does each stage follow? Stage by stage, by setting the candidate's weights.

With one stage silenced its map is one constant, so that the other alone is left to tell; what is
done with both is read off last, with all weights in place. The search is a sum over the stages and
no product.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.identification.more_planes import rules_of_planes
from npcbam.oracle.identification.one_stage import Alone, Effort, Fit, look
from npcbam.oracle.identification.parameters import read_off
from npcbam.oracle.identification.reading import Reading, close
from npcbam.oracle.precision import CLOSE
from npcbam.oracle.rules.block import Block
from npcbam.oracle.rules.composition import Gate
from npcbam.oracle.rules.rule import FAITHFUL, VARIANT, WRONG, Rule, Run, Weights
from npcbam.oracle.rules.stage import Composition, Way

Fits = Mapping[str, Sequence[Fit]]


def identify(
    block: Block,
    run: Run,
    weights: Weights,
    x: Array,
    depth: str = "deep",
    tolerance: float = CLOSE["float64"],
) -> Reading:
    """Return what the candidate computes.

    Parameters
    ----------
    block : what it is read as
    run : y of the candidate for weights (by their keys) and an input
    weights : values in which nothing is 0 and no gate saturates
    x : an input on which no two rules agree, see `probing.inputs.telling`
    depth : "quick" for single rules in usual compositions, "wide" for all compositions, "deep" for
        several rules at once too
    tolerance : how far apart, of the largest entry, two outputs are that count as one
    """
    whole, seen = run(weights, x), look(block, run, weights, x, tolerance)
    if not all(np.isfinite(y).all() for y in (whole, *(each.y for each in seen))):
        return Reading(block, {})
    target = _Target(block, weights, x, whole, tolerance)
    singly = {each.stage.name: [*_singly(each, run)] for each in seen}
    found: dict[str, list[Fit]] = {each.stage.name: [] for each in seen}
    quick, tried, unseen = depth == "quick", [0 for _ in seen], True
    for effort in _efforts(block, seen, depth):
        # What no single rule explains of either stage, no two explain.
        if effort.several and len(seen) > 1 and not any(found.values()):
            break
        for each in seen:
            name = each.stage.name
            if not found[name]:
                ways = _several(each, singly[name]) if effort.several else singly[name]
                found[name] = [*each.explained(ways, effort)]
            if quick and not found[name]:
                return _nearest(block, found)
        guesses = []
        counts = [len(fits) for fits in found.values()]
        wide = effort.several or len(effort.compositions) == len(block.compositions)
        # One that all compositions were tried with already need not be tried again.
        if all(counts) or (any(counts) and counts != tried and wide):
            tried = counts
            guess = {s.name: found[s.name] or _free(block, s.singly()) for s in block.stages}
            guesses.append((guess, effort.compositions))
        if not quick and unseen:
            # What nothing explains alone may show beside the other stage, or be right, unseen.
            benign = {s.name: [w for w in s.singly() if w.benign] for s in block.stages}
            plain = {name: _free(block, several) for name, several in benign.items()}
            guesses.append((plain, block.compositions))
            unseen = False
        for guess, compositions in guesses:
            reading = target.read(guess, compositions)
            if reading is not None:
                return reading
    return _nearest(block, found)


def _efforts(block: Block, seen: Sequence[Alone], depth: str) -> Iterator[Effort]:
    """Yield ever wider searches: nearly all candidates end with the first."""
    usual = tuple(c for c in block.compositions if c.rule.code in block.usual)
    every = seen[0].constants
    half = (0.5,) if len(block.stages) > 1 else every
    yield Effort(usual, half)
    if depth == "quick":
        return
    yield Effort(block.compositions, half)
    yield Effort(usual, every)
    if depth == "deep":
        first = tuple(c for c in usual if c.rule.code == block.usual[0])
        yield Effort(first, (0.5, 1.0, 0.0) if len(block.stages) > 1 else every, several=True)


def _singly(each: Alone, run: Run) -> Iterator[Way]:
    """Yield the ways of single rules, and of numbers that are read off beside what is not wrong."""
    yield from each.stage.singly()
    if each.stage.name == "spatial":
        yield from map(each.stage.way, rules_of_planes(each, run))
    yield from read_off(each, (way for way in each.stage.singly() if way.benign))


def _several(each: Alone, singly: Sequence[Way]) -> Iterator[Way]:
    """Yield the ways of several rules at once, and of numbers beside what is wrong."""
    stage, rules = each.stage, [way.rules[-1] for way in singly]
    yield from (stage.way(*pair) for pair in itertools.combinations(rules, 2) if _apart(*pair))
    # With any free conventions.
    free = [rule for rule in rules if rule.status == FAITHFUL and rule.sets]
    for one, two in itertools.combinations(free, 2):
        yield from (stage.way(one, two, r) for r in rules if _apart(one, two, r) and r not in free)
    wrong = [rule for rule in rules if rule.status == WRONG]
    yield from read_off(each, map(stage.way, wrong))
    if len(each.block.stages) == 1:
        # With one pool alone, as SE has it.
        for one in (r for r in rules if r.status == VARIANT and len(r.sets.get("pools", ())) == 1):
            beside = [rule for rule in wrong if _apart(one, rule)]
            pairs = (pair for pair in itertools.combinations(beside, 2) if _apart(*pair))
            yield from (stage.way(one, *pair) for pair in pairs)
            yield from read_off(each, (stage.way(one, rule) for rule in beside))


def _apart(*rules: Rule) -> bool:
    """Tell whether rules set axes, each others of its own."""
    axes = [axis for rule in rules for axis in rule.sets]
    return all(rule.sets for rule in rules) and len(set(axes)) == len(axes)


def _free(block: Block, ways: Iterable[Way]) -> list[Fit]:
    """Return ways that no composition is ruled out for."""
    return [Fit(way, block.compositions) for way in ways]


def _nearest(block: Block, found: Fits) -> Reading:
    """Return what is known of each stage by itself, the nearest to the paper."""
    known = {name: min(fits, key=lambda fit: fit.way.cost) for name, fits in found.items() if fits}
    return Reading(block, {name: fit.way for name, fit in known.items()})


class _Target:
    """What the candidate gave with all weights in place."""

    def __init__(
        self, block: Block, weights: Weights, x: Array, y: Array, tolerance: float
    ) -> None:
        self.block, self.weights, self.x, self.y = block, weights, x, y
        self.tolerance = tolerance

    def read(self, fits: Fits, compositions: Sequence[Composition]) -> Reading | None:
        """Return the reading nearest to the paper that gives y."""
        found: list[tuple[int, Reading]] = []
        fitting = {
            name: [
                (fit, fit.way.gates(self.weights)) for fit in several if fit.way.fits(self.weights)
            ]
            for name, several in fits.items()
        }
        for chosen in itertools.product(*fitting.values()):
            ways = dict(zip(fitting, (fit.way for fit, _ in chosen), strict=True))
            gates = {k: gate for _, each in chosen for k, gate in each.items()}
            for composition in compositions:
                if all(composition in fit.compositions for fit, _ in chosen) and self._given(
                    composition, gates, any(way.mixes for way in ways.values())
                ):
                    cost = sum(way.cost for way in ways.values()) + composition.cost
                    found.append((cost, Reading(self.block, ways, composition)))
        return min(found, key=lambda each: each[0], default=(0, None))[1]

    def _given(self, composition: Composition, gates: Mapping[str, Gate], mixes: bool) -> bool:
        """Tell whether a composition gives y; where samples stand alone, the first tells sooner."""
        maps = self.block.maps(gates)
        # Its largest entry is smaller than that of all.
        first = mixes or close(self.y[:1], composition(self.x[:1], maps), 8 * self.tolerance)
        return first and close(self.y, composition(self.x, maps), self.tolerance)
