"""Is this CBAM correct? The oracle finds out what a candidate computes, and says.

Reading order: `candidate`, `adapters`, `roles`, `hypotheses`, `identify`, `battery`, `trial`,
`gradients`, `probes`, `conventions`, `findings`, `report`, `check`, `examples`.
"""

from npcbam.oracle.candidates.candidate import BadOutput, Candidate, CannotRun
from npcbam.oracle.check import assert_faithful, case, check
from npcbam.oracle.reports.report import Report, Row

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
