"""An answer is run: all that can go amiss before its numbers are looked at gets a sentence."""

from __future__ import annotations

import inspect
import linecache
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.lessons.exercise import Exercise, Values, cotangent, listed
from npcbam.lessons.limit import SECONDS, TooLong, limited
from npcbam.lessons.verdict import Stop


@dataclass
class Attempt:
    """An answer at one point: what should come, and what came.

    Attributes
    ----------
    point, values : the name of the input, and all right values there
    got : what the answer gave, by name
    pullback : as the answer returned it
    given : the arguments that it got, copies of its own
    """

    exercise: Exercise
    point: str
    values: Values
    got: dict[str, Array] = field(default_factory=dict)
    pullback: Any = None
    given: list[Array] = field(default_factory=list)

    def want(self, name: str) -> Array:
        """Return the right value of a result."""
        value: Array = getattr(self.values, name)
        return value

    def args(self) -> tuple[Array, ...]:
        """Return the arguments."""
        return tuple(self.want(name) for name in self.exercise.takes)


def forward(answer: Callable[..., Any], exercise: Exercise, point: str, values: Values) -> Attempt:
    """Run an answer at a point, and keep y and the pullback."""
    attempt = Attempt(exercise, point, values)
    attempt.given = [arg.copy() for arg in attempt.args()]
    result = _call(answer, exercise, exercise.name, attempt.given, list(exercise.takes))
    _unwritten(exercise.name, attempt)
    if result is Ellipsis or (result is None and _is_empty(answer)):
        raise Stop("empty", *_todo(exercise, "it is still empty"), outcome="unanswered")
    if not isinstance(result, tuple) or len(result) != 2:
        came = f"a tuple of {len(result)}" if isinstance(result, tuple) else kind(result)
        forgotten = "; is its last line a return?" if result is None else ""
        reason = f"{exercise.name} should return two things, y and the pullback, and gave {came}"
        raise Stop("structure", (reason + forgotten).replace("y and", f"{exercise.result} and"))
    y, attempt.pullback = result
    attempt.got[exercise.result] = _array(exercise, exercise.result, y)
    return attempt


def backward(attempt: Attempt) -> None:
    """Call the pullback of an attempt, twice, and keep what it gave."""
    exercise, y = attempt.exercise, attempt.got[attempt.exercise.result]
    if not callable(attempt.pullback):
        raise Stop("not-callable", _uncalled(attempt))
    dy, before = attempt.want(f"d{exercise.result}"), y.copy()
    first = pull(attempt, dy)
    attempt.got |= {name: value.copy() for name, value in first.items()}
    _unwritten("the pullback", attempt)
    if not np.array_equal(y, before, equal_nan=True):
        reason = f"the pullback writes to {exercise.result}, which its caller has: make a new array"
        raise Stop("writes", reason)
    pull(attempt, cotangent(y, 1))
    kept = {name: value.copy() for name, value in first.items()}
    again = pull(attempt, dy)
    for name in exercise.cotangents:
        if not np.array_equal(kept[name], attempt.got[name], equal_nan=True):
            reason = f"a second call of the pullback overwrites the {name} that the first one gave"
            raise Stop("impure", f"{reason}: make a new array in each call")
        if not np.array_equal(again[name], attempt.got[name], equal_nan=True):
            reason = f"a second call of the pullback with the same d{exercise.result} gives another"
            changes = "(+= on an array outside of it does)"
            raise Stop(
                "impure", f"{reason} {name}: it must change nothing that it captures {changes}"
            )


def pull(attempt: Attempt, dy: Array) -> dict[str, Array]:
    """Call the pullback once, and return what it gave by name."""
    exercise, label = attempt.exercise, getattr(attempt.pullback, "__name__", "<lambda>")
    label = "the pullback" if label == "<lambda>" else label
    given = dy.copy()
    result = _call(attempt.pullback, exercise, label, [given], [f"d{exercise.result}"])
    if not np.array_equal(given, dy):
        reason = f"{label} writes to d{exercise.result}, its argument: make a new array instead"
        raise Stop("writes", reason)
    names = exercise.cotangents
    parts = result if isinstance(result, tuple | list) else (result,)
    parts = [Ellipsis] * len(names) if result is Ellipsis else parts
    if len(parts) != len(names):
        came = f"{len(parts)} things" if len(parts) != 1 else kind(result)
        things = f"{listed(names)}, in this order" if len(names) > 1 else names[0]
        raise Stop("count", f"{label} should return {things}, and gave {came}")
    empty = [name for name, part in zip(names, parts, strict=True) if part is Ellipsis]
    if empty:
        done = f"{exercise.result} is right, and {listed(empty)} {_is(empty)} still `...`"
        raise Stop("half", done, _next(exercise), outcome="unanswered")
    return {name: _array(exercise, name, part) for name, part in zip(names, parts, strict=True)}


