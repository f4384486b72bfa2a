"""How the evidence becomes an outcome."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck import kinks
from npcbam.gradcheck.findings import Entry, Finding, LeafCheck
from npcbam.gradcheck.layout import Layout
from npcbam.gradcheck.outcomes import Outcome
from npcbam.gradcheck.seen import Seen

# A run that would pass a larger error than this, of the largest entry, can tell nothing.
COARSE = 1e-3


def mismatches(leaves: Sequence[LeafCheck], seen: Sequence[Seen]) -> list[Finding]:
    """Return a finding for each leaf that is wrong."""
    found = []
    for leaf, each in zip(leaves, seen, strict=True):
        wrong = [e for e in each.entries if not e.ok and not e.doubt and _known(e)]
        if not wrong:
            continue
        # Another cotangent counts only where the first one was right.
        first = [e for e in wrong if not e.cotangent]
        placed = [e for e in first or wrong if e.index is not None]
        worst = max(placed or first or wrong, key=lambda e: e.badness)
        kind, sentence, evidence = "", str(worst), ""
        if not math.isfinite(worst.got):
            code = "nan"
        elif first:
            code = "mismatch"
            if worst.index is None and each.kinked:
                kind, sentence, evidence = "ties", _shares(each, leaf.leaf), str(worst)
        else:
            code, evidence = "nonlinear", str(worst)
            sentence = (
                f"the pullback is not linear in dy: d{leaf.leaf} is right for one dy, wrong for "
                f"{worst.cotangent}"
            )
        found.append(Finding(code, leaf.leaf, sentence, kind, worst.severity, evidence))
    return found


def lost(layout: Layout, units: Array, g: Array, told: Collection[str]) -> list[Finding]:
    """Return a finding for each leaf with NaN in entries that no direction moves.

    What lies on a bound of its domain may have any other cotangent. `told` are leaves of which
    worse is known.
    """
    found = []
    for leaf in layout.leaves:
        bad = np.flatnonzero(np.isnan(g[leaf.part]) & (units[leaf.part] == 0))
        if bad.size and leaf.name not in told:
            place = [int(k) for k in np.unravel_index(bad[0], leaf.value.shape)]
            said = f"d{leaf.name}{place} is NaN, where {leaf.name} lies on a bound of its domain"
            found.append(Finding("nan", leaf.name, said))
    return found


def _shares(seen: Seen, name: str) -> str:
    """Say what is wrong with what tied entries get, when each may have its own share."""
    first = [e for e in seen.entries if e.index is not None and not e.cotangent]
    rule = kinks.rule([e for e in first if e.at_kink])
    together = f"the shares of equal entries of d{name} do not add up to the derivative"
    return f"{together}: {rule}" if rule else together


def doubts(
    leaves: Sequence[LeafCheck], seen: Sequence[Seen], rtol: float = 0.0
) -> tuple[Outcome, str, str, str] | None:
    """Return why nothing can be told, and what shows it, if that is so.

    An error of `rtol` is meant to pass.
    """
    for leaf, each in zip(leaves, seen, strict=True):
        unknown = [e for e in each.entries if not _known(e)]
        if unknown and each.jumps:
            reason = f"f jumps at this point, or moves in steps, in {_named(unknown[0])}"
            return "cannot tell", "jump", reason, ""
        if unknown:
            reason = f"the derivative is not finite at this point, in {_named(unknown[0])}"
            return "cannot tell", "nonfinite", reason, ""
        doubtful = [e for e in each.entries if e.doubt]
        if doubtful:
            if leaf.how == "no entry":
                return "cannot tell", "resolution", doubtful[0].doubt, ""
            return "cannot tell", "kink", doubtful[0].doubt, str(doubtful[0])
        endless = [e for e in each.entries if not math.isfinite(e.allowed)]
        if endless:
            reason = f"the derivative is not finite at this point, in {_named(endless[0])}"
            return "cannot tell", "nonfinite", f"{reason}, or f is not beside it", ""
        if leaf.caught > (COARSE + 8 * rtol) * leaf.scale and leaf.scale > 0:
            reason = (
                f"the derivative is too rough here: an error of {leaf.caught:.2g} in d{leaf.leaf}, "
                f"whose largest entry is {leaf.scale:.2g}, would have passed"
            )
            return "cannot tell", "resolution", reason, ""
    return None


def _named(entry: Entry) -> str:
    return f"d{entry.leaf}{list(entry.index) if entry.index else ''}"


def _known(entry: Entry) -> bool:
    return math.isfinite(entry.left + entry.right)
