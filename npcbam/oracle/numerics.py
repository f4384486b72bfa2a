"""Does the candidate keep the digits of its own precision, and what becomes of NaN and infinity?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from npcbam import tree
from npcbam.cbam import CBAM
from npcbam.checks import Array
from npcbam.oracle.battery import Input, cotangent
from npcbam.oracle.bounds import allowed
from npcbam.oracle.candidate import Candidate, sentence
from npcbam.oracle.effects import attempt
from npcbam.oracle.findings import Finding, Status, evidence
from npcbam.oracle.precision import MIXED, PRECISIONS, at_precision
from npcbam.pointwise import sigmoid, sigmoid_vjp

Carry: TypeAlias = Callable[[Mapping[str, Array]], CBAM]
Values: TypeAlias = dict[str, Array]
# What came out, what should have, and what rounding explains, by tensor.
Compared: TypeAlias = dict[str, tuple[Array, Array, Array]]

# A relative move of all numbers, within which half precision rounds otherwise and no smooth error
# changes much; and how much of its median size an error of rounding changes at least.
MOVE, ROUGH = 2.0**-10, 2.0**-5
# Of the largest entry: what lies below comes of float32 inside float64; what lies above and is
# smooth comes of another block than the reading.
SINGLE, OTHER = 2.0**-18, 0.05
# No approximation of a sigmoid is off by more.
NEARLY = 0.2
# Sizes of maps, up to three axes of each. All but the first are for blocks of one fixed size.
SPACES = ((7, 5, 4), *((size,) * 3 for size in (7, 8, 14, 16, 28, 32, 56)))
# How many values of a gate show its shape.
GATES = 2000
SPATIAL = ("spatial.conv.w", "spatial.conv.b", "spatial.norm.gamma", "spatial.norm.beta")
# What explains errors at all lower precisions too.
COARSE = {"tf32-inside", "autocast-inside"}
NAMED = {"half-inside", "approximate-sigmoid", "exp-overflow", "precision"} | COARSE
OUTER = ("channel.mlp.w1", "channel.mlp.b1")


def numerics(candidate: Candidate, reading: CBAM, carry: Carry, seed: int = 0) -> list[Finding]:
    """Return where the candidate loses more than its precision takes.

    Parameters
    ----------
    candidate : all of its precisions are tried
    reading : the CBAM that it follows, in float64
    carry : builds that CBAM from the candidate's arrays by name, parameters and buffers; it lays
        them otherwise and does no arithmetic, for gradients are carried too

    A gradient that is wrong at the highest precision is left to the stage "gradient". Each code is
    reported once, at the highest precision that shows it.
    """
    found: dict[str, Finding] = {}
    wrong: set[str] = set()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        feeds = _feeds(candidate, carry)
        tries = (Trial(candidate, reading, carry, feeds, seed, space) for space in SPACES)
        space = next((trial.space for trial in tries if trial.runs()), None)
        if space is None:
            return []  # The effects say so.
        for dtype in candidate.dtypes:
            trial = Trial(candidate.at(dtype), reading, carry, feeds, seed, space)
            for finding in _at_one_precision(trial, wrong, set(found)):
                found.setdefault(finding.code, finding)
            if "y" in wrong:
                break
    return list(found.values())


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate at one precision, and the CBAM that it follows.

    `judged_as` is the precision whose rounding it is allowed, where that is not its own.
    """

    candidate: Candidate
    reading: CBAM
    carry: Carry
    feeds: dict[str, set[str]]
    seed: int
    space: tuple[int, ...] = SPACES[0]
    judged_as: str = ""

    @property
    def dtype(self) -> str:
        """The precision."""
        return self.candidate.dtype

    def values(self) -> dict[str, Array]:
        """Draw parameters of either sign, none of them 0, and buffers above 0."""
        rng = np.random.default_rng(self.seed)
        drawn = {}
        for name, value in self.candidate.parameters.items():
            fan = value.size // min(value.shape) if value.ndim > 1 and value.size else 1
            drawn[name] = 2 / math.sqrt(max(fan, 4)) * cotangent(rng, value.shape)
        drawn |= {k: rng.uniform(0.5, 1.5, v.shape) for k, v in self.candidate.buffers.items()}
        return self.rounded(drawn)

    def rounded(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return the arrays as the precision has them."""
        return {name: at_precision(value, self.dtype) for name, value in values.items()}

    def left(self, tensor: str) -> bool:
        """Tell whether what is smoothly wrong with a tensor is left to the stage "gradient"."""
        return tensor != "y" and self.dtype == self.candidate.dtypes[0]

    def noise(self, samples: int = 3) -> Array:
        """Draw an input."""
        rng = np.random.default_rng(self.seed + 1)
        axes = self.reading.spatial.conv.w.ndim - 2 if self.reading.spatial else 2
        channels = self.reading.channel.mlp.w0.shape[1]
        x = rng.standard_normal((samples, channels, *self.space[:axes]))
        return _untied(at_precision(x, self.dtype))

    def runs(self) -> bool:
        """Tell whether the candidate takes maps of this size."""
        return isinstance(attempt(lambda: self.candidate.forward({}, self.noise())), np.ndarray)

    def scaled(self, values: Mapping[str, Array], paths: tuple[str, ...], by: float) -> Values:
        """Return the values with those that become these leaves multiplied."""
        names = {name for path in paths for name in self.feeds.get(path, ())}
        return self.rounded({k: v * by if k in names else v for k, v in values.items()})

    def compare(self, values: Mapping[str, Array], x: Array, gradients: bool = True) -> Compared:
        """Run the candidate beside the reference."""
        cbam = self.carry(values)
        dy = at_precision(cotangent(np.random.default_rng(self.seed + 2), x.shape), self.dtype)
        y, pullback = cbam.vjp(x)
        got = {"y": self.candidate.forward(values, x.copy())}
        want = {"y": y}
        pulled = self.candidate.vjp(values, x.copy(), dy.copy()) if gradients else None
        room = allowed(cbam, x, None if pulled is None else dy, self.judged_as or self.dtype)
        if pulled is not None:
            dcbam, want["dx"] = pullback(dy)
            dparameters, got["dx"] = pulled
            learnt = {path for path, names in self.feeds.items() if names <= dparameters.keys()}
            want |= {f"d{path}": leaf for path, leaf in tree.leaves(dcbam) if path in learnt}
            laid = tree.leaves(self.carry(dict(values) | dparameters))
            got |= {f"d{path}": leaf for path, leaf in laid if path in learnt}
        return {name: (got[name], want[name], room[name]) for name in want}

    def finding(
        self, code: str, message: str, seen: Mapping[str, object], status: Status = "wrong"
    ) -> Finding:
        """Return a finding at this precision."""
        return Finding("numerics", code, message, status, {"dtype": self.dtype, **seen})


def _untied(x: Array) -> Array:
    """Return x with one largest entry in every map: who gets dy at a tie is a convention."""
    flat = x.reshape(*x.shape[:2], -1)
    rivals = flat == flat.max(axis=-1, keepdims=True)
    others = rivals & (np.cumsum(rivals, axis=-1) > 1)
    return np.where(others, flat - np.abs(flat), flat).reshape(x.shape)


Look: TypeAlias = Callable[[Trial, Values, set[str], bool], Iterator[Finding]]


def _feeds(candidate: Candidate, carry: Carry) -> dict[str, set[str]]:
    """Return the names of the candidate's arrays that each leaf of the CBAM is laid from."""
    values = candidate.state({})
    feeds: dict[str, set[str]] = {path: set() for path, _ in tree.leaves(carry(values))}
    for name, value in values.items():
        spoilt = carry(values | {name: np.full(value.shape, np.nan)})
        for path, leaf in tree.leaves(spoilt):
            if np.isnan(leaf).any():
                feeds[path].add(name)
    return feeds


def excess(name: str, compared: Compared) -> dict[str, dict[str, object]]:
    """Return the evidence of each tensor that differs by more than is allowed."""
    found = {}
    for tensor, (got, want, room) in compared.items():
        if got.shape != want.shape:
            continue  # The effects say so.
        seen = evidence(name, tensor, np.where(np.isinf(room), want, got), want, room)
        if seen["times"] > 1:
            found[tensor] = seen
    return found


def _at_one_precision(trial: Trial, wrong: set[str], known: set[str]) -> list[Finding]:
    """Try all inputs at one precision; `wrong` are tensors, `known` codes found at a higher one."""
    values, x = trial.values(), trial.noise()
    first = attempt(lambda: trial.compare(values, x))
    if isinstance(first, BaseException):
        said = f"it does not run in {trial.dtype}: {sentence(first)}"
        return [trial.finding("unsupported-precision", said, {"input": "noise"}, "note")]
    off = {k: v for k, v in excess("noise", first).items() if k not in wrong}
    size = _size(first["y"])
    far = trial.dtype == "float64" and OTHER < size < np.inf
    if far and (size > NEARLY or not _approximated(trial, values)):
        wrong.add("y")  # It is another block.
        return []
    found: list[Finding] = []
    if off and trial.dtype == "float32" and not known & NAMED:
        trial, found = _mixed(trial, values, x, next(iter(off.values())))
        off = {} if found else off
    # What a cause that is named already does at a lower precision is not told again.
    plain = not off and not known & NAMED
    found += _look(_saturating, trial, values, wrong, plain)
    if off and not NAMED & (known | {finding.code for finding in found}):
        found += _noise(trial, values, x, first, next(iter(off.values())), wrong)
    for look in (_far_from_zero, _tiny_or_zero, _not_finite):
        found += _look(look, trial, values, wrong, plain)
    return found


def _mixed(
    trial: Trial, values: Values, x: Array, seen: Mapping[str, object]
) -> tuple[Trial, list[Finding]]:
    """Return the trial by the bounds of TF32 or autocast, and its name, where these explain all.

    They touch float32 alone: what was rounded on purpose shows in float64 too, and has been found.
    Where there is no float64 that cannot be told, but for the digits of TF32.
    """
    tries = MIXED if "float64" in trial.candidate.dtypes else MIXED[:1]
    if _rough(trial, values, x, str(seen["tensor"])):
        for name in tries:
            judged = replace(trial, judged_as=name)
            if not excess("noise", judged.compare(values, x)):
                half = name.removeprefix("autocast-")
                how = "with factors rounded to 10 bits, as TF32 has them"
                how = how if half == name else f"in {half}, as under autocast"
                said = f"in float32 it computes its linear layers and convolutions {how}"
                code = f"{name.partition('-')[0]}-inside"
                return judged, [trial.finding(code, said, seen, "note")]
    return trial, []


def _look(look: Look, trial: Trial, values: Values, wrong: set[str], plain: bool) -> list[Finding]:
    found = attempt(lambda: list(look(trial, values, wrong, plain)))
    if not isinstance(found, BaseException):
        return found
    kind = look.__name__.strip("_").replace("_", " ")
    said = f"it fails in {trial.dtype} on inputs that are {kind}: {sentence(found)}"
    return [trial.finding("raises", said, {"input": kind})]


def _noise(
    trial: Trial,
    values: Values,
    x: Array,
    first: Compared,
    seen: Mapping[str, object],
    wrong: set[str],
) -> Iterator[Finding]:
    """Say why an ordinary input gives more than rounding, in the first tensor that shows it."""
    tensor = str(seen["tensor"])
    size = _size(first[tensor])
    exact = trial.dtype == "float64"
    if np.isfinite(size) and size <= OTHER and _rough(trial, values, x, tensor):
        if exact and size < SINGLE:
            said = f"{tensor} has the digits of float32 in float64: something inside is computed so"
            yield trial.finding("single-inside", said, seen, "note")
        elif exact or trial.dtype == "float32":
            said = (
                f"{tensor} has the digits of half precision in {trial.dtype}: something inside is "
                f"rounded to float16, bfloat16 or TF32"
            )
            yield trial.finding("half-inside", said, seen)
        else:
            yield _precision(trial, seen)
        return
    if tensor == "y" and (gate := _approximated(trial, values)):
        said = (
            f"the {gate} gate is only nearly a sigmoid: its error depends on the logit alone and "
            f"does not shrink with higher precision"
        )
        yield trial.finding("approximate-sigmoid", said, seen)
        return
    if trial.left(tensor):
        # And so is what other inputs show of them.
        wrong.update(first.keys() - {"y"})
        return
    yield _precision(trial, seen)


def _size(compared: tuple[Array, Array, Array]) -> float:
    """Return the largest error, of the largest entry; infinite where there is NaN."""
    got, want, _ = compared
    size = float(np.abs(got - want).max() / (np.abs(want).max() or 1))
    return size if np.isfinite(size) else np.inf


def _precision(trial: Trial, seen: Mapping[str, object]) -> Finding:
    by = "is no number where it should be one"
    if np.isfinite(float(str(seen["times"]))):
        by = f"is off by {seen['times']:.3g} times what rounding explains"
    said = f"in {trial.dtype}, {seen['tensor']} {by}, on the input `{seen['input']}`"
    return trial.finding("precision", said, seen)


def _rough(trial: Trial, values: Values, x: Array, tensor: str) -> bool:
    """Tell whether the error jumps when all numbers move a little, as that of rounding does."""
    rng = np.random.default_rng(trial.seed + 3)

    def moved(a: Array) -> Array:
        return at_precision(a * (1 + MOVE * rng.uniform(-1, 1, a.shape)), trial.dtype)

    def error(values: Values, x: Array) -> Array:
        got, want, _ = trial.compare(values, x, tensor != "y")[tensor]
        return got - want

    before = error(values, x)
    after = error({k: moved(v) for k, v in values.items()}, moved(x))
    # Not the means: where a maximum switches, smooth errors jump too.
    return bool(np.median(np.abs(after - before)) > ROUGH * np.median(np.abs(before)))


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
            turned = tensor == "y" and _turned(got / x, want / x, trial.reading.residual)
            if lost or turned:
                gives = "NaN or infinity" if lost else "the wrong end of the gate"
                said = f"large logits overflow in exp, and {tensor} gets {gives}"
                yield trial.finding("exp-overflow", said, seen)
            elif plain and not trial.left(tensor):
                yield _precision(trial, seen)
            if lost or turned or plain:
                return


def _turned(got: Array, want: Array, residual: bool) -> bool:
    """Tell whether a gate is 0 where 1 is right, or 1 where 0 is."""
    gate = want - residual
    saturated = np.minimum(np.abs(gate), np.abs(1 - gate)) < 0.01
    return bool((saturated & (np.abs(got - want) > 0.4)).any())


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
    digits = -math.log2(PRECISIONS[trial.dtype].unit)
    noise = trial.noise()
    column = (blind / np.abs(blind).max()).reshape(-1, *[1] * (noise.ndim - 2))

    def off(offset: float) -> tuple[Compared, float]:
        x = at_precision(noise + offset * column, trial.dtype)
        compared = trial.compare(quiet, x, gradients=False)
        got, want, _ = compared["y"]
        return compared, float((np.abs(got - want) / np.abs(x)).max())

    large = 2.0 ** (digits // 2)
    compared, error = off(large)
    seen = excess("large offset", compared).get("y")
    if seen and error > 2 * off(large / 8)[1]:
        said = (
            f"the mean loses digits: with an offset of {large:g} under the features, y is off by "
            f"{seen['times']:.3g} times what rounding in {trial.dtype} explains"
        )
        yield trial.finding("mean-loses-digits", said, seen)
    elif seen:
        yield _precision(trial, seen)


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
        compared = trial.compare(values, at_precision(each.x, trial.dtype), gradients=False)
        for seen in excess(each.name, compared).values():
            yield _precision(trial, seen)
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
