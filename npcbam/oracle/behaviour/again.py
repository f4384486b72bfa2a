"""Before a verdict: does the candidate give again what it gave when the findings were read off?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from npcbam.oracle.behaviour.watched import difference
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.findings import Finding
from npcbam.oracle.precision import COARSER, FINER
from npcbam.oracle.probing.running import Outcome, spread
from npcbam.oracle.probing.trial import Trial
from npcbam.oracle.rules.catalogue import rule

# How often the first input is asked again: for a block that agrees with its formula on all inputs,
# and for any other. What happens in one of 30 calls is missed in 3 of 100 that are called wrong.
FEW, MANY = 3, 100
# Seconds for all of these: a block that loops in Python would be ended by its time limit.
PATIENCE = 1.0
# What is seen only by comparing two calls, beside what the other stages say.
COMPARED = {"samples-mixed", "batch-statistics", "layout-dependent", "buffer-kept"}


def believed(trial: Trial, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, or, where calls turn out to differ by chance, what one call proves."""
    if any(finding.code == "not-repeatable" for finding in findings):
        return _of_one_call(findings)
    differs = next(filter(None, _repeated(trial, findings)), None)
    if differs is None:
        return [*findings]
    return [*_of_one_call(findings), rule("not-repeatable").finding(differs)]


def _of_one_call(findings: Sequence[Finding]) -> list[Finding]:
    return [f for f in findings if f.stage == "effects" and f.code not in COMPARED]


def _repeated(trial: Trial, findings: Sequence[Finding]) -> Iterator[dict[str, object]]:
    """Yield how each repeated call differs: nothing for one that comes out the same."""
    given = [outcome for outcome in trial.outcomes if outcome.y is not None]
    yield from (_differs(trial, outcome) for outcome in given[:1] * FEW)
    if all(finding.status in ("faithful", "variant", "note") for finding in findings):
        return
    start = time.monotonic()
    for outcome in given + given[:1] * MANY:
        yield _differs(trial, outcome)
        if time.monotonic() - start > PATIENCE:
            return


def _differs(trial: Trial, outcome: Outcome) -> dict[str, object]:
    candidate, x, before = trial.candidate, outcome.input.x, outcome.y
    y = attempt(lambda: candidate.forward(trial.values, x.copy()))
    if isinstance(y, BaseException) or before is None:
        return {}
    y = spread(y, x) if candidate.stage == "whole" else y
    differs = difference(outcome.input.name, y, before, candidate.dtype)
    if differs and trial.single and y.shape == before.shape:
        # Sums in float32 may be taken in another order each time, which changes y by so much.
        by = float(np.abs(y - before).max() / np.abs(before).max())
        return {} if FINER < by < COARSER else differs
    return differs
