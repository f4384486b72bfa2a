"""A candidate that is watched while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import MEMORY, Candidate, Observation, sentence
from npcbam.oracle.findings import Finding, Status, worst
from npcbam.oracle.precision import CANCELLED, PRECISIONS, rounded
from npcbam.oracle.rules.catalogue import rule

# How often either of two calls that differ is to come out the same before that is believed. What
# takes one of two values by chance gets so through at most once in 2^8 times.
AGAIN = 4


@dataclass(frozen=True, eq=False)
class Watched:
    """A candidate, what it is run with, and what it did in its first call.

    Attributes
    ----------
    candidate : at the precision that it is to be seen at
    values : parameters and buffers by name
    x : (N, C, *S), the input, of at least two samples
    first : what it did on x
    dtypes : the precisions that are tried for the dtype of y
    rng : what further inputs are drawn with
    """

    candidate: Candidate
    values: dict[str, Array]
    x: Array
    first: Observation
    dtypes: Sequence[str]
    rng: np.random.Generator

    def run(self, x: Array, layout: str = MEMORY[0]) -> Observation | BaseException:
        """Return what a forward does, or why there is none."""
        return attempt(lambda: self.candidate.observe(self.values, x.copy(), layout=layout))

    def run_at(self, dtype: str) -> Observation | BaseException:
        """Return what a forward does at another precision, or why there is none."""
        return attempt(lambda: self.candidate.at(dtype).observe(self.values, self.x.copy()))

    def noise(self, shape: tuple[int, ...]) -> Array:
        """Draw an input of another shape."""
        return rounded(self.rng.standard_normal(shape), self.candidate.dtype)

    def differs(self, got: Array, expected: Array) -> dict[str, object]:
        """Return the evidence that two results differ by more than rounding; nothing if not."""
        return difference("noise", got, expected, self.candidate.dtype)

    def changes(self, x: Array, y: Array, layout: str = MEMORY[0]) -> dict[str, object]:
        """Return the evidence that it does not give y on x each time; nothing if it does."""
        for _ in range(AGAIN):
            again = self.run(x, layout)
            if isinstance(again, BaseException):
                return {"input": "noise", "tensor": "y", "error": sentence(again)}
            if differs := self.differs(again.y, y):
                return differs
        return {}

    def unsteady(self, x: Array, y: Array, layout: str = MEMORY[0]) -> dict[str, object]:
        """Return the evidence that what sets y on x apart from the first call may be chance."""
        return self.changes(self.x, self.first.y) or self.changes(x, y, layout)


def difference(name: str, got: Array, expected: Array, dtype: str) -> dict[str, object]:
    """Return the evidence that two y differ by more than rounding; nothing if they do not."""
    if got.shape != expected.shape:
        return {"input": name, "tensor": "y", "got": list(got.shape)}
    largest = float(np.abs(expected[np.isfinite(expected)]).max(initial=0))
    tolerance = CANCELLED * PRECISIONS[dtype].unit * largest
    row = worst(name, "y", got, expected, max(tolerance, float(np.finfo(np.float64).tiny)))
    return {} if row.ok else row.evidence


# What looks for one kind of behaviour.
Look: TypeAlias = Callable[[Watched], Iterator[Finding]]


def failure(
    code: str,
    shape: tuple[int, ...],
    error: BaseException,
    status: Status | None = None,
    **words: object,
) -> Finding:
    """Return the finding that a candidate fails on inputs of a shape."""
    said = sentence(error)
    seen = {"input": "noise", "tensor": "y", "shape": list(shape), "error": said}
    return rule(code).finding(seen, status, error=said, **words)
