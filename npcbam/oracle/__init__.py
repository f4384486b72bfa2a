"""Is this CBAM correct? The oracle finds out what a candidate computes, and says.

`check` is the stages in order: a candidate is tried, read, compared and reported. Reading order:
`candidates`, `rules`, `probing`, `identification`, `behaviour`, `comparison`, `reports`, `check`.
"""

from npcbam.oracle.candidates.candidate import BadOutput, Candidate, CannotRun
from npcbam.oracle.check import assert_faithful, case, check
from npcbam.oracle.findings import Row
from npcbam.oracle.reports.report import Report

__all__ = [
    "BadOutput",
    "Candidate",
    "CannotRun",
    "Report",
    "Row",
    "assert_faithful",
    "case",
    "check",
]
