"""A loss and its gradient as two functions, as in scipy.optimize."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from npcbam.gradcheck.forms.asked import only
from npcbam.gradcheck.forms.loss import as_arrays, number, times
from npcbam.gradcheck.forms.run import FAILED, Form, Options, check, labels, spelled, tried

if TYPE_CHECKING:
    from npcbam.gradcheck.report import GradReport


def check_grad(
    f: Callable[..., Any],
    grad: Callable[..., Any],
    x: Any,
    *args: Any,
    **options: Unpack[Options],
) -> GradReport:
    """Check `grad(x, *args)` against the derivative of `f(x, *args)` in x.

    Parameters
    ----------
    f : gives one number
    grad : gives an array like x
    x : an array of any shape, or a tree of arrays
    args : further arguments of both, not asked about
    options : those of `check_vjp`, and raises=False for a report whatever the outcome is

    Raises
    ------
    WrongGradientError, CannotTellError
        As `check_vjp` does.
    TypeError
        `f` does not give one number.

    >>> import numpy as np
    >>> check_grad(lambda x: (x**2).sum(), lambda x: 2 * x, np.array([1.0, -3.0])).outcome
    'right'
    """
    return check(grad_form(f, grad, (x, *args), options), options)


def grad_form(
    f: Callable[..., Any], grad: Callable[..., Any], args: tuple[Any, ...], options: Options
) -> Form:
    """Return what `check_grad` examines: f as a function of its first argument."""
    for name, given in (("f", f), ("grad", grad)):
        if not callable(given):
            raise TypeError(f"{name}: expected a function, got {type(given).__name__}")
    names = labels(f, args, options)
    found = tried(f, args, options)
    if found is not FAILED:
        number("f", found)
    said = ", ".join([spelled(f, "f"), spelled(grad, "grad"), *names])
    return Form(only(grad_vjp(f, grad), args, [0]), args[:1], names[:1], f"check_grad({said})")


def grad_vjp(f: Callable[..., Any], grad: Callable[..., Any]) -> Callable[..., Any]:
    """Return f(x, *args) -> (y, pullback), for `examine`, of a loss and its gradient."""

    def g(x: Any, *args: Any) -> Any:
        def pullback(dy: Any) -> Any:
            return (times(dy, as_arrays(grad(x, *args))),)

        return number("f", f(x, *args)), pullback

    with contextlib.suppress(TypeError, ValueError):  # not everything has a signature
        g.__signature__ = inspect.signature(f)  # type: ignore[attr-defined]
    return g
