"""Is this hand-written backward right?

`check_vjp` takes `f(*args) -> (y, pullback)`; `check_cached`, `check_layer`, `check_loss`,
`check_grad`, `check_jvp` and `check_hvp` take the other forms in which people have their code, and
`npcbam grad` all of them from the command line. Each says one of three things.

right
    Every cotangent agrees with the derivative, within what rounding explains. The report says for
    each argument which error of one entry would have been caught; where that is more than a
    thousandth of the largest entry, the outcome is not "right" but "cannot tell".
wrong
    An entry is off by two references of different kinds, or the pullback breaks what it owes its
    caller: one cotangent an argument, of its shape and dtype; nothing written to; the same result
    when it is called again, whatever ran in between and however dy lies in memory; linear in dy.
    All that is wrong is told, and each wrong array is held against the known mistakes
    (`npcbam.diagnosis`): by a factor, transposed, not summed, one term missing ...
cannot tell
    f is random, not finite or jumps here, or is so rough that an error would pass. The reason says
    which, and what to do.

How the verdict is reached (`trial` has the stages in order):

1. Arguments are copied into one vector (`layout`), and f and its pullback are called as they must
   bear it (`contract`, `again`): for random cotangents, a larger and a smaller one, one with
   zeros, 0 itself, one in another memory order (`cotangents`).
2. What is narrower than float64 is judged in float64, if f runs so; what it gives in its own
   precision is then held to that, entry by entry, at several places (`precision`).
3. The derivative of every result along a direction comes from the complex step, which is exact
   where f is analytic; finite differences of falling step, which know their own error
   (`differences`), vouch for it leaf by leaf, or take its place (`reference`). A reference never
   sees the pullback.
4. Leaves are looked at entry by entry where that takes few calls of f: small ones, and those whose
   entries never meet in one result (`structure`), as in elementwise functions of any size. Others
   are compared along random directions, in blocks of entries of about one size (`judge`). Each
   direction is held against all cotangents.
5. What is allowed comes from the run itself: the rounding of the terms, how far rounding moves the
   pullback's result, the reference's own error (`numbers`, `noise`). What is off is shown to the
   second reference: differences, in long double where f runs so.
6. At a kink a cotangent may lie between the left and the right derivative of every result
   (`kinks`); along directions in which equal entries move together, in one argument or in several,
   it must be exact. So any rule for ties passes whose shares add up.
7. Where something is wrong, columns of the Jacobian are taken, as many as cost no more than the
   check did, to say what it is (`explain`).

Limits. Differences know f to 2e-10, so that code which no complex step fits is judged to nine
digits; code in float32 alone to three. A mistake that this point hides is not seen: the report
names points that hide much, and `points=3` draws more. A cotangent at a kink of several bends may
be left undecided. Nothing finer than float64 is judged. f is called some hundred times.

Read on in `check`, then `trial`. `npcbam.gradcheck.museum` has 98 published mistakes.
"""

from npcbam.gradcheck.adjoint import check_adjoint
from npcbam.gradcheck.check import check_vjp, examine
from npcbam.gradcheck.findings import Entry, Finding, LeafCheck
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
from npcbam.gradcheck.report import CannotTellError, GradientError, GradReport, WrongGradientError

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
