"""What y is besides its numbers: its shape and dtype, and whether x may lie otherwise in memory."""

from __future__ import annotations

from collections.abc import Iterator

from npcbam.oracle.behaviour.watched import Watched, failure
from npcbam.oracle.candidates.candidate import Observation
from npcbam.oracle.findings import Finding, Status
from npcbam.oracle.rules.catalogue import rule

LAYOUTS = {"channels_last": "with the channels innermost", "strided": "with gaps between entries"}


def shape_of_y(seen: Watched) -> Iterator[Finding]:
    """Look whether y has the shape of x."""
    got, expected = seen.first.y.shape, seen.x.shape
    if seen.candidate.stage == "whole" and got != expected:
        shapes = {"tensor": "y", "got": list(got), "expected": list(expected)}
        yield rule("output-shape").finding(shapes, got=got, expected=expected)


def dtypes_of_y(seen: Watched) -> Iterator[Finding]:
    """Look whether y has the dtype of x, at every precision at which it runs."""
    for dtype in (seen.candidate.dtype, *seen.dtypes):
        there = seen.run_at(dtype)
        # What runs at a precision and what does not is for the numerics to say.
        if isinstance(there, Observation) and there.dtype.rpartition(".")[2] != dtype:
            words = {"got": there.dtype, "expected": dtype}
            # Under autocast a gate in one half meets features in the other, and gives float32.
            status: Status | None = None if dtype in ("float64", "float32") else "note"
            yield rule("output-dtype").finding({"tensor": "y", **words}, status, **words)
            return


def layouts(seen: Watched) -> Iterator[Finding]:
    """Look whether y is the same where x lies in memory in another order, or with gaps."""
    for layout, how in LAYOUTS.items():
        there = seen.run(seen.x, layout)
        if isinstance(there, BaseException):
            yield failure("layout-refused", seen.x.shape, there, how=how)
            return
        differs = seen.differs(there.y, seen.first.y)
        if differs and (chance := seen.unsteady(seen.x, there.y, layout)):
            yield rule("not-repeatable").finding(chance)
            return
        if differs:
            yield rule("layout-dependent").finding(differs | {"input": layout}, how=how)
            return
