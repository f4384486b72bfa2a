"""What a candidate does besides computing y, and the inputs that it cannot take."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import MEMORY, Candidate, Observation, sentence
from npcbam.oracle.findings import Finding, Status, evidence
from npcbam.oracle.precision import CANCELLED, PRECISIONS, rounded

T = TypeVar("T")

# A norm's eps is what keeps it from being blind to the scale of what it normalises.
BLIND, SEEING = 1e-3, 1e-2
# The sizes that are tried, up to three spatial axes of each, and what all such maps are called.
SIZES = {
    "even": ((8, 12, 6), "maps of even sizes"),
    "odd": ((9, 11, 7), "maps of odd sizes"),
    "small": ((2, 3, 2), "maps smaller than the kernel"),
    "point": ((1, 1, 1), "maps of one position"),
}
SQUARE = (8, 8, 8)
LAYOUTS = {"channels_last": "with the channels innermost", "strided": "with gaps between entries"}
# Exported graphs have the sizes of the example that they were exported with.
STATIC = ("onnx",)


def effects(
    candidate: Candidate,
    x: Array,
    values: Mapping[str, Array],
    seed: int = 0,
    dtypes: Sequence[str] | None = None,
) -> list[Finding]:
    """Return what the candidate does that no layer should do.

    Parameters
    ----------
    candidate : at the precision that it is to be seen at
    x : (N, C, *S), an input that it should take
    values : parameters and buffers by name
    seed : of the inputs that are drawn here
    dtypes : the precisions that are tried for the dtype of y; None for all that it has

    An exception inside the candidate becomes a finding.
    """
    rng = np.random.default_rng(seed)
    if x.shape[0] < 2:
        x = np.concatenate([x, rng.standard_normal((2, *x.shape[1:]))])
    trial = Trial(
        candidate,
        dict(values),
        rounded(x, candidate.dtype),
        rng,
        candidate.dtypes if dtypes is None else dtypes,
    )
    first = trial.observe(trial.x)
    if isinstance(first, BaseException):
        return [trial.raised("raises", "it fails on an ordinary input", trial.x, first)]
    looks = (_writes, _output, _repeats, _samples, _memory, _sizes, _batches)
    return [finding for look in looks for finding in look(trial, first)]


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate, the values of its parameters, the input that it is tried on, and its dtypes."""

    candidate: Candidate
    values: dict[str, Array]
    x: Array
    rng: np.random.Generator
    dtypes: Sequence[str]

    def observe(self, x: Array, layout: str = MEMORY[0]) -> Observation | BaseException:
        """Return what a forward does, or why there is none."""
        return attempt(lambda: self.candidate.observe(self.values, x.copy(), layout=layout))

    def finding(
        self, code: str, message: str, seen: Mapping[str, object], status: Status = "wrong"
    ) -> Finding:
        """Return a finding of this stage."""
        return Finding("effects", code, message, status, dict(seen))

    def raised(
        self, code: str, message: str, x: Array, error: BaseException, status: Status = "wrong"
    ) -> Finding:
        """Return the finding that the candidate fails on x."""
        said = sentence(error)
        seen = {"input": "noise", "tensor": "y", "shape": list(x.shape), "error": said}
        return self.finding(code, f"{message}: {said}", seen, status)

    def differs(self, got: Array, expected: Array) -> dict[str, object]:
        """Return the evidence that two results differ by more than rounding; nothing if not."""
        if got.shape != expected.shape:
            return {"input": "noise", "tensor": "y", "got": list(got.shape)}
        finite = np.abs(expected[np.isfinite(expected)]).max(initial=0)
        room = CANCELLED * PRECISIONS[self.candidate.dtype].unit * finite
        found = evidence("noise", "y", got, expected, max(float(room), np.finfo(np.float64).tiny))
        return found if found["times"] > 1 else {}


