"""Trees of anything: dicts, lists, tuples and dataclasses, and what hangs on them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from npcbam.gradcheck.forms.naming import argument_names
from npcbam.gradcheck.layout import branches, rebranched

Path: TypeAlias = tuple[Any, ...]
Function: TypeAlias = Callable[..., Any]
# The binary digits of what is less than float64.
DIGITS = {"float32": 23, "float16": 10, "bfloat16": 7}


def walk(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield what hangs on a tree, with the keys that lead there."""
    children = branches(tree)
    if children is None:
        yield path, tree
    else:
        for key, child in children.items():
            yield from walk(child, (*path, key))


def mapped(f: Callable[[Path, Any], Any], tree: Any, path: Path = ()) -> Any:
    """Return a tree of one structure with `f(path, leaf)` for each leaf."""
    children = branches(tree)
    if children is None:
        return f(path, tree)
    return rebranched(tree, {k: mapped(f, child, (*path, k)) for k, child in children.items()})


def guarded(f: Function, args: tuple[Any, ...]) -> Function:
    """Return f, but refusing float64 where it is another function there than on `args`.

    A function that draws as many random bits as its dtype has draws others in float64.
    """
    low = [leaf for _, leaf in walk(args) if _is_narrow(leaf)]
    if not low or not _differs(f, args, low):
        return f

    def in_its_own_precision(*given: Any) -> Any:
        if any(
            isinstance(leaf, np.ndarray) and leaf.dtype == np.float64 for _, leaf in walk(given)
        ):
            raise TypeError("in float64 this is another function")
        return f(*given)

    return in_its_own_precision


def _differs(f: Function, args: tuple[Any, ...], low: list[Any]) -> bool:
    def widen(_: Path, leaf: Any) -> Any:
        return leaf.astype(np.float64) if _is_narrow(leaf) else copy.deepcopy(leaf)

    try:
        with np.errstate(all="ignore"):
            own = _values(f(*mapped(lambda _, leaf: copy.deepcopy(leaf), args)))
            wide = _values(f(*mapped(widen, args)))
    except Exception:  # which the checker finds out again
        return False
    unit = max(2.0 ** -_digits(leaf) for leaf in low)
    return not all(_near(a, b, unit) for a, b in zip(own, wide, strict=True))


def _near(a: Any, b: Any, unit: float) -> bool:
    """Tell whether two results differ by no more than half of their digits."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    room = math.sqrt(unit) * np.abs(a[np.isfinite(a)]).max(initial=0)
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=room, equal_nan=True)


def _values(result: tuple[Any, Any]) -> list[Any]:
    return [leaf for _, leaf in walk(result[0]) if isinstance(leaf, np.ndarray)]


def _is_narrow(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.dtype.name in DIGITS


def _digits(leaf: Any) -> int:
    return DIGITS[leaf.dtype.name]


def names_of(f: Any, count: int, parameters: bool) -> tuple[str, ...]:
    """Return the names of the arguments of f, and one more for its parameters."""
    names = argument_names(f, count)
    if not parameters:
        return names
    return (*names, "params" if "params" not in names else "parameters")


def own_pullback(result: Any) -> bool:
    """Tell whether a function gave (y, pullback), a backward written by hand."""
    return isinstance(result, tuple) and len(result) == 2 and callable(result[1])
