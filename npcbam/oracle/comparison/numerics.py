"""Does the candidate keep the digits of its own precision, and what becomes of NaN and infinity?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate, sentence
from npcbam.oracle.comparison import lost_digits as digits
from npcbam.oracle.comparison.beside import (
    OUTER,
    SPATIAL,
    Carry,
    Compared,
    Trial,
    Values,
    excess,
    trial_of,
)
from npcbam.oracle.findings import Finding
from npcbam.oracle.precision import PRECISIONS, rounded
from npcbam.oracle.probing.inputs import Input

# What explains errors at all lower precisions too.
NAMED = {"half-inside", "approximate-sigmoid", "exp-overflow", "precision", *digits.COARSE}
# Where x is smaller, a small error of y looks like a large one of a gate.
CLEAR = 0.1


def numerics(
    candidate: Candidate,
    reading: CBAM,
    carry: Carry,
    seed: int = 0,
    dtypes: Sequence[str] | None = None,
) -> list[Finding]:
    """Return where the candidate loses more than its precision takes.

    Parameters
    ----------
    candidate : at the highest precision at which its gradients were looked at
    reading : the CBAM that it follows, in float64
    carry : builds that CBAM from the candidate's arrays by name, parameters and buffers; it lays
        them otherwise and does no arithmetic, for gradients are carried too
    dtypes : the precisions that are tried, by falling precision; None for all that it has

    A gradient that is wrong there, or above, is left to the stage "gradient". Each code is
    reported once, at the highest precision that shows it.
    """
    found: dict[str, Finding] = {}
    wrong: set[str] = set()
    dtypes = candidate.dtypes if dtypes is None else dtypes
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        first = trial_of(candidate, reading, carry, seed)
        if first is None:
            return []  # The effects say so.
        for dtype in dtypes:
            trial = replace(first, candidate=candidate.at(dtype))
            for finding in _at_one_precision(trial, wrong, set(found)):
                found.setdefault(finding.code, finding)
            if "y" in wrong:
                break
    return list(found.values())


Look: TypeAlias = Callable[[Trial, Values, set[str], bool], Iterator[Finding]]


def _at_one_precision(trial: Trial, wrong: set[str], known: set[str]) -> list[Finding]:
    """Try all inputs at one precision; `wrong` are tensors, `known` codes found at a higher one."""
    values, x = trial.values(), trial.noise()
    first = attempt(lambda: trial.compare(values, x))
    if isinstance(first, BaseException):
        said = f"it does not run in {trial.dtype}: {sentence(first)}"
        return [trial.finding("unsupported-precision", said, {"input": "noise"}, "note")]
    off = {k: v for k, v in excess("noise", first).items() if k not in wrong}
    if digits.is_another(trial, values, first["y"]):
        wrong.add("y")
        return []
    found: list[Finding] = []
    if off and not known & NAMED:
        trial, found, off = digits.judged_as(trial, off)
        if trial.kind == "float32" != trial.dtype:
            # What else there is shows in float32.
            return found + digits.named(trial, off, wrong)
    # What a cause that is named already does at a lower precision is not told again.
    plain = not off and not known & NAMED
    found += _look(_saturating, trial, values, wrong, plain)
    if off and not NAMED & (known | {finding.code for finding in found}):
        found += digits.named(trial, off, wrong)
    for look in (_far_from_zero, _tiny_or_zero, _not_finite):
        found += _look(look, trial, values, wrong, plain)
    return found


def _look(look: Look, trial: Trial, values: Values, wrong: set[str], plain: bool) -> list[Finding]:
    found = attempt(lambda: list(look(trial, values, wrong, plain)))
    if not isinstance(found, BaseException):
        return found
    kind = look.__name__.strip("_").replace("_", " ")
    said = f"it fails in {trial.dtype} on inputs that are {kind}: {sentence(found)}"
    return [trial.finding("raises", said, {"input": kind})]


def _saturating(trial: Trial, values: Values, wrong: set[str], plain: bool) -> Iterator[Finding]:
    """Try logits of either sign at which exp overflows."""
    x = trial.noise()
    for sign in (1.0, -1.0):
        large = _with_large_logits(trial, values, x, sign)
        compared = trial.compare(large, x)
        off = {k: v for k, v in excess("saturated gates", compared).items() if k not in wrong}
        for tensor, seen in off.items():
            got, want, _ = compared[tensor]
            lost = not np.isfinite(got).all() and np.isfinite(want).all()
            turned = tensor == "y" and _turned(got, want, x, trial.reading.residual)
            if lost or turned:
                gives = "NaN or infinity" if lost else "the wrong end of the gate"
                said = f"large logits overflow in exp, and {tensor} gets {gives}"
                yield trial.finding("exp-overflow", said, seen)
            elif plain and not trial.left(tensor):
                yield digits.precision(trial, seen)
            if lost or turned or plain:
                return


def _turned(got: Array, want: Array, x: Array, residual: bool) -> bool:
    """Tell whether a gate is 0 where 1 is right, or 1 where 0 is."""
    gate = want / x - residual
    saturated = np.minimum(np.abs(gate), np.abs(1 - gate)) < 0.01
    off = np.abs(got - want) > 0.4 * np.abs(x)
    return bool((saturated & off & (np.abs(x) > CLEAR)).any())


def _with_large_logits(trial: Trial, values: Values, x: Array, sign: float) -> Values:
    target = 3 * math.log(PRECISIONS[trial.dtype].most)
    cbam = trial.carry(values)
    z = cbam.channel.logits_vjp(x)[0]
    large = trial.scaled(values, OUTER, sign * target / (np.abs(z).max() or 1))
    if cbam.spatial is None:
        return large
    cbam = trial.carry(large)
    assert cbam.spatial is not None
    reads = cbam.channel(x) * x if cbam.order == "channel-first" else x
    z = cbam.spatial.logits_vjp(reads)[0]
    return trial.scaled(large, SPATIAL[:2], sign * target / (np.abs(z).max() or 1))


def _far_from_zero(trial: Trial, values: Values, wrong: set[str], plain: bool) -> Iterator[Finding]:
    """Try a large offset that W0 does not see, so that the gates see only what is left of noise."""
    if not plain:
        return
    quiet = trial.scaled(values, SPATIAL, 0.0)
    blind = np.linalg.svd(trial.carry(quiet).channel.mlp.w0)[2][-1]
    bits = -math.log2(PRECISIONS[trial.dtype].unit)
    noise = trial.noise()
    column = (blind / np.abs(blind).max()).reshape(-1, *[1] * (noise.ndim - 2))

    def off(offset: float) -> tuple[Compared, float]:
        x = rounded(noise + offset * column, trial.kind)
        compared = trial.compare(quiet, x, gradients=False)
        got, want, _ = compared["y"]
        return compared, float((np.abs(got - want) / np.abs(x)).max())

    large = 2.0 ** (bits // 2)
    compared, error = off(large)
    seen = excess("large offset", compared).get("y")
    if seen and error > 2 * off(large / 8)[1]:
        said = (
            f"the mean loses digits: with an offset of {large:g} under the features, y is off by "
            f"{seen['times']:.3g} times what rounding in {trial.dtype} explains"
        )
        yield trial.finding("mean-loses-digits", said, seen)
    elif seen:
        yield digits.precision(trial, seen)


def _tiny_or_zero(trial: Trial, values: Values, wrong: set[str], plain: bool) -> Iterator[Finding]:
    if not plain:
        return
    x = trial.noise()
    least = {"float64": -1019, "float16": -12}.get(trial.dtype, -123)
    inputs = [
        Input("tiny", "near the smallest numbers: nothing may divide by 0", np.ldexp(x, least)),
        Input("signed zeros", "zeros of either sign", np.copysign(0.0, x)),
    ]
    for each in inputs:
        compared = trial.compare(values, rounded(each.x, trial.kind), gradients=False)
        for seen in excess(each.name, compared).values():
            yield digits.precision(trial, seen)
            return


def _not_finite(trial: Trial, values: Values, wrong: set[str], plain: bool) -> Iterator[Finding]:
    """Spoil one entry of the middle sample."""
    for what, spoilt in (("nan", np.nan), ("inf", np.inf)):
        x = trial.noise()
        place = (1, 0, *(size // 2 for size in x.shape[2:]))
        before = trial.candidate.forward(values, x.copy())
        if before.shape != x.shape or not np.isfinite(before).all():
            return
        x[place] = spoilt
        y = trial.candidate.forward(values, x.copy())
        want = trial.carry(values)(x)
        spelled = {"nan": "NaN", "inf": "infinity"}[what]
        bad = ~np.isfinite(y)
        if bad[[0, 2]].any():
            index = np.argwhere(bad & (np.arange(len(x)) != 1).reshape(-1, *[1] * (x.ndim - 1)))[0]
            said = f"{spelled} in one sample spoils the others"
            seen = _at(what, y, want, tuple(int(i) for i in index))
            yield trial.finding("nan-spread", said, seen)
        lost = np.isfinite(y[1]) & ~np.isfinite(want[1])
        if lost.any():
            index = np.argwhere(lost)[0]
            seen = _at(what, y, want, (1, *(int(i) for i in index)))
            whole = not bad[1].any()
            said = f"{spelled} in the features is swallowed: "
            said += "y has none" if whole else "where the reference gives it too, y has numbers"
            yield trial.finding(f"{what}-swallowed", said, seen, "wrong" if whole else "note")


def _at(what: str, got: Array, want: Array, index: tuple[int, ...]) -> dict[str, object]:
    name = {"nan": "NaN in one sample", "inf": "infinity in one sample"}[what]
    values = {"got": float(got[index]), "expected": float(want[index])}
    return {"input": name, "tensor": "y", "index": list(index), **values, "times": math.inf}
