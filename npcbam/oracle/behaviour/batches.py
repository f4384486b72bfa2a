"""Samples that come together: how many there may be, and whether they influence each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.behaviour.sizes import if_static, refusal
from npcbam.oracle.behaviour.watched import Watched, failure
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.findings import Finding
from npcbam.oracle.precision import BLIND, SEEING, rounded
from npcbam.oracle.rules.catalogue import rule


def batches(seen: Watched) -> Iterator[Finding]:
    """Look which numbers of samples fail."""
    samples, rest = seen.x.shape[0], seen.x.shape[1:]
    more, one, none = (refusal(seen, (n, *rest)) for n in (samples + 1, 1, 0))
    if more is not None:
        shape = (samples + 1, *rest)
        if one is not None and refusal(seen, (samples - 1, *rest)) is not None:
            yield failure("fixed-batch", shape, more, if_static(seen), samples=samples)
            return
        where = f"on a batch of {samples + 1} samples"
        yield failure("raises", shape, more, where=where)
    if one is not None:
        yield failure("fails-on-single", (1, *rest), one)
    if none is not None:
        yield failure("fails-on-empty", (0, *rest), none)


def samples(seen: Watched) -> Iterator[Finding]:
    """Look whether y of one sample changes with the others, and whether a norm is why."""
    other = seen.x.copy()
    other[1:] = seen.rng.standard_normal(other[1:].shape) * 2 + 1
    other = rounded(other, seen.candidate.dtype)
    there = seen.run(other)
    if isinstance(there, BaseException):
        return
    differs = seen.differs(np.atleast_1d(there.y)[:1], np.atleast_1d(seen.first.y)[:1])
    if not differs:
        return
    # What changes from call to call anyway is no influence of a sample.
    if chance := seen.unsteady(other, there.y):
        yield rule("not-repeatable").finding(chance)
    elif name := _blind_to_scale(seen):
        yield rule("batch-statistics").finding(differs, name=name)
    else:
        yield rule("samples-mixed").finding(differs)


def _blind_to_scale(seen: Watched) -> str:
    """Return the parameter that a norm takes the scale of: twice it changes nothing."""

    def moved(name: str, value: Array) -> float:
        y = attempt(lambda: seen.candidate.forward(seen.values | {name: value}, seen.x))
        return np.inf if isinstance(y, BaseException) else float(np.abs(y - seen.first.y).max())

    size = float(np.abs(seen.first.y).max())
    for name, value in seen.candidate.state(seen.values).items():
        turned = np.roll(value.ravel(), 1).reshape(value.shape) * -1.5
        if moved(name, 2 * value) <= BLIND * size and moved(name, turned) > SEEING * size:
            return name
    return ""
