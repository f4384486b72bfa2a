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
        if got.shape != expected.shape:
            return {"input": "noise", "tensor": "y", "got": list(got.shape)}
        largest = float(np.abs(expected[np.isfinite(expected)]).max(initial=0))
        tolerance = CANCELLED * PRECISIONS[self.candidate.dtype].unit * largest
        tiny = float(np.finfo(np.float64).tiny)
        row = worst("noise", "y", got, expected, max(tolerance, tiny))
        return {} if row.ok else row.evidence

    def unsteady(self) -> bool:
        """Tell whether it gives something else when it is called again."""
        again = self.run(self.x)
        return isinstance(again, BaseException) or bool(self.differs(again.y, self.first.y))


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
