"""Where the check cannot conclude: what is no CBAM, and what may be one that hides its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate, CannotRun, sentence
from npcbam.oracle.candidates.completed import Half, lacking
from npcbam.oracle.comparison.comparison import Tried
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.kin import kin_of
from npcbam.oracle.precision import STILL
from npcbam.oracle.probing.roles import Roles, assignments, may_be_kernel
from npcbam.oracle.probing.running import Outcome

MOST_ARRAYS = 30


def of_parameters(candidate: Candidate, channels: int, seed: int) -> Finding | None:
    """Return why the parameters cannot be those of a CBAM, or of which kin they are; else None.

    What multiplies its input by gates between 0 and 1, which read other entries too, may be a CBAM
    all the same, if it has no arrays, or may keep its matrices in others: that is undecided.
    """
    if kin := kin_of(candidate, channels, seed):
        return kin
    own = candidate.half if isinstance(candidate, Half) else candidate
    few, missing = len(own.parameters) + len(own.buffers) <= MOST_ARRAYS, lacking(candidate)
    # What completes a half helps to place its parameters, and is no sign that it has any.
    placed = candidate if own.parameters else own
    if few and not missing and assignments(placed.parameters, placed.buffers):
        return None
    said = f"{missing}: it has {_listed(own)}" if missing else _no_roles(own)
    hidden = all(value.ndim < 2 and value.size for value in own.parameters.values())
    hidden |= _may_be_mlp(_without_kernels(own.parameters), channels)
    if hidden and not missing and _is_gated(candidate, channels, np.random.default_rng(seed)):
        said = f"{said}; yet y is x times gates between 0 and 1, whose weights cannot be set"
        return Finding("compose", "weights-out-of-reach", said, "undecided")
    return Finding("compose", "no-cbam", said)


def of_unplaced(candidate: Candidate, roles: Roles, channels: int) -> Finding | None:
    """Return that arrays without a role may be an MLP that is stored in a way of its own."""
    names = {role.name for role in roles}
    rest = {name: v for name, v in candidate.parameters.items() if name not in names}
    if any(role.key == "w0" for role in roles) or not _may_be_mlp(rest, channels):
        return None
    said = f"{', '.join(f'{name} {v.shape}' for name, v in rest.items())} cannot be told to be W0 "
    said += "(C/r, C) and W1 (C, C/r), and may hold them all the same: store them as two matrices"
    return Finding("compose", "weights-out-of-reach", said, "undecided")


def of_running(candidate: Candidate, error: CannotRun) -> Finding:
    """Return that it runs on no input."""
    said = "it " + str(error).removeprefix(f"{candidate.name} ")
    return Finding("effects", "never-runs", said, "undecided")


def of_precision(tried: Tried, x: Array) -> list[Finding]:
    """Return that it does not run at the precision that it is to be judged at, if that is so."""
    given = attempt(lambda: tried.asked.forward(tried.values, x.copy()))
    if not isinstance(given, BaseException):
        return []
    said = f"it does not run in {tried.asked.dtype}: {sentence(given)}"
    return [Finding("numerics", "unsupported-precision", said, "undecided")]


def of_outputs(found: Sequence[Finding], seen: Iterable[Outcome]) -> list[Finding]:
    """Return the findings, undecided where y says nothing: it is random, or never a number."""
    found = [
        replace(each, status="undecided") if each.code == "not-repeatable" else each
        for each in found
    ]
    outputs = [outcome.y for outcome in seen if outcome.y is not None]
    if outputs and not any(np.isfinite(y).any() for y in outputs):
        said = "y is NaN or infinite in every entry on every input: nothing can be read off it"
        # What follows from that alone is no finding of its own.
        found = [each for each in found if each.status == "note"]
        found.append(Finding("numerics", "never-finite", said, "undecided"))
    return found


def of_dead_parameters() -> Finding:
    """Return that no parameter has an effect."""
    said = "its parameters have no effect on y where they are set: it may compute with others"
    return Finding("compose", "weights-out-of-reach", said, "undecided")


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


def _no_roles(candidate: Candidate) -> str:
    arrays = candidate.parameters
    if not arrays:
        return "it has no parameters, where a CBAM has at least W0 (C/r, C) and W1 (C, C/r)"
    if len(arrays) + len(candidate.buffers) > MOST_ARRAYS:
        return f"it has {len(arrays)} arrays of parameters, where a CBAM has at most 7"
    empty = [name for name, value in arrays.items() if value.size == 0]
    if empty:
        return f"its hidden layer has no unit, {empty[0]} is empty: build it with more channels"
    missing = "no two of its parameters can be W0 (C/r, C) and W1 (C, C/r)"
    return f"{missing}: it has {_listed(candidate)}"


def _listed(candidate: Candidate) -> str:
    arrays = [f"{name} {value.shape}" for name, value in candidate.parameters.items()]
    more = f" and {len(arrays) - 6} more" if len(arrays) > 6 else ""
    return ", ".join(arrays[:6]) + more
