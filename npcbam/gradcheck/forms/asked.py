"""Which arguments are asked about, and f as a function of those alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npcbam import tree


def only(f: Callable[..., Any], args: tuple[Any, ...], kept: Sequence[int]) -> Callable[..., Any]:
    """Return f as a function of the arguments at `kept`; each call gets its own copy of others."""
    if len(kept) == len(args):
        return f
    rest = {i: arg for i, arg in enumerate(args) if i not in kept}

    def f_of_kept(*some: Any) -> Any:
        given = {**copy.deepcopy(rest), **dict(zip(kept, some, strict=True))}
        return f(*(given[i] for i in range(len(args))))

    return f_of_kept


def has_floats(arg: Any) -> bool:
    """Tell whether an argument is an array of floats, or made of arrays some of which are.

    A dict like {"mode": "train", "running_mean": array} holds settings and state, and is none.
    """
    scalars = str | bool | int | float | None
    settings = isinstance(arg, Mapping) and any(isinstance(v, scalars) for v in arg.values())
    return not settings and _holds_floats(arg)


def _holds_floats(arg: Any) -> bool:
    return any(
        leaf.dtype.kind in "fc" or "float" in leaf.dtype.name  # bfloat16 is of another kind
        for _, leaf in tree.leaves(arg)
    )


def asked_of(args: tuple[Any, ...], given: Any) -> list[int]:
    """Return the places of the arguments that must have a gradient, or have been given one."""
    kept = {i for i, arg in enumerate(args) if has_floats(arg)}
    if isinstance(given, tuple | list) and len(given) == len(args):
        # What is given for an integer or a string is nobody's concern.
        kept |= {
            i
            for i, arg in enumerate(args)
            if given[i] is not None and (type(arg) is float or _holds_floats(arg))
        }
    return sorted(kept)


def nothing_asked(args: tuple[Any, ...], names: Sequence[str]) -> TypeError:
    """Return the error of a check that has no array to differentiate by."""
    got = ", ".join(f"{n}: {_kind(a)}" for n, a in zip(names, args, strict=True))
    said = f"args: expected an array of floats among the arguments, got {got or 'none'}"
    return TypeError(said)


def _kind(arg: Any) -> str:
    dtype = getattr(arg, "dtype", None)
    return type(arg).__name__ if dtype is None else f"{type(arg).__name__} of {dtype}"


def unasked(args: tuple[Any, ...], names: Sequence[str], kept: Sequence[int]) -> tuple[str, ...]:
    """Return a note on the arrays of floats that are not asked about, if there are any."""
    left = [names[i] for i, arg in enumerate(args) if i not in kept and _holds_floats(arg)]
    return (f"not asked about, for no gradient is given: {', '.join(left)}",) if left else ()


def chosen(f: Callable[..., Any], kept: Sequence[int]) -> Callable[..., Any]:
    """Return f with a pullback that gives the gradients of the arguments at `kept` alone."""

    def f_of_chosen(*args: Any) -> Any:
        y, pullback = f(*args)

        def pullback_of_chosen(dy: Any) -> Any:
            given = pullback(dy)
            every = isinstance(given, tuple | list) and len(given) == len(args)
            return tuple(given[i] for i in kept) if every else given

        return y, pullback_of_chosen

    return f_of_chosen
