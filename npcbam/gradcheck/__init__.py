"""Is this hand-written backward right?"""

from npcbam.gradcheck.adjoint import check_adjoint
from npcbam.gradcheck.check import check_vjp, examine
from npcbam.gradcheck.report import (
    CannotTellError,
    Entry,
    Finding,
    GradientError,
    GradReport,
    LeafCheck,
    WrongGradientError,
)

__all__ = [
    "CannotTellError",
    "Entry",
    "Finding",
    "GradReport",
    "GradientError",
    "LeafCheck",
    "WrongGradientError",
    "check_adjoint",
    "check_vjp",
    "examine",
]
