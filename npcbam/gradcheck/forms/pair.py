"""Reverse and forward mode held against each other: ⟨dy, J v⟩ = ⟨Jᵀ dy, v⟩."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.gradcheck.forms.asked import chosen, has_floats, nothing_asked, only
from npcbam.gradcheck.forms.run import FAILED, Form, Options, check, labels, spelled, tried
from npcbam.gradcheck.forms.tangents import Push, Takes, y_of

if TYPE_CHECKING:
    from npcbam.gradcheck.report import GradReport

NOTE = (
    "x stands for the tangent of x: jvp is linear in it, and the pullback must be its transpose; "
    "check_vjp and check_jvp tell which of the two is off"
)


def check_pair(
    f: Callable[..., Any],
    jvp: Callable[..., Any],
    *args: Any,
    takes: Takes | None = None,
    **options: Unpack[Options],
) -> GradReport:
    """Check that a pullback and a forward-mode derivative are transposes of each other.

    Parameters
    ----------
    f : `f(*args) -> (y, pullback)`
    jvp, takes : as in `check_jvp`
    options : those of `check_vjp`, and raises=False for a report whatever the outcome is

    Raises
    ------
    WrongGradientError, CannotTellError
        As `check_vjp` does.

    No derivative of f is taken, so that it holds at kinks too, and of f that cannot be probed.

    >>> import numpy as np
    >>> def f(x):
    ...     return x**2, lambda dy: 2 * x * dy
    >>> check_pair(f, lambda x, v: 2 * x * v, np.array([1.0, -3.0])).outcome
    'right'
    """
    for name, given in (("f", f), ("jvp", jvp)):
        if not callable(given):
            raise TypeError(f"{name}: expected a function, got {type(given).__name__}")
    names = labels(f, args, options)
    fixed = options.get("fixed", ())
    kept = [i for i, arg in enumerate(args) if has_floats(arg) and names[i] not in fixed]
    if not kept:
        raise nothing_asked(args, names)
    y = tried(lambda *some: y_of(f(*some)), args, options)
    push = Push.of(jvp, takes, args, None if y is FAILED else y)
    rng = np.random.default_rng(options.get("seed", 0))
    tangents = tuple(_tangent(arg, rng) for arg in args)
    of_kept = only(chosen(_linear(f, push, args), kept), tangents, kept)
    kept_args, kept_names = tuple(tangents[i] for i in kept), tuple(names[i] for i in kept)
    said = f"check_pair({', '.join([spelled(f, 'f'), spelled(jvp, 'jvp'), *names])})"
    form = Form(of_kept, kept_args, kept_names, said, (NOTE,), without=("domain",))
    return check(form, options)


def _linear(f: Callable[..., Any], push: Push, args: tuple[Any, ...]) -> Callable[..., Any]:
    """Return jvp as a function of the tangents at `args`, with the pullback of f at `args`."""

    def g(*tangents: Any) -> Any:
        pairs = zip(args, tangents, strict=True)
        at = tuple(_like(arg, v) if has_floats(arg) else arg for arg, v in pairs)
        y, pullback = f(*at)
        leaves = iter(push(at, tangents, y))
        return tree.replace_leaves(np.asarray(y) if np.isscalar(y) else y, leaves), pullback

    return g


def _tangent(arg: Any, rng: np.random.Generator) -> Any:
    """Return a random tangent; None for what is no array of floats."""

    def draw(leaf: Array) -> Array:
        v = rng.choice([-1.0, 1.0], leaf.shape) * rng.uniform(0.5, 1.5, leaf.shape)
        return np.zeros_like(leaf) if leaf.dtype.kind in "iub" else v.astype(leaf.dtype)

    return tree.map(draw, arg) if has_floats(arg) else None


def _like(arg: Any, v: Any) -> Any:
    """Return an argument in the precision of its tangent."""

    def cast(leaf: Array, t: Array) -> Array:
        return leaf.copy() if leaf.dtype.kind in "iub" else leaf.astype(t.real.dtype)

    return tree.map(cast, arg, v)
