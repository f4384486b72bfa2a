"""A forward that returns (out, cache), and a backward that takes (dout, cache)."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from npcbam.gradcheck.forms.asked import asked_of, chosen, nothing_asked, only, unasked
from npcbam.gradcheck.forms.hint import which_form
from npcbam.gradcheck.forms.naming import MisuseError, argument_names, by_name
from npcbam.gradcheck.forms.run import (
    FAILED,
    Form,
    Options,
    check,
    labels,
    ones_like,
    spelled,
    tried,
)

if TYPE_CHECKING:
    from npcbam.gradcheck.report import GradReport


def check_cached(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    *args: Any,
    **options: Unpack[Options],
) -> GradReport:
    """Check `backward` against the derivative of `forward`, which hands it a cache.

    Parameters
    ----------
    forward : `out, cache = forward(*args)`; with several outputs `(out1, out2, cache)`
    backward : `backward(dout, cache)`, or `backward(dout1, dout2, cache)`, gives the gradients in
        the order of the arguments: one, a tuple, or a dict by name such as "dx", "grad_x" or "x".
        Arguments that are no arrays of floats, and dicts of settings, need none; each call gets a
        copy of them
    options : those of `check_vjp`, and raises=False for a report whatever the outcome is

    Raises
    ------
    WrongGradientError, CannotTellError
        As `check_vjp` does.
    TypeError
        `forward` does not return (out, cache), or a gradient's name is that of no argument.

    >>> import numpy as np
    >>> def forward(x, w):
    ...     return x @ w, (x, w)
    >>> def backward(dout, cache):
    ...     x, w = cache
    ...     return dout @ w.T, x.T @ dout
    >>> check_cached(forward, backward, np.eye(2, 3), np.ones((3, 4))).outcome
    'right'
    """
    return check(cached_form(forward, backward, args, options), options)


def cached_form(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    args: tuple[Any, ...],
    options: Options,
) -> Form:
    """Return what `check_cached` examines: only arguments that can have a gradient are asked."""
    for name, given in (("forward", forward), ("backward", backward)):
        if not callable(given):
            raise TypeError(f"{name}: expected a function, got {type(given).__name__}")
    names = labels(forward, args, options)
    found = tried(forward, args, options)
    if found is not FAILED:
        _split(found)
    f = cached_vjp(forward, backward, names)
    kept = asked_of(args, tried(lambda *some: _gradients(f, *some), args, options))
    if not kept:
        raise nothing_asked(args, names)
    said = ", ".join([spelled(forward, "forward"), spelled(backward, "backward"), *names])
    return Form(
        only(chosen(f, kept), args, kept),
        tuple(args[i] for i in kept),
        tuple(names[i] for i in kept),
        f"check_cached({said})",
        unasked(args, names, kept),
    )


def cached_vjp(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    names: tuple[str, ...] | None = None,
) -> Callable[..., Any]:
    """Return f(*args) -> (y, pullback), for `examine`, of a forward and backward with a cache.

    `names` are those of the arguments, for a backward that gives a dict.
    """

    def f(*args: Any) -> Any:
        y, cache, several = _split(forward(*args))

        def pullback(dy: Any) -> Any:
            given = backward(*(dy if several else (dy,)), cache)
            if not isinstance(given, dict):
                return given
            known = names or argument_names(forward, len(args))
            # A dict of parameters has a gradient that is a dict of the same keys.
            whole = any(isinstance(arg, dict) and arg.keys() == given.keys() for arg in args)
            return given if whole else by_name("backward", given, known)

        return y, pullback

    with contextlib.suppress(TypeError, ValueError):  # not everything has a signature
        f.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    return f


def _gradients(f: Callable[..., Any], *args: Any) -> Any:
    y, pullback = f(*args)
    return pullback(ones_like(y))


def _split(found: Any) -> tuple[Any, Any, bool]:
    """Return y, the cache, and whether there were several outputs."""
    if isinstance(found, tuple) and len(found) == 2:
        return found[0], found[1], False
    if isinstance(found, tuple) and len(found) > 2:
        return found[:-1], found[-1], True
    kind = type(found).__name__
    raise MisuseError(
        f"forward: expected it to return (out, cache), got {kind}; {which_form(found)}"
    )
