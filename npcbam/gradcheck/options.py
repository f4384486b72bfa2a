"""What a check may be asked, and what is said of an option that is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from npcbam import arguments

ALLOWED = ("writes", "dtype", "layout", "impure", "stale")


class Options(TypedDict, total=False):
    """The options of `check_vjp`, which all other forms take too."""

    seed: int
    names: Sequence[str] | None
    fixed: Sequence[str]
    domain: Any
    before: Callable[[], object] | None
    allow: Sequence[str]
    rtol: float | None
    points: int
    directions: int | None
    device: Any


def validated(
    *,
    seed: int,
    fixed: Sequence[str],
    before: Callable[[], object] | None,
    allow: Sequence[str],
    rtol: float | None,
    points: int,
    directions: int | None,
) -> None:
    """Raise unless each option is what it may be."""
    arguments.seed("seed", seed)
    arguments.positive("points", points)
    if directions is not None:
        arguments.positive("directions", directions)
    if rtol is not None:
        arguments.number("rtol", rtol, 0, 1)
    for name, value in (("fixed", fixed), ("allow", allow)):
        _strings(name, value)
    for item in allow:
        arguments.choice("allow", item, ALLOWED)
    if before is not None and not callable(before):
        raise TypeError(f"before: expected a function of no arguments, got {before!r}")


def labelled(names: Sequence[str] | None, drawn: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the names of the arguments, those given or those drawn from the signature."""
    if names is None or names == ():
        names = tuple(drawn)
    _strings("names", names)
    if len(names) != count:
        many = f"{count} name{'s' * (count != 1)}"
        raise ValueError(f"names: expected {many}, got {len(names)}")
    if len({*names, ""}) <= count:
        raise ValueError(f"names: expected names that differ and are not empty, got {names!r}")
    return tuple(names)


def _strings(name: str, value: object) -> None:
    """Raise TypeError unless a value is a tuple of strings, or a list or set of them."""
    some = isinstance(value, tuple | list | set | frozenset)
    if not some or not all(isinstance(item, str) for item in value):  # type: ignore[attr-defined]
        raise TypeError(f"{name}: expected a tuple of strings, got {value!r}")
