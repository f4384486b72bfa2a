"""What is no CBAM, and what may be one that hides its weights, so that nobody can conclude."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate, CannotRun, sentence
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.identified import Identified
from npcbam.oracle.identification.kin import kin_of
from npcbam.oracle.precision import STILL
from npcbam.oracle.probing.roles import assignments, may_be_kernel
from npcbam.oracle.probing.trial import Trial
from npcbam.oracle.rules.block import BLOCKS
from npcbam.oracle.rules.catalogue import rule

MOST_ARRAYS = 30


def refuse_whole(candidate: Candidate) -> None:
    """Raise CannotRun where a half has the parameters of both gates."""
    if candidate.stage == "whole":
        return
    known = assignments(candidate.parameters, candidate.buffers)
    # A kernel of one tap is a linear map as well.
    roles = known[0] if known else ()
    has = {role.key for role in roles if role.key != "k" or math.prod(role.shape) > 2}
    if {"w0", "k"} <= has:
        raise CannotRun(
            f"{candidate.name} has the parameters of both gates: check it without a stage, "
            f"or the {candidate.stage} module inside it"
        )


def of_parameters(candidate: Candidate, channels: int, seed: int) -> Finding | None:
    """Return why the parameters cannot be the block's, or of which kin they are; None if they can.

    What multiplies its input by gates between 0 and 1, which read other entries too, may be a CBAM
    all the same, if it has no arrays, or may keep its matrices in others: that is undecided.
    """
    if kin := kin_of(candidate, channels, seed):
        return kin
    arrays, part = candidate.parameters, candidate.stage
    few = len(arrays) + len(candidate.buffers) <= MOST_ARRAYS
    if few and assignments(arrays, candidate.buffers, part=part):
        return None
    reason = _missing(candidate)
    hidden = all(value.ndim < 2 and value.size for value in arrays.values())
    hidden |= _may_be_mlp(_without_kernels(arrays), channels)
    lacking = part != "whole" and arrays
    if hidden and not lacking and _is_gated(candidate, channels, np.random.default_rng(seed)):
        return rule("weights-out-of-reach").finding(reason=reason)
    return rule("no-cbam").finding(reason=reason)


def of_running(candidate: Candidate, error: CannotRun) -> Finding:
    """Return that it runs on no input."""
    return rule("never-runs").finding(what=str(error).removeprefix(f"{candidate.name} "))


def of_outputs(trial: Trial) -> list[Finding]:
    """Return that y says nothing: it is never a number."""
    outputs = [outcome.y for outcome in trial.seen if outcome.y is not None]
    never = outputs and not any(np.isfinite(y).any() for y in outputs)
    return [rule("never-finite").finding()] if never else []


def of_precision(trial: Trial) -> list[Finding]:
    """Return that it does not run at the precision that it is to be judged at, if that is so."""
    x = trial.large[0].input.x
    given = attempt(lambda: trial.asked.forward(trial.values, x.copy()))
    if not isinstance(given, BaseException):
        return []
    dtype, error = trial.asked.dtype, sentence(given)
    return [rule("unsupported-precision").finding(status="undecided", dtype=dtype, error=error)]


def of_unplaced(found: Identified) -> Finding | None:
    """Return that arrays without a role may be an MLP that is stored in a way of its own."""
    names = {role.name for role in found.roles}
    parameters = found.trial.candidate.parameters
    rest = {name: v for name, v in parameters.items() if name not in names}
    known = found.reading.known or found.reading.block.part == "spatial"
    placed = known or any(role.key == "w0" for role in found.roles)
    if placed or not _may_be_mlp(rest, found.trial.channels):
        return None
    listed = ", ".join(f"{name} {v.shape}" for name, v in rest.items())
    return rule("weights-unplaced").finding(arrays=listed)


def _without_kernels(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: v for name, v in arrays.items() if v.size > 1 and not may_be_kernel(name, v)}


def _may_be_mlp(arrays: Mapping[str, Array], channels: int) -> bool:
    """Tell whether so many numbers can be those of W0 and W1, with biases or without."""
    count, widths = sum(v.size for v in arrays.values()), range(1, 2 * channels + 1)
    return any(
        count == 2 * hidden * channels + biases
        for hidden in widths
        for biases in (0, hidden, channels, hidden + channels)
    )


def _is_gated(candidate: Candidate, channels: int, rng: np.random.Generator) -> bool:
    """Tell whether y is x times gates in (0, 1) that read more than the entry that they scale."""
    sizes = {size for value in candidate.parameters.values() for size in value.shape}
    for size in dict.fromkeys([channels, *sorted(sizes - {0, 1}, reverse=True)[:4]]):
        x = rng.standard_normal((2, size, 7, 5))
        moved = x.copy()
        moved[0, 0, 0, 0] = x.max() + 3
        gates, there = _gates_of(candidate, x), _gates_of(candidate, moved)
        if gates is not None and there is not None:
            # One entry of a channel is moved, and the gates of the others in it move too.
            others = np.abs(there - gates)[0, 0].ravel()[1:]
            return bool((gates > 0).all() and (gates < 1).all() and others.max() > STILL)
    return False


def _gates_of(candidate: Candidate, x: Array) -> Array | None:
    y = attempt(lambda: candidate.forward({}, x.copy()))
    return y / x if isinstance(y, np.ndarray) and y.shape == x.shape else None


def _missing(candidate: Candidate) -> str:
    """Say what of a block's parameters there is not."""
    arrays = candidate.parameters
    if not arrays:
        return "it has no parameters, where a CBAM has at least W0 (C/r, C) and W1 (C, C/r)"
    if len(arrays) + len(candidate.buffers) > MOST_ARRAYS:
        return f"it has {len(arrays)} arrays of parameters, where a CBAM has at most 7"
    empty = [name for name, value in arrays.items() if value.size == 0]
    if empty:
        return f"its hidden layer has no unit, {empty[0]} is empty: build it with more channels"
    return f"{BLOCKS[candidate.stage].missing}: it has {_listed(candidate)}"


def _listed(candidate: Candidate) -> str:
    arrays = [f"{name} {value.shape}" for name, value in candidate.parameters.items()]
    more = f" and {len(arrays) - 6} more" if len(arrays) > 6 else ""
    return ", ".join(arrays[:6]) + more
