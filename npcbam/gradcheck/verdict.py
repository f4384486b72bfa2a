"""How the evidence becomes an outcome."""

from __future__ import annotations

import math

from npcbam.gradcheck import kinks
from npcbam.gradcheck.report import Entry, LeafCheck, Outcome

COARSE = 0.01  # a run that would pass a larger error than this, relative, can tell nothing


def decide(
    seen: list[LeafCheck], entries: list[Entry], kinky: list[Entry]
) -> tuple[Outcome, str, str]:
    """Return the outcome, its code and its sentence."""
    wrong = [e for e in entries if not e.ok and not e.doubt and math.isfinite(e.left + e.right)]
    if wrong:
        worst = max(wrong, key=lambda e: e.badness)
        if not math.isfinite(worst.got):
            return "wrong", "nan", str(worst)
        # Another cotangent counts only where the first one was right.
        first = [e for e in wrong if not e.other]
        if not first:
            return "wrong", "nonlinear", f"the pullback is not linear in dy: {worst}"
        rule = kinks.rule([e for e in kinky if e.leaf == worst.leaf])
        told = f"; {rule}" if rule else ""
        return "wrong", "mismatch", f"{max(first, key=lambda e: e.badness)}{told}"
    if not all(math.isfinite(e.left + e.right) for e in entries):
        return "cannot tell", "nonfinite", "the derivative is not finite at this point"
    doubtful = [e for e in entries if e.doubt]
    if doubtful:
        return "cannot tell", "kink", f"{doubtful[0].doubt}: {doubtful[0]}"
    for leaf in seen:
        if leaf.caught > COARSE * leaf.scale and leaf.scale > leaf.quiet:
            reason = (
                f"the derivative is too rough here: an error of {leaf.caught:.2g} in d{leaf.leaf}, "
                f"whose largest entry is {leaf.scale:.2g}, would have passed"
            )
            return "cannot tell", "resolution", reason
    at = " (this point sits on a kink)" if kinky else ""
    return "right", "right", f"all cotangents agree with the derivative{at}"
