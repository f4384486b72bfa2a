"""Is this CBAM correct? The oracle runs a candidate beside the reference, and says.

Reading order: `candidate`, `adapters`, `roles`, `hypotheses`, `identify`, `battery`, `report`,
`check`, `examples`.
"""

from npcbam.oracle.candidate import BadOutput, Candidate, CannotRun
from npcbam.oracle.check import check
from npcbam.oracle.report import Report, Row

__all__ = ["BadOutput", "Candidate", "CannotRun", "Report", "Row", "check"]
