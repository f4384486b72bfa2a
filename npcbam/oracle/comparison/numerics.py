"""Does the candidate keep the digits of its own precision, and what becomes of NaN and infinity?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from npcbam.cbam import CBAM
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate, sentence
from npcbam.oracle.comparison.beside import Carry, Pair, excess, pair_of
from npcbam.oracle.comparison.coarser import judged_otherwise
from npcbam.oracle.comparison.extremes import (
    Extreme,
    far_from_zero,
    not_finite,
    saturating,
    tiny_or_zero,
)
from npcbam.oracle.comparison.lost_digits import is_another, named
from npcbam.oracle.comparison.one_gate import OneGate
from npcbam.oracle.findings import Finding

# What explains errors at all lower precisions too.
EXPLAINS = {
    *("half-inside", "approximate-sigmoid", "exp-overflow", "precision"),
    *("tf32-inside", "autocast-inside"),
}


def numerics(
    candidate: Candidate,
    reading: CBAM | OneGate,
    carry: Carry,
    seed: int = 0,
    dtypes: Sequence[str] | None = None,
    channels: int = 0,
) -> list[Finding]:
    """Return where the candidate loses more than its precision takes.

    Parameters
    ----------
    candidate : at the highest precision at which its gradients were looked at
    reading : the block that it follows, in float64
    carry : builds that block from the candidate's arrays by name, parameters and buffers; it lays
        them otherwise and does no arithmetic, for gradients are carried too
    dtypes : the precisions that are tried, by falling precision; None for all that it has
    channels : how many a block has that has no matrix to tell it

    A gradient that is wrong there, or above, is left to the stage "gradient". Each code is
    reported once, at the highest precision that shows it.
    """
    found: dict[str, Finding] = {}
    wrong: set[str] = set()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        pair = pair_of(candidate, reading, carry, seed, channels)
        if pair is None:
            return []  # The effects say so.
        for dtype in candidate.dtypes if dtypes is None else dtypes:
            for finding in _at_one_precision(pair.at(dtype), wrong, set(found)):
                found.setdefault(finding.code, finding)
            if "y" in wrong:
                break
    return list(found.values())


def _at_one_precision(pair: Pair, wrong: set[str], known: set[str]) -> list[Finding]:
    """Try all inputs at one precision; `wrong` are tensors, `known` codes found at a higher one."""
    first = attempt(lambda: pair.ordinary)
    if isinstance(first, BaseException):
        seen = {"input": "noise"}
        return [pair.finding("unsupported-precision", seen, error=sentence(first))]
    off = {k: v for k, v in excess("noise", first).items() if k not in wrong}
    if is_another(pair):
        wrong.add("y")
        return []
    found: list[Finding] = []
    if off and not known & EXPLAINS:
        pair, found, off = judged_otherwise(pair, off)
        if pair.judged_as == "float32" != pair.dtype:
            # What else there is shows in float32.
            return found + named(pair, off, wrong)
    # What a cause that is named already does at a lower precision is not told again.
    plain = not off and not known & EXPLAINS
    found += _seen(saturating, pair, wrong, plain)
    if off and not EXPLAINS & (known | {finding.code for finding in found}):
        found += named(pair, off, wrong)
    extremes = (far_from_zero, tiny_or_zero) if plain else ()
    for extreme in (*extremes, not_finite):
        found += _seen(extreme, pair, wrong, plain)
    return found


def _seen(extreme: Extreme, pair: Pair, wrong: set[str], plain: bool) -> list[Finding]:
    found = attempt(lambda: list(extreme(pair, wrong, plain)))
    if not isinstance(found, BaseException):
        return found
    kind = extreme.__name__.replace("_", " ")
    where = f"in {pair.dtype} on inputs that are {kind}"
    return [pair.finding("raises", {"input": kind}, where=where, error=sentence(found))]
