"""Is this hand-written backward right?

`check_vjp` holds the cotangents that a pullback gives against a derivative that knows nothing of
it, and says right, wrong, or that this point cannot tell. Read on in `contract` (what a pullback
owes its caller), `judge` (the comparison), `kinks` (ties) and `report`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from npcbam import checks, tree
from npcbam.checks import Array
from npcbam.gradcheck.contract import Stop, Trial, keep
from npcbam.gradcheck.judge import Judge
from npcbam.gradcheck.kinks import spread
from npcbam.gradcheck.report import (
    CannotTellError,
    Entry,
    GradientError,
    GradReport,
    LeafCheck,
    WrongGradientError,
)
from npcbam.slopes import real_leaves

__all__ = [
    "CannotTellError",
    "Entry",
    "GradReport",
    "GradientError",
    "LeafCheck",
    "WrongGradientError",
    "check_adjoint",
    "check_vjp",
    "examine",
]


def check_vjp(
    f: Callable[..., Any],
    *args: Any,
    seed: int = 0,
    directions: int | None = None,
    names: tuple[str, ...] | None = None,
) -> GradReport:
    """Check a hand-written pullback against the derivative of its forward.

    Parameters
    ----------
    f : `f(*args) -> (y, pullback)`; `pullback(dy)` gives one cotangent for each argument, bare
        where there is one argument
    args : real arrays, or layers (trees of arrays)
    seed : of the random cotangent and directions
    directions : check every leaf along so many random directions; by default leaves of up to
        2048 elements are checked in blocks of 32, each along one direction, where the complex
        step settles them so, and else entry by entry; larger ones along 4 directions in each
        block of 2048, in 16 larger blocks where there are more
    names : of the arguments in the report; by default those of f's signature

    Returns
    -------
    GradReport, whose outcome is "right"; print it to see what was checked and what the smallest
    error is that would have been caught

    Raises
    ------
    WrongGradientError
        The pullback is wrong: a value, the number of cotangents, a structure, shape or dtype; or
        it writes to its inputs, or gives another result when called again.
    CannotTellError
        f is not finite here, or the derivative is too rough to judge by.
    TypeError
        An argument is no array or layer of arrays of a real dtype.

    Both errors are AssertionErrors and carry the report as `report`. The derivative is the complex
    step where f runs on complex128 (which is tested), else Ridders' finite differences. At a tie
    or a kink the value must lie between the left and the right derivative, and must be exact
    along directions in which tied elements move together.

    >>> report = check_vjp(lambda x: (x**2, lambda dy: 2 * x * dy), np.array([1.0, -3.0]))
    >>> report.outcome, report.reference
    ('right', 'complex step')
    """
    report = examine(f, *args, seed=seed, directions=directions, names=names)
    if report.outcome == "wrong":
        raise WrongGradientError(report)
    if report.outcome == "cannot tell":
        raise CannotTellError(report)
    return report


def examine(
    f: Callable[..., Any],
    *args: Any,
    seed: int = 0,
    directions: int | None = None,
    names: tuple[str, ...] | None = None,
) -> GradReport:
    """Do as `check_vjp`, but return the report whatever the outcome is."""
    checks.seed("seed", seed)
    if directions is not None:
        checks.positive("directions", directions)
    labels = names or _argument_names(f, len(args))
    if not isinstance(labels, tuple | list) or not all(isinstance(label, str) for label in labels):
        raise TypeError(f"names: expected a tuple of strings, got {names!r}")
    if len(labels) != len(args):
        raise ValueError(f"names: expected {len(args)} names, got {len(labels)}")
    if not args:
        raise TypeError("args: expected at least one array or layer")
    for label, arg in zip(labels, args, strict=True):
        real_leaves(label, arg)
    trial = Trial(f, tree.map(np.copy, args), tuple(labels), np.random.default_rng(seed))
    try:
        with np.errstate(all="ignore"):  # f is probed beyond where its user would go
            report = Judge(trial, keep(trial)).verdict(directions, seed)
    except Stop as stop:
        report = GradReport(stop.outcome, stop.code, str(stop), seed)
    return replace(report, snippet=_snippet(f, report, labels, directions))


def check_adjoint(
    f: Callable[[Array], Array],
    adjoint: Callable[[Array], Array],
    x: Array,
    *,
    seed: int = 0,
) -> None:
    """Check ⟨f(x'), y'⟩ = ⟨x', adjoint(y')⟩ for random x' like x and y' like f(x).

    Parameters
    ----------
    f, adjoint : a linear map and its transpose
    x : gives the shape and dtype of the map's argument; its values do not matter

    Raises
    ------
    AssertionError
        f is not linear, or the two sides differ by more than rounding can: 16 u Σ|terms|.

    >>> check_adjoint(np.cumsum, lambda y: np.cumsum(y[::-1])[::-1], np.zeros(4))
    """
    ((_, like),) = real_leaves("x", x)
    rng = np.random.default_rng(seed)
    u, v = (spread(rng, like.shape).astype(like.dtype) for _ in range(2))
    y = np.asarray(f(u))
    both, apart = np.asarray(f(u + v)), y + np.asarray(f(v))
    unit = max(float(np.finfo(dtype).eps) for dtype in (like.dtype, np.dtype(np.float64)))
    room = 16 * unit * like.size * float(np.abs(apart).max(initial=0) + np.abs(y).max(initial=0))
    if np.abs(both - apart).max(initial=0) > room:
        worst = float(np.abs(both - apart).max())
        raise AssertionError(f"f is not linear: f(u + v) and f(u) + f(v) differ by {worst:.3g}")
    dy = spread(rng, y.shape).astype(y.dtype)
    back = np.asarray(adjoint(dy))
    if back.shape != like.shape:
        raise AssertionError(f"adjoint: expected shape {like.shape}, got {back.shape}")
    ahead_terms, back_terms = (y * dy).astype(np.float64), (u * back).astype(np.float64)
    ahead, behind = math.fsum(ahead_terms.ravel()), math.fsum(back_terms.ravel())
    allowed = 16 * unit * float(np.abs(ahead_terms).sum() + np.abs(back_terms).sum())
    if not abs(ahead - behind) <= allowed:
        raise AssertionError(
            f"⟨f(x), y⟩ = {ahead:.17g} but ⟨x, adjoint(y)⟩ = {behind:.17g}, "
            f"off by {abs(ahead - behind):.3g}, allowed {allowed:.3g}; seed {seed}"
        )


def _argument_names(f: Callable[..., Any], count: int) -> tuple[str, ...]:
    """Name the arguments as f's signature does, as far as it goes."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p.name for p in parameters if p.kind in positional][:count]
    return (*named, *(f"arg{i}" for i in range(len(named), count)))


def _snippet(
    f: Callable[..., Any], report: GradReport, labels: tuple[str, ...], directions: int | None
) -> str:
    """Return code that repeats the check, and shows the worst entry where there is one."""
    name = getattr(f, "__name__", "f")
    where, call = getattr(f, "__module__", None), "f" if name == "<lambda>" else name
    imported = getattr(f, "__qualname__", "<") == name and where not in (None, "__main__")
    lines = [
        f"from {where} import {name}" if imported and call != "f" else f"# {call}: your function"
    ]
    more = f", directions={directions}" if directions is not None else ""
    arguments = ", ".join(labels)
    lines += ["from npcbam.gradcheck import examine", ""]
    lines += [f"report = examine({call}, {arguments}, seed={report.seed}{more})", "print(report)"]
    if report.worst is not None:
        lines.append("print(report.worst)")
    return "\n".join(lines)