def kind(value: object) -> str:
    """Name what came, as one would in speech."""
    if value is None or value is Ellipsis:
        return "None" if value is None else "`...`"
    if type(value) is np.ndarray:
        return f"an array of shape {value.shape}"
    if callable(value):
        return "a function"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def find(answer: object, exercises: Mapping[str, Exercise]) -> Exercise:
    """Return the exercise that a function answers, by its name."""
    name = getattr(answer, "__name__", "")
    if not callable(answer):
        reason = f"check takes the function itself, as in check(mean_vjp), and got {kind(answer)}"
        raise Stop("not-a-function", reason)
    if name not in exercises:
        known = ", ".join(exercises)
        reason = f"there is no exercise called {name or type(answer).__name__}"
        raise Stop("no-exercise", reason, f"The exercises are {known}")
    return exercises[name]


def _call(
    f: Callable[..., Any], exercise: Exercise, label: str, args: list[Array], names: list[str]
) -> Any:
    """Call f, and put what it raises into a sentence."""
    try:
        inspect.signature(f).bind(*args)
    except TypeError:
        wanted, found = ", ".join(names), str(inspect.signature(f))
        reason = f"{label} should take ({wanted}), and yours takes {found}"
        raise Stop("signature", reason) from None
    except ValueError:  # functions written in C have no signature
        pass
    try:
        with limited():
            return f(*args)
    except TooLong as error:
        reason = f"{label} was still running after {SECONDS:g} s: is there a loop without an end?"
        raise Stop("too-long", reason, *_where(f, error)) from None
    except NotImplementedError:
        raise Stop(
            "empty", *_todo(exercise, f"{label} raises NotImplementedError"), outcome="unanswered"
        ) from None
    except (Exception, SystemExit) as error:
        if "ellipsis" in str(error).lower():
            reasons = _todo(exercise, f"there is still a `...` in {label}")
            raise Stop("empty", *reasons, outcome="unanswered") from None
        shapes = listed([f"{n} {a.shape}" for n, a in zip(names, args, strict=True)])
        message = f": {str(error).rstrip('.')}" if str(error) else ""
        said = f"{label} raised {type(error).__name__}{message}"
        raise Stop(
            "exception", said, *_where(f, error), f"It was given {shapes}, {args[0].dtype}"
        ) from None


def _where(f: Callable[..., Any], error: BaseException) -> list[str]:
    """Quote the line of the answer that an exception came from."""
    file = getattr(getattr(f, "__code__", None), "co_filename", None)
    frames = [s for s in traceback.extract_tb(error.__traceback__) if s.filename == file]
    if not frames:
        return []
    line = frames[-1].line or linecache.getline(file or "", frames[-1].lineno or 0)
    return [f"The line is `{line.strip()}`"] if line.strip() else []


def _is_empty(answer: Callable[..., Any]) -> bool:
    """Tell whether a function has no body: it calls nothing and names no result."""
    code = getattr(answer, "__code__", None)
    return code is not None and not code.co_names and code.co_nlocals == code.co_argcount


def _todo(exercise: Exercise, why: str) -> tuple[str, ...]:
    return (f"{exercise.name} waits for you: {why}", exercise.task, _next(exercise))


def _next(exercise: Exercise) -> str:
    return f'lessons.hint("{exercise.name}") has a hint, should you want one'


def _is(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"


def _uncalled(attempt: Attempt) -> str:
    name = attempt.exercise.name.removesuffix("_vjp") + "_pullback"
    said = f"the second thing returned should be a function of d{attempt.exercise.result}"
    hint = f": return {name} itself" if isinstance(attempt.pullback, np.ndarray) else ""
    return f"{said}, and is {kind(attempt.pullback)}{hint}"


def _unwritten(label: str, attempt: Attempt) -> None:
    for name, array in zip(attempt.exercise.takes, attempt.given, strict=True):
        if not np.array_equal(array, attempt.want(name)):
            reason = f"{label} writes to {name}, an argument: make a new array instead"
            raise Stop("writes", reason)


def _array(exercise: Exercise, name: str, value: Any | EllipsisType) -> Array:
    """Return a result as an array of numbers."""
    if value is Ellipsis:
        reasons = _todo(exercise, f"{name} is still `...`")
        raise Stop("empty", *reasons, outcome="unanswered")
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if type(value) is not np.ndarray or value.dtype.kind not in "fbiuc":
        came = kind(value) if type(value) is not np.ndarray else f"of dtype {value.dtype}"
        shape = exercise.shape_of(name)
        raise Stop("type", f"{name} should be a NumPy array {shape} of numbers, and is {came}")
    return value
