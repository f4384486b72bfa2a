"""What a candidate does besides computing y, and the inputs that it cannot take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.behaviour.batches import batches, samples
from npcbam.oracle.behaviour.calls import printing, repeating, writing
from npcbam.oracle.behaviour.outputs import dtypes_of_y, layouts, shape_of_y
from npcbam.oracle.behaviour.sizes import sizes
from npcbam.oracle.behaviour.watched import Look, Watched, failure
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.findings import Finding
from npcbam.oracle.precision import rounded

LOOKS: tuple[Look, ...] = (
    *(writing, printing, shape_of_y, dtypes_of_y, repeating),
    *(samples, layouts, sizes, batches),
)
# What compares one call with another: nothing is told by that where two calls may differ anyway.
COMPARING = (repeating, samples, layouts)
UNSTEADY = {"not-repeatable", "second-call-fails"}


def effects(
    candidate: Candidate,
    x: Array,
    values: Mapping[str, Array],
    seed: int = 0,
    dtypes: Sequence[str] | None = None,
) -> list[Finding]:
    """Return what the candidate does that no layer should do.

    Parameters
    ----------
    candidate : at the precision that it is to be seen at
    x : (N, C, *S), an input that it should take
    values : parameters and buffers by name
    seed : of the inputs that are drawn here
    dtypes : the precisions that are tried for the dtype of y; None for all that it has

    An exception inside the candidate becomes a finding.
    """
    rng = np.random.default_rng(seed)
    if x.shape[0] < 2:
        x = np.concatenate([x, rng.standard_normal((2, *x.shape[1:]))])
    x = rounded(x, candidate.dtype)
    first = attempt(lambda: candidate.observe(values, x.copy()))
    if isinstance(first, BaseException):
        return [failure("raises", x.shape, first, where="on an ordinary input")]
    dtypes = candidate.dtypes if dtypes is None else dtypes
    seen = Watched(candidate, dict(values), x, first, dtypes, rng)
    findings: list[Finding] = []
    for look in LOOKS:
        if look not in COMPARING or not UNSTEADY & {finding.code for finding in findings}:
            findings += look(seen)
    return findings
