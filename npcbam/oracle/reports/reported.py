"""From findings to the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.comparison.comparison import Comparison
from npcbam.oracle.findings import Finding, Status, by_importance
from npcbam.oracle.probing.trial import Trial
from npcbam.oracle.question import Question
from npcbam.oracle.reports.report import Report
from npcbam.oracle.reports.snippets import with_snippet
from npcbam.oracle.rules.catalogue import settled


@dataclass(frozen=True, eq=False)
class Seen:
    """What was asked of a candidate, and all that was seen of it, as far as it went."""

    question: Question
    candidate: Candidate
    trial: Trial | None = None
    comparison: Comparison | None = None
    maps: dict[str, Any] | None = None


def reported(seen: Seen, findings: Sequence[Finding]) -> Report:
    """Return the report of some findings, those left out that others explain."""
    question, trial, comparison = seen.question, seen.trial, seen.comparison
    found = by_importance(settled(findings))
    worst: Status = found[0].status if found else "faithful"
    candidate = seen.candidate
    if trial is not None:
        candidate = trial.asked
        found = [with_snippet(f, trial.candidate, trial.channels, question.seed) for f in found]
    return Report(
        target=candidate.name,
        verdict="faithful" if worst == "note" else worst,
        expect=question.expect,
        reason=found[0].message if worst == "undecided" else "",
        conventions=comparison.conventions if comparison else (),
        findings=tuple(found),
        rows=comparison.rows if comparison else (),
        inputs={o.input.name: o.input.reason for o in trial.outcomes} if trial else {},
        seed=question.seed,
        framework=candidate.framework,
        dtype=candidate.dtype,
        stage=candidate.stage,
        maps=seen.maps,
    )
