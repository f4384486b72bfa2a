"""Which rule does each stage follow? Stage by stage, by setting the candidate's weights.

With one stage silenced its map is one constant, so that the other alone is left to tell; what is
done with both is read off last, with all weights in place. The search is a sum over the stages and
no product.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.identification.more_planes import rules_of_planes
from npcbam.oracle.identification.one_stage import Alone, Effort, Fit, Formula, look
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
    searches = [_Search(each, run) for each in seen]
    quick, unseen = depth == "quick", True
    tried: set[tuple[tuple[int, ...], Composition]] = set()
    for effort in _efforts(block, seen, depth):
        # What no single rule explains of either stage, no two explain.
        if effort.several and len(seen) > 1 and not any(each.fits for each in searches):
            break
        for each in searches:
            each.widen(effort)
            if quick and not each.fits:
                return _nearest(block, searches)
        guesses = []
        counts = tuple(len(each.fits) for each in searches)
        wide = effort.several or len(effort.compositions) == len(block.compositions)
        fresh = tuple(each for each in effort.compositions if (counts, each) not in tried)
        if all(counts) or (any(counts) and wide):
            tried |= {(counts, each) for each in fresh}
            guess = {e.name: e.fits or _free(e.alone.stage.singly()) for e in searches}
            guesses.append((guess, fresh))
        if not quick and unseen and effort.numbers:
            # What nothing explains alone may show beside the other stage, or be right, unseen.
            benign = {s.name: [w for w in s.singly() if w.benign] for s in block.stages}
            plain = {name: _free(several) for name, several in benign.items()}
            guesses.append((plain, block.compositions))
            unseen = False
        for fits, compositions in guesses:
            reading = target.read(fits, compositions)
            if reading is not None:
                return reading
    return _nearest(block, searches)


def _efforts(block: Block, seen: Sequence[Alone], depth: str) -> Iterator[Effort]:
    """Yield ever wider searches: nearly all candidates end with the first."""
    usual = tuple(c for c in block.compositions if c.rule.code in block.usual)
    every = seen[0].constants
    half = (0.5,) if len(block.stages) > 1 else every
    for compositions, constants in ((usual, half), (block.compositions, half), (usual, every)):
        yield Effort(compositions, constants)
        yield Effort(compositions, constants, numbers=True)
        if depth == "quick":
            return
    if depth == "deep":
        first = tuple(c for c in usual if c.rule.code == block.usual[0])
        yield Effort(first, (0.5, 1.0, 0.0) if len(block.stages) > 1 else every, several=True)


class _Search:
    """The search for what explains a stage: ways of single rules, and what was found of them."""

    def __init__(self, alone: Alone, run: Run) -> None:
        self.alone, self.name = alone, alone.stage.name
        self.fits: list[Fit] = []
        self.tried: set[Formula] = set()
        self.tried_with_numbers: set[Formula] = set()
        planes = rules_of_planes(alone, run) if self.name == "spatial" else ()
        self.singly = [*alone.stage.singly(), *map(alone.stage.way, planes)]
        self.benign = [way for way in alone.stage.singly() if way.benign]
        # Beside a rule that is wrong, a number that is not would be the nearer one.
        self.singly += read_off(alone, self.benign, wrong=False)

    @functools.cached_property
    def numbers(self) -> list[Way]:
        """The ways of numbers that are wrong: most candidates are known without them."""
        return [*read_off(self.alone, self.benign, wrong=True)]

    def widen(self, effort: Effort) -> None:
        """Look further, if nothing is found yet; for numbers also beside what is found."""
        if not self.fits and not effort.numbers:
            # What was tried with single rules is not tried again, but with several of them.
            ways, tried = (self.several(), set()) if effort.several else (self.singly, self.tried)
            self.fits += self.alone.explained(ways, effort, tried)
        if not self.fits or effort.numbers:
            found = [fit.way for fit in self.fits]
            left = [way for way in self.numbers if way not in found]
            self.fits += self.alone.explained(left, effort, self.tried_with_numbers)

    def several(self) -> Iterator[Way]:
        """Yield the ways of several rules at once, and of numbers beside what is wrong."""
        each, stage = self.alone, self.alone.stage
        rules = [way.rules[-1] for way in (*self.singly, *self.numbers)]
        yield from (stage.way(*pair) for pair in itertools.combinations(rules, 2) if _apart(*pair))
        # With any free conventions.
        free = [rule for rule in rules if rule.status == FAITHFUL and rule.sets]
        others = [rule for rule in rules if rule not in free]
        for pair in itertools.combinations(free, 2):
            yield from (stage.way(*pair, rule) for rule in others if _apart(*pair, rule))
        wrong = [rule for rule in rules if rule.status == WRONG]
        yield from read_off(each, map(stage.way, wrong))
        if len(each.block.stages) == 1:
            # With one pool alone, as SE has it.
            for one in (
                r for r in rules if r.status == VARIANT and len(r.sets.get("pools", ())) == 1
            ):
                beside = [rule for rule in wrong if _apart(one, rule)]
                pairs = (pair for pair in itertools.combinations(beside, 2) if _apart(*pair))
                yield from (stage.way(one, *pair) for pair in pairs)
                yield from read_off(each, (stage.way(one, rule) for rule in beside))


def _apart(*rules: Rule) -> bool:
    """Tell whether rules set axes, each others of its own."""
    axes = [axis for rule in rules for axis in rule.sets]
    return all(rule.sets for rule in rules) and len(set(axes)) == len(axes)


def _free(ways: Iterable[Way]) -> list[Fit]:
    """Return ways that no composition is ruled out for."""
    return [Fit(way, lambda composition: True) for way in ways]


def _nearest(block: Block, searches: Sequence[_Search]) -> Reading:
    """Return what is known of each stage by itself, the nearest to the paper."""
    known = {each.name: each.fits for each in searches if each.fits}
    nearest = {name: min(fits, key=lambda fit: fit.way.cost) for name, fits in known.items()}
    return Reading(block, {name: fit.way for name, fit in nearest.items()})


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
                if all(fit.within(composition) for fit, _ in chosen) and self._given(
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
