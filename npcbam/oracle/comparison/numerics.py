"""Does the candidate keep the digits of its own precision, and what becomes of NaN and infinity?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import sentence
from npcbam.oracle.comparison.at_one_precision import Pair
from npcbam.oracle.comparison.coarser import judged_otherwise
from npcbam.oracle.comparison.extremes import (
    far_from_zero,
    not_finite,
    saturating,
    tiny_or_zero,
)
from npcbam.oracle.comparison.lost_digits import is_another, named
from npcbam.oracle.findings import Finding

# What explains errors at all lower precisions too.
EXPLAINS = {
    *("half-inside", "approximate-sigmoid", "exp-overflow", "precision"),
    *("tf32-inside", "autocast-inside"),
}


def numerics(pair: Pair, dtypes: Sequence[str]) -> list[Finding]:
    """Return where the candidate loses more than its precision takes.

    Parameters
    ----------
    dtypes : the precisions that are tried, by falling precision

    A gradient that is wrong at the precision of `pair`, or above, is left to the stage "gradient".
    Each code is reported once, at the highest precision that shows it.
    """
    found: dict[str, Finding] = {}
    wrong: set[str] = set()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for dtype in dtypes:
            for finding in _at_one_precision(pair.at(dtype), wrong, set(found)):
                found.setdefault(finding.code, finding)
            if "y" in wrong:
                break
    return list(found.values())


def _at_one_precision(pair: Pair, wrong: set[str], known: set[str]) -> list[Finding]:
    """Try all inputs at one precision; `wrong` are tensors, `known` codes found at a higher one."""
    first = attempt(lambda: pair.off)
    if isinstance(first, BaseException):
        seen = {"input": "noise"}
        return [pair.finding("unsupported-precision", seen, error=sentence(first))]
    off = {tensor: row for tensor, row in first.items() if tensor not in wrong}
    if is_another(pair):
        wrong.add("y")
        return []
    found: list[Finding] = []
    if not known & EXPLAINS:
        pair, found, off = judged_otherwise(pair, off)
        if pair.judged_as == "float32" != pair.dtype:
            # What else there is shows in float32.
            return found + named(pair, off, wrong)
    # What a cause that is named already does at a lower precision is not told again.
    plain = not off and not known & EXPLAINS
    found += _seen(pair, "saturating", lambda: saturating(pair, wrong, plain))
    if off and not EXPLAINS & (known | {finding.code for finding in found}):
        found += named(pair, off, wrong)
    if plain:
        found += _seen(pair, "far from zero", lambda: far_from_zero(pair))
        found += _seen(pair, "tiny or zero", lambda: tiny_or_zero(pair))
    return found + _seen(pair, "not finite", lambda: not_finite(pair))


def _seen(pair: Pair, kind: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what inputs of one kind show, or that it fails on them."""
    found = attempt(lambda: list(look()))
    if not isinstance(found, BaseException):
        return found
    where = f"in {pair.dtype} on inputs that are {kind}"
    return [pair.finding("raises", {"input": kind}, where=where, error=sentence(found))]
