"""Which of the checks fits what a function gave."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

FRAMEWORKS = ("torch", "jax", "jaxlib")


def which_form(result: Any, f: Any = None) -> str:
    """Say in one clause which check is for a function `f` that gave `result`.

    >>> which_form((0.5, np.zeros(3)))
    '(loss, grad) is what check_loss(f, *args) is for'
    """
    said = _of_function(f)
    if said:
        return said
    if isinstance(result, tuple) and len(result) >= 2:
        return _of_tuple(result)
    if result is None:
        return "it returns None: a return is missing"
    if callable(result):
        return "return y beside the pullback: `return y, pullback`"
    if _home(result) in FRAMEWORKS:
        kind = "tensors" if _home(result) == "torch" else "jax arrays"
        return f"give its arguments as {kind}, and check_vjp takes the backward of the framework"
    if isinstance(result, list) and len(result) == 2 and callable(result[1]):
        return "return a tuple: `return y, pullback`"
    if inspect.isgenerator(result) or inspect.iscoroutine(result):
        return "a function with yield or async has not run when it returns"
    if isinstance(result, Mapping):
        return "return (y, pullback); y may be a dict"
    return (
        "y alone has no backward to check: check_grad(f, grad, x) is for a loss and its gradient, "
        "check_cached(forward, backward, *args) for a forward and a backward"
    )


def demand_function(f: Any) -> None:
    """Raise TypeError unless f can be called as a function, and say which check is for it.

    >>> demand_function(np.zeros)
    """
    if callable(f) and not inspect.isclass(f):
        return
    kind = f"the class {f.__name__}" if inspect.isclass(f) else type(f).__name__
    said = _of_function(f)
    raise TypeError(f"f: expected a function, got {kind}" + (f"; {said}" if said else ""))


def _of_function(f: Any) -> str:
    if inspect.isclass(f):
        return f"check_layer({f.__name__}(...), x) is for an object that has forward and backward"
    if callable(getattr(f, "forward", None)) and callable(getattr(f, "backward", None)):
        return "check_layer(obj, x) is for an object that has forward and backward"
    owner = getattr(f, "__self__", None)
    if callable(getattr(owner, "backward", None)) and not inspect.isclass(owner):
        return "check_layer(obj, x) is for an object that has forward and backward"
    return ""


def _of_tuple(result: tuple[Any, ...]) -> str:
    first, *_, last = result
    if _number(first):
        return "(loss, grad) is what check_loss(f, *args) is for"
    if any(callable(part) for part in result):
        return "return two things, y and the pullback: several results go as ((y1, y2), pullback)"
    if isinstance(first, np.ndarray) and isinstance(last, np.ndarray) and len(result) == 2:
        return (
            "(out, cache) is what check_cached(forward, backward, *args) is for, and "
            "(y, tangent) what check_jvp(f, jvp, *args) is for"
        )
    return "(out, cache) is what check_cached(forward, backward, *args) is for"


def _number(value: Any) -> bool:
    """Tell whether a value is a loss: one real number, in an array or not."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float | np.number) or (
        isinstance(value, np.ndarray) and value.ndim == 0
    )


def _home(value: Any) -> str:
    return type(value).__module__.partition(".")[0]
