"""Precisions that hide in a finer one: float32 in float64, and TF32 or autocast in float32."""

from __future__ import annotations

from dataclasses import replace

from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.comparison.at_one_precision import LAST, Excess, Pair, excess
from npcbam.oracle.comparison.lost_digits import is_rough
from npcbam.oracle.findings import Finding, Row, Status
from npcbam.oracle.precision import MIXED
from npcbam.oracle.probing.single import only_single

# How many draws of weights tell TF32 from autocast, and its half precisions from each other: by
# luck one may look finer than it is.
DRAWS = 8


def kind_of(pair: Pair) -> str:
    """Return the precision whose rounding a block in float32 is allowed: TF32, autocast, its own.

    Where it does not run on what is drawn here, that is for the numerics to say.
    """
    found = attempt(lambda: judged_otherwise(pair, pair.off))
    return pair.dtype if isinstance(found, BaseException) else found[0].judged_as


def judged_otherwise(pair: Pair, off: Excess) -> tuple[Pair, list[Finding], Excess]:
    """Return the pair by the bounds that explain what is off, their name, and what is still off.

    In float64 they are those of float32; in float32 those of TF32 or autocast, if they explain all.
    """
    for kind in _kinds(pair, off):
        tensor, row = next(iter(off.items()))
        judged = pair.at(pair.dtype, judged_as=kind)
        left = judged.off
        if kind == "float32":
            dy = judged.cotangent(judged.ordinary["y"].expected.shape)
            at = pair.candidate, judged.values, judged.noise(), dy
            told = tensor not in left and only_single(*at)
        else:
            more = (replace(judged, seed=pair.seed + i) for i in range(1, DRAWS))
            told = not left and not any(each.off for each in more) and is_rough(pair, tensor)
        if told:
            return judged, [_named(judged, row)], left
    return pair, [], off


def _kinds(pair: Pair, off: Excess) -> tuple[str, ...]:
    """Return the precisions by which it may be judged otherwise, from fine to coarse.

    TF32 and autocast touch float32 alone, and y first of all: what is rounded on purpose shows in
    float64 too. Where there is no float64 that cannot be told, but for the digits of TF32.
    """
    if pair.dtype == "float64" and off:
        return ("float32",)
    if pair.dtype != "float32" or "y" not in off:
        return ()
    if "float64" not in pair.candidate.dtypes:
        return MIXED[:1]
    wide = pair.at("float64", judged_as="float32")
    there = attempt(lambda: wide.compare(wide.values, wide.noise(), gradients=False))
    whole = not isinstance(there, BaseException) and not excess("noise", there)
    return MIXED if whole else ()


def _named(pair: Pair, row: Row) -> Finding:
    """Return the finding that there is less inside than the precision has."""
    if pair.judged_as == "float32":
        # A block that is to be judged in float64 is to have its digits.
        status: Status | None = "wrong" if pair.asked == "float64" else None
        return pair.finding("single-inside", row.evidence, status, part=_part(pair))
    how, _, half = pair.judged_as.partition("-")
    return pair.finding(f"{how}-inside", row.evidence, half=half)


def _part(pair: Pair) -> str:
    """Return what is computed in float32, and a verb: what is so with the rest silenced."""
    x = pair.noise()

    def rough(*silenced: str) -> bool:
        paths = tuple(path for gate in silenced for path in LAST[gate])
        paths += ("spatial.norm.mean",) if "spatial" in silenced else ()
        return only_single(pair.candidate, pair.scaled(pair.values, paths, 0.0), x, None)

    if rough("spatial", "channel"):
        return "the features are"
    others = {"channel": "spatial", "spatial": "channel"}
    found = [gate for gate, other in others.items() if rough(other)]
    return {1: f"the {found[0]} gate is", 2: "both gates are"}[len(found)] if found else "a step is"
