"""Why are there fewer digits than the precision has? Rounding inside, or a gate that is only near.

Rounding is told by its roughness: it jumps where all else moves smoothly.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.comparison.beside import (
    OUTER,
    SPATIAL,
    Carry,
    Excess,
    Trial,
    Values,
    excess,
    trial_of,
)
from npcbam.oracle.findings import Finding, Status
from npcbam.oracle.precision import MIXED, PRECISIONS, rounded
from npcbam.pointwise import sigmoid, sigmoid_vjp

# A relative move of all numbers, within which half precision rounds otherwise and no smooth error
# changes much; and how much of its median size an error of rounding changes at least.
MOVE, ROUGH = 2.0**-10, 2.0**-5
# Of the largest entry: what lies below comes of float32 inside float64; what lies above and is
# smooth comes of another block than the reading.
SINGLE, OTHER = 2.0**-18, 0.05
# Steps on a line, of every number, and the third differences that float32 makes there. Cubed, the
# step is below all that float64 has, and half precision rounds nearly all of it away.
STEP, FINE = 2.0**-22, 2.0**-40
# How many draws of weights tell TF32 from autocast, and its half precisions from each other.
DRAWS = 8
# No approximation of a sigmoid is off by more.
NEARLY = 0.2
# How many values of a gate show its shape.
GATES = 2000
# What explains errors at all lower precisions too.
COARSE = ("tf32-inside", "autocast-inside")


def only_single(candidate: Candidate, values: Values, x: Array, dy: Array | None) -> bool:
    """Tell whether something is computed in float32 where all that comes in is in float64.

    Parameters
    ----------
    candidate : at float64
    values : parameters and buffers by name
    x, dy : an input; None for dy leaves the gradients out
    """
    sides = np.random.default_rng(0)
    along = {name: sides.choice([-1.0, 1.0], value.shape) for name, value in values.items()}
    of_x = sides.choice([-1.0, 1.0], x.shape)

    def on_line(t: float) -> tuple[Array, Array]:
        there = {name: value * (1 + t * along[name]) for name, value in values.items()}
        moved = x * (1 + t * of_x)
        y = candidate.forward(there, moved.copy())
        pulled = None if dy is None else candidate.vjp(there, moved, dy.copy())
        return y, y if pulled is None else pulled[1]

    found = attempt(lambda: [on_line(t * STEP) for t in range(4)])
    if isinstance(found, BaseException):
        return False
    return any(_third(several) for several in zip(*found, strict=True))


def _third(several: Sequence[Array]) -> bool:
    """Tell whether third differences are of float32's size."""
    a, b, c, d = several
    third = np.median(np.abs(d - 3 * c + 3 * b - a)) if a.size else 0.0
    return bool(FINE < third / (np.abs(a).max(initial=0) or 1) < SINGLE)


