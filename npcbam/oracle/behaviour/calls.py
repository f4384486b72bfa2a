"""What a call does besides computing y: it writes to arrays, prints, and changes the next call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.behaviour.watched import Watched, failure
from npcbam.oracle.findings import Finding, worst
from npcbam.oracle.precision import rounded
from npcbam.oracle.rules.catalogue import rule

# How much of what is printed is kept, and how much of its first line is told.
KEPT, TOLD = 200, 80


def writing(seen: Watched) -> Iterator[Finding]:
    """Look whether a forward writes to its input, or to a parameter or buffer."""
    after = seen.first.x_after
    if not np.array_equal(after, seen.x, equal_nan=True):
        yield rule("writes-input").finding(_written("x", after, seen.x))
    for name, value in seen.candidate.state(seen.values).items():
        before = rounded(value, seen.candidate.dtype)
        after = seen.first.params_after.get(name, before)
        if not np.array_equal(after, before, equal_nan=True):
            same = after.shape == before.shape
            where = _written(name, after, before) if same else {"tensor": name}
            yield rule("writes-parameters").finding(where, name=name)
            return


def _written(tensor: str, after: Array, before: Array) -> dict[str, Any]:
    """Return the entry that a write changed most; no error is allowed there."""
    found = worst("noise", tensor, after, before, 1.0).evidence
    return {key: value for key, value in found.items() if key != "times"}


def printing(seen: Watched) -> Iterator[Finding]:
    """Look whether a forward prints."""
    printed = seen.first.printed
    if printed:
        line = next(iter(printed.strip().splitlines()), "")[:TOLD] or "empty lines"
        yield rule("prints").finding({"printed": printed[:KEPT]}, line=line)


def repeating(seen: Watched) -> Iterator[Finding]:
    """Look whether a second call gives the same."""
    again = seen.run(seen.x)
    if isinstance(again, BaseException):
        yield failure("second-call-fails", seen.x.shape, again)
    elif differs := seen.differs(again.y, seen.first.y):
        yield rule("not-repeatable").finding(differs)
