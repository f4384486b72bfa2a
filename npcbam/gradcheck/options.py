"""What a check may be asked, and what is said of an option that is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from npcbam import checks

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
    checks.seed("seed", seed)
    checks.positive("points", points)
    if directions is not None:
        checks.positive("directions", directions)
    if rtol is not None:
        checks.number("rtol", rtol, 0, 1)
    for name, value in (("fixed", fixed), ("allow", allow)):
        if isinstance(value, str) or not all(isinstance(item, str) for item in value):
            raise TypeError(f"{name}: expected a tuple of strings, got {value!r}")
    for item in allow:
        checks.choice("allow", item, ALLOWED)
    if before is not None and not callable(before):
        raise TypeError(f"before: expected a function of no arguments, got {before!r}")


def labelled(names: Sequence[str] | None, drawn: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the names of the arguments, those given or those drawn from the signature."""
    labels = names or tuple(drawn)
    if isinstance(labels, str | Mapping) or not all(isinstance(label, str) for label in labels):
        raise TypeError(f"names: expected a tuple of strings, got {names!r}")
    if len(labels) != count:
        raise ValueError(f"names: expected {count} names, got {len(labels)}")
    return tuple(labels)
