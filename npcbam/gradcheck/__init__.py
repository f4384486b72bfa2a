"""Is this hand-written backward right?"""

from npcbam.gradcheck.adjoint import check_adjoint
from npcbam.gradcheck.check import check_vjp, examine
from npcbam.gradcheck.forms import (
    check_cached,
    check_grad,
    check_hvp,
    check_jvp,
    check_layer,
    check_loss,
    check_pair,
    pullback_as_function,
)
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
    "check_cached",
    "check_grad",
    "check_hvp",
    "check_jvp",
    "check_layer",
    "check_loss",
    "check_pair",
    "check_vjp",
    "examine",
    "pullback_as_function",
]
