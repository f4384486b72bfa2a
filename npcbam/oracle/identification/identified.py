"""What a candidate computes, and which of its arrays plays which role in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.identify import identify
from npcbam.oracle.identification.reading import Reading, close
from npcbam.oracle.precision import CLOSE, LOOSE
from npcbam.oracle.probing.inputs import LEVELS, telling
from npcbam.oracle.probing.placement import placed
from npcbam.oracle.probing.roles import Roles, assignments
from npcbam.oracle.probing.trial import FailureError, Trial
from npcbam.oracle.probing.weights import awake, without_effect
from npcbam.oracle.rules.block import BLOCKS, CHANNEL_ONLY, Block
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.rule import Weights

# How many ways to see the arrays are searched as deep as it goes.
DEEP = 2


@dataclass(frozen=True, eq=False)
class Identified:
    """A trial, and what was read off it.

    Attributes
    ----------
    trial : what was run
    reading : what it computes
    roles : which array plays which role in it
    dead : the names of the arrays that y does not depend on
    x : the input that no two rules agree on
    notes : that it fails on some samples of it, which are left out, and what was left as it came
    """

    trial: Trial
    reading: Reading
    roles: Roles
    dead: frozenset[str]
    x: Array
    notes: Sequence[Finding] = ()

    @property
    def weights(self) -> dict[str, Array]:
        """The weights by key."""
        return self.trial.weights(self.roles)

    def findings(self) -> list[Finding]:
        """Return the notes, and the parameters that have no effect."""
        learnt = sorted(self.dead & set(self.trial.candidate.parameters))
        return [*self.notes, *(rule("dead-parameter").finding(name=name) for name in learnt)]


def identified(trial: Trial) -> Identified | Finding:
    """Find out what a candidate that was tried computes, or say that it fails where that shows."""
    candidate, sizes = trial.candidate, trial.sizes
    space: tuple[int, ...] = (6, 5, 4)[: sizes[1]]
    if trial.outcomes[0].y is None:
        space = trial.large[0].input.x.shape[2:]
    try:
        x, failed = trial.taken(telling(trial.draws(0), trial.channels, *space))
        dead = without_effect(trial.forward, trial.values, x)
        known = assignments(candidate.parameters, candidate.buffers, dead, sizes, candidate.stage)
        reading, roles = _searched(trial, x, known, dead)
    except FailureError as error:
        return error.finding()
    notes = [failed.finding()] if failed else []
    notes += [rule("buffer-kept").finding(name=name) for name in _kept(trial, x)]
    return Identified(trial, reading, roles, frozenset(dead), x, notes)


def _kept(trial: Trial, x: Array) -> list[str]:
    """Return the names of the buffers that are left as they came, and that y depends on."""
    candidate = trial.candidate
    kept = candidate.state({}).keys() - candidate.parameters.keys() - candidate.buffers.keys()
    return sorted(name for name in kept if _matters(trial, name, x))


def _matters(trial: Trial, name: str, x: Array) -> bool:
    """Tell whether y depends on a buffer; if it cannot be had with another value, it does."""

    def run(values: Weights, x: Array) -> Array:
        return trial.forward({**trial.values, **values}, x)

    try:
        return not without_effect(run, {name: trial.candidate.state({})[name]}, x)
    except FailureError:
        return True


def _searched(
    trial: Trial, x: Array, known: Sequence[Roles], dead: set[str]
) -> tuple[Reading, Roles]:
    """Return the reading of the first roles that have one, or else of those that tell the most."""
    tolerance = LOOSE[0] if trial.single else CLOSE[trial.candidate.dtype]
    known = placed(known, trial, x)
    alike = [roles for roles in known if len(roles) == len(known[0])]
    # Where a kernel does nothing, pairs of rules that differ in what it does are all alike.
    idle = any(role.name in dead for role in known[0] if role.key in ("w0", "w1", "k"))
    tries = [("quick", tolerance, known), ("wide" if idle else "deep", tolerance, alike[:DEEP])]
    # What a rounded weight does to the largest logits is more than that.
    mild = x[np.abs(x).mean(axis=tuple(range(1, x.ndim))) < LEVELS[-1] / 2]
    tries += [("quick", loose, known[:1]) for loose in LOOSE if loose > tolerance and len(mild)]
    deep: list[tuple[Reading, Roles]] = []
    quick: list[tuple[Reading, Roles]] = []
    for depth, allowed, several in tries:
        found: list[tuple[Reading, Roles]] = []
        for roles in several:
            if found and len(roles) < len(found[0][1]):
                break
            # They are drawn to be those of the likeliest roles.
            weights = awake(trial.weights(roles))
            block = _block(trial.candidate.stage, weights)
            told = x if allowed == tolerance else mild
            reading = identify(block, trial.runs(roles), weights, told, depth, allowed)
            if reading.known and (allowed == tolerance or _fits(trial, reading, roles, allowed)):
                found.append((reading, roles))
                # In other roles the same arrays may be those of a right one, at first sight.
                if not reading.wrong or depth != "quick":
                    break
            if allowed == tolerance:
                (quick if depth == "quick" else deep).append((reading, roles))
        if found:
            return min(found, key=lambda each: each[0].wrong)
    return max((*deep, *quick), key=lambda each: each[0].parts)


def _block(part: str, weights: dict[str, Array]) -> Block:
    """Return what a candidate is read as: without a kernel, a whole block is a channel gate."""
    return CHANNEL_ONLY if part == "whole" and "k" not in weights else BLOCKS[part]


def _fits(trial: Trial, reading: Reading, roles: Roles, tolerance: float) -> bool:
    """Tell whether a reading that was found loosely fits all inputs as well."""
    weights = trial.weights(roles)
    pairs = [(o.y, reading.predict(weights, o.input.x)) for o in trial.seen]
    return all(
        y is not None and close(np.broadcast_to(y, expected.shape), expected, 2 * tolerance)
        for y, expected in pairs
    )