def kind_of(candidate: Candidate, reading: CBAM, carry: Carry, seed: int) -> str:
    """Return the precision whose rounding a block in float32 is allowed: TF32, autocast or its own.

    Parameters
    ----------
    candidate : at float32
    reading, carry, seed : see `numerics`
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        trial = trial_of(candidate, reading, carry, seed)
        if trial is None:
            return candidate.dtype
        off = _excess(trial)
        return judged_as(trial, off)[0].kind if off else candidate.dtype


def is_another(trial: Trial, values: Values, compared: tuple[Array, Array, Array]) -> bool:
    """Tell whether y departs by so much that it is that of another block."""
    size = _size(compared)
    far = trial.dtype == "float64" and OTHER < size < np.inf
    return far and (size > NEARLY or not _approximated(trial, values))


def judged_as(trial: Trial, off: Excess) -> tuple[Trial, list[Finding], Excess]:
    """Return the trial by the bounds that explain what is off, their name, and what is still off.

    In float64 they are those of float32; in float32 those of TF32 or autocast, if they explain all.
    """
    seen = next(iter(off.values()))
    for kind in _kinds(trial, off):
        judged = replace(trial, judged_as=kind)
        left = _excess(judged)
        explained = seen["tensor"] not in left if kind == "float32" else not left
        # By luck one draw may look finer than it is.
        more = () if kind == "float32" or not explained else range(1, DRAWS)
        explained &= not any(_excess(replace(judged, seed=trial.seed + i)) for i in more)
        if explained and _tells(judged, str(seen["tensor"])):
            return judged, [_lower(judged, seen)], left
    return trial, [], off


def _tells(trial: Trial, tensor: str) -> bool:
    """Tell whether it is by rounding that a tensor is off."""
    values, x = trial.values(), trial.noise()
    if trial.kind == "float32":
        return only_single(trial.candidate, values, x, trial.cotangent(x))
    return _rough(replace(trial, judged_as=""), values, x, tensor)


def _excess(trial: Trial) -> Excess:
    return excess("noise", trial.compare(trial.values(), trial.noise()))


def _kinds(trial: Trial, off: Excess) -> tuple[str, ...]:
    """Return the precisions by which it may be judged otherwise, from fine to coarse.

    TF32 and autocast touch float32 alone, and y first of all: what is rounded on purpose shows in
    float64 too. Where there is no float64 that cannot be told, but for the digits of TF32.
    """
    if trial.dtype == "float64":
        return ("float32",)
    if trial.dtype != "float32" or "y" not in off:
        return ()
    if "float64" not in trial.candidate.dtypes:
        return MIXED[:1]
    wide = replace(trial, candidate=trial.candidate.at("float64"), judged_as="float32")
    there = attempt(lambda: wide.compare(wide.values(), wide.noise(), gradients=False))
    whole = not isinstance(there, BaseException) and not excess("noise", there)
    return MIXED if whole else ()


def _lower(trial: Trial, seen: Mapping[str, object]) -> Finding:
    """Return the finding that there is less inside than the precision has."""
    if trial.kind == "float32":
        said = (
            f"in float64 {_part(trial)} computed in float32: no more than float32's digits are to "
            f"be had there"
        )
        # A block that is to be judged in float64 is to have its digits.
        status: Status = "wrong" if trial.asked == "float64" else "note"
        return trial.finding("single-inside", said, seen, status)
    half = trial.kind.removeprefix("autocast-")
    how = "with factors rounded to 10 bits, as TF32 has them"
    how = how if half == trial.kind else f"in {half}, as under autocast"
    said = f"in float32 it computes its linear layers and convolutions {how}"
    return trial.finding(f"{trial.kind.partition('-')[0]}-inside", said, seen, "note")


def _part(trial: Trial) -> str:
    """Return what is computed in float32, and a verb: what is so with the rest silenced."""
    x, values = trial.noise(), trial.values()
    spatial = (*SPATIAL, "spatial.norm.mean")

    def rough(*silenced: str) -> bool:
        return only_single(trial.candidate, trial.scaled(values, silenced, 0.0), x, None)

    if rough(*spatial, *OUTER):
        return "the features are"
    gates = {"channel": spatial, "spatial": OUTER}
    found = [gate for gate, others in gates.items() if rough(*others)]
    return {1: f"the {found[0]} gate is", 2: "both gates are"}[len(found)] if found else "a step is"


def named(trial: Trial, off: Excess, wrong: set[str]) -> list[Finding]:
    """Say why an ordinary input gives more than rounding, in the first tensor that shows it."""
    values, x = trial.values(), trial.noise()
    first = trial.compare(values, x)
    tensor, seen = next(((k, v) for k, v in off.items() if k not in wrong), ("", {}))
    if not tensor:
        return []
    size = _size(first[tensor])
    # An error so small in float64 is no half precision's.
    least = SINGLE if trial.dtype == "float64" else 0.0
    # Beside float32's own rounding, a wrong gradient of few entries is rough too.
    told = trial.dtype != "float32" or not trial.left(tensor)
    if told and least <= size <= OTHER and _rough(trial, values, x, tensor):
        if trial.dtype not in ("float64", "float32"):
            return [precision(trial, seen)]
        said = (
            f"{tensor} has the digits of half precision in {trial.dtype}: something inside is "
            f"rounded to float16, bfloat16 or TF32"
        )
        return [trial.finding("half-inside", said, seen)]
    if tensor == "y" and (gate := _approximated(trial, values)):
        said = (
            f"the {gate} gate is only nearly a sigmoid: its error depends on the logit alone and "
            f"does not shrink with higher precision"
        )
        return [trial.finding("approximate-sigmoid", said, seen)]
    if trial.left(tensor):
        # And so is what other inputs show of them.
        wrong.update(first.keys() - {"y"})
        return []
    return [precision(trial, seen)]


def _size(compared: tuple[Array, Array, Array]) -> float:
    """Return the largest error, of the largest entry; infinite where there is NaN."""
    got, want, _ = compared
    size = float(np.abs(got - want).max() / (np.abs(want).max() or 1))
    return size if np.isfinite(size) else np.inf


def precision(trial: Trial, seen: Mapping[str, object]) -> Finding:
    """Return the finding that a tensor is off by more than rounding, for whatever reason."""
    by = "is no number where it should be one"
    if np.isfinite(float(str(seen["times"]))):
        by = f"is off by {seen['times']:.3g} times what rounding explains"
    said = f"in {trial.dtype}, {seen['tensor']} {by}, on the input `{seen['input']}`"
    return trial.finding("precision", said, seen)


def _rough(trial: Trial, values: Values, x: Array, tensor: str) -> bool:
    """Tell whether the error jumps when all numbers move a little, as that of rounding does."""
    rng = np.random.default_rng(trial.seed + 3)

    def moved(a: Array) -> Array:
        return rounded(a * (1 + MOVE * rng.uniform(-1, 1, a.shape)), trial.kind)

    def error(values: Values, x: Array) -> tuple[Array, Array]:
        got, want, room = trial.compare(values, x, tensor != "y")[tensor]
        return got - want, room

    before, room = error(values, x)
    after, _ = error({k: moved(v) for k, v in values.items()}, moved(x))
    # Of all entries, and of those that are off: what else there is may be rounding in any case.
    return _jumps(before, after) and _jumps(*(a[np.abs(before) > room] for a in (before, after)))


def _jumps(before: Array, after: Array) -> bool:
    # Not the means: where a maximum switches, smooth errors jump too.
    sizes = [np.median(np.abs(a)) if a.size else 0.0 for a in (after - before, before)]
    return bool(sizes[0] > ROUGH * sizes[1])


def _approximated(trial: Trial, values: Values) -> str:
    """Return the gate, "channel" or "spatial", whose error is a function of its logit alone."""
    reading = trial.reading
    x = trial.noise(GATES // min(trial.noise(1)[0, 0].size, trial.noise(1).shape[1]))
    first = reading.order == "channel-first"
    # The other gate is held at a logit of 0, where it is ½.
    halves = 0.5 if reading.spatial is not None and reading.order != "parallel" else 1.0
    for gate, silenced in (("channel", SPATIAL), ("spatial", OUTER)):
        held = trial.scaled(values, silenced, 0.0)
        cbam = trial.carry(held)
        attention = getattr(cbam, gate)
        if attention is None:
            continue
        reads = x if first == (gate == "channel") else halves * x
        z = attention.logits_vjp(reads)[0]
        y = attempt(lambda held=held: trial.candidate.forward(held, x))  # type: ignore[misc]
        if isinstance(y, BaseException):
            continue  # It does not take so many samples.
        y = y - (x if reading.residual else 0)
        # Where x is largest, the gate is read off best.
        axes = tuple(range(2, x.ndim)) if gate == "channel" else (1,)
        best = np.abs(x) == np.abs(x).max(axis=axes, keepdims=True)
        error = np.where(best, y / x - halves * sigmoid(z), 0).sum(axis=axes, keepdims=True)
        if _function_of(z.ravel(), error.ravel(), PRECISIONS[trial.dtype].unit):
            return gate
    return ""


def _function_of(z: Array, error: Array, unit: float) -> bool:
    """Tell whether errors of a gate go smoothly with its logit.

    Errors of the logit, of its scale, of the gate's scale and of a constant do so too.
    """
    order = np.argsort(z)
    z, error = z[order], error[order]
    size = np.abs(error).max()
    # Humps, each up and down; noise goes up and down with every entry.
    if size < 64 * unit or np.abs(np.diff(error)).sum() > 0.05 * len(z) * size:
        return False
    gate, pullback = sigmoid_vjp(z)
    slope = pullback(np.ones_like(z))
    others = np.stack([slope, slope * z, gate, np.ones_like(z)], axis=1)
    rest = error - others @ np.linalg.lstsq(others, error, rcond=None)[0]
    return bool(np.abs(rest).max() > 0.05 * size)