def attempt(f: Callable[[], T]) -> T | BaseException:
    """Return f(), or what it raises; its warnings are not ours."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return f()
        except (Exception, SystemExit) as error:
            return error


def _writes(trial: Trial, first: Observation) -> Iterator[Finding]:
    if not np.array_equal(first.x_after, trial.x, equal_nan=True):
        seen = evidence("noise", "x", first.x_after, trial.x, 1.0)
        yield trial.finding("writes-input", "it writes to its input, which is the caller's", seen)
    given = trial.candidate.state(trial.values)
    for name, value in given.items():
        before = rounded(value, trial.candidate.dtype)
        after = first.params_after.get(name, before)
        if after.shape != before.shape or not np.array_equal(after, before, equal_nan=True):
            same = after.shape == before.shape
            where = evidence("noise", name, after, before, 1.0) if same else {"tensor": name}
            said = f"forward in evaluation mode writes to {name}"
            yield trial.finding("writes-parameters", said, where)
            return


def _output(trial: Trial, first: Observation) -> Iterator[Finding]:
    if first.printed:
        line = first.printed.strip().splitlines()[:1]
        seen = {"printed": first.printed[:200]}
        said = f"it prints in every forward: {line[0][:80] if line else 'empty lines'}"
        yield trial.finding("prints", said, seen, "note")
    if trial.candidate.stage == "whole" and first.shape != trial.x.shape:
        said = f"y has shape {first.shape}, where x has {trial.x.shape}"
        shapes = {"tensor": "y", "got": list(first.shape), "expected": list(trial.x.shape)}
        yield trial.finding("output-shape", said, shapes)
    for dtype in (trial.candidate.dtype, *trial.dtypes):
        seen_at = attempt(lambda d=dtype: trial.candidate.at(d).observe(trial.values, trial.x))  # type: ignore[misc]
        # What runs at a precision and what does not is for the numerics to say.
        if isinstance(seen_at, Observation) and seen_at.dtype.rpartition(".")[2] != dtype:
            said = f"y has dtype {seen_at.dtype}, where x and the parameters have {dtype}"
            wrong = {"tensor": "y", "got": seen_at.dtype, "expected": dtype}
            # Under autocast a gate in one half meets features in the other, and gives float32.
            status: Status = "wrong" if dtype in ("float64", "float32") else "note"
            yield trial.finding("output-dtype", said, wrong, status)
            return


def _repeats(trial: Trial, first: Observation) -> Iterator[Finding]:
    again = trial.observe(trial.x)
    if isinstance(again, BaseException):
        yield trial.raised("not-repeatable", "its second call fails", trial.x, again)
    elif seen := trial.differs(again.y, first.y):
        said = "two calls on the same input give different results"
        yield trial.finding("not-repeatable", said, seen)


def _samples(trial: Trial, first: Observation) -> Iterator[Finding]:
    other = trial.x.copy()
    other[1:] = trial.rng.standard_normal(other[1:].shape) * 2 + 1
    there = trial.observe(rounded(other, trial.candidate.dtype))
    again = trial.observe(trial.x)
    if isinstance(there, BaseException) or isinstance(again, BaseException):
        return
    # What changes from call to call anyway is no influence of a sample.
    seen = trial.differs(np.atleast_1d(there.y)[:1], np.atleast_1d(first.y)[:1])
    if not seen or trial.differs(again.y, first.y):
        return
    normalised = _blind_to_scale(trial, first)
    if normalised:
        said = (
            f"a norm in evaluation mode uses the statistics of the batch: y of one sample depends "
            f"on the others, and the scale of {normalised} has no effect"
        )
        yield trial.finding("batch-statistics", said, seen)
    else:
        said = "samples influence each other: y of sample 0 changes with the other samples"
        yield trial.finding("samples-mixed", said, seen)


def _blind_to_scale(trial: Trial, first: Observation) -> str:
    """Return the parameter that a norm takes the scale of: twice it changes nothing."""

    def moved(name: str, value: Array) -> float:
        y = attempt(lambda: trial.candidate.forward(trial.values | {name: value}, trial.x))
        return np.inf if isinstance(y, BaseException) else float(np.abs(y - base).max())

    base = first.y
    size = float(np.abs(base).max())
    for name, value in trial.candidate.state(trial.values).items():
        turned = np.roll(value.ravel(), 1).reshape(value.shape) * -1.5
        if moved(name, 2 * value) <= BLIND * size and moved(name, turned) > SEEING * size:
            return name
    return ""


def _memory(trial: Trial, first: Observation) -> Iterator[Finding]:
    for layout, spelled in LAYOUTS.items():
        there = trial.observe(trial.x, layout)
        if isinstance(there, BaseException):
            said = f"it fails on an input that lies in memory {spelled}"
            # It says so, and `contiguous()` helps.
            yield trial.raised("layout-dependent", said, trial.x, there, "note")
            return
        seen = trial.differs(there.y, first.y)
        if seen and not _unsteady(trial, first):
            said = f"y changes when the same input lies in memory {spelled}"
            yield trial.finding("layout-dependent", said, seen | {"input": layout})
            return


def _unsteady(trial: Trial, first: Observation) -> bool:
    again = trial.observe(trial.x)
    return isinstance(again, BaseException) or bool(trial.differs(again.y, first.y))


def _sizes(trial: Trial, first: Observation) -> Iterator[Finding]:
    space = trial.x.shape[2:]
    tries = {name: sizes[: len(space)] for name, (sizes, _) in SIZES.items()}
    errors = {
        name: _failure(trial, first, (*trial.x.shape[:2], *sizes))
        for name, sizes in tries.items()
        if sizes != space
    }
    failed = {name: error for name, error in errors.items() if error is not None}
    square = (*trial.x.shape[:2], *SQUARE[: len(space)])
    oblong = {"even", "odd"} <= failed.keys() and len(set(space)) == 1 and square != trial.x.shape
    if oblong and _failure(trial, first, square) is None:
        said = "it fails on maps that are not square"
        yield _failed(trial, "square-only", said, tries["even"], failed["even"])
        return
    if len(failed) == len(errors):
        said = f"it takes maps of one size only, {' x '.join(map(str, space))}"
        status: Status = "note" if trial.candidate.framework in STATIC else "wrong"
        name, error = next(iter(failed.items()))
        yield _failed(trial, "fixed-size", said, tries[name], error, status)
        return
    if "small" in failed and "point" in failed:
        del failed["point"]
    for name, error in failed.items():
        code = "fails-on-" + ("small" if name == "point" else name)
        yield _failed(trial, code, f"it fails on {SIZES[name][1]}", tries[name], error)


def _batches(trial: Trial, first: Observation) -> Iterator[Finding]:
    samples, rest = trial.x.shape[0], trial.x.shape[1:]
    tries = {n: _failure(trial, first, (n, *rest)) for n in (samples + 1, 1, 0)}
    space = rest[1:]
    more, one, none = tries.values()
    status: Status = "note" if trial.candidate.framework in STATIC else "wrong"
    if more is not None:
        said = f"it takes batches of one size only, {samples}"
        yield _failed(trial, "fixed-batch", said, space, more, status, samples + 1)
    elif one is not None:
        said = "it fails on a batch of one sample"
        yield _failed(trial, "fails-on-single", said, space, one, samples=1)
    if more is None and none is not None:
        said = "it fails on a batch of no samples"
        yield _failed(trial, "fails-on-empty", said, space, none, "note", 0)


def _failure(trial: Trial, first: Observation, shape: tuple[int, ...]) -> BaseException | None:
    """Return why the candidate does not take inputs of a shape; None if it does."""
    there = trial.observe(rounded(trial.rng.standard_normal(shape), trial.candidate.dtype))
    if isinstance(there, BaseException):
        return there
    if first.shape == trial.x.shape and there.shape != shape:
        return ValueError(f"y has shape {there.shape}, where x has {shape}")
    return None


def _failed(
    trial: Trial,
    code: str,
    message: str,
    space: tuple[int, ...],
    error: BaseException,
    status: Status = "wrong",
    samples: int | None = None,
) -> Finding:
    n = trial.x.shape[0] if samples is None else samples
    return trial.raised(code, message, np.zeros((n, trial.x.shape[1], *space)), error, status)
