"""Second order: a hand-written Hessian-vector product, and a pullback as a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from npcbam import tree
from npcbam.gradcheck.forms.asked import only
from npcbam.gradcheck.forms.grad import grad_form
from npcbam.gradcheck.forms.loss import loss_form
from npcbam.gradcheck.forms.naming import MisuseError
from npcbam.gradcheck.forms.run import FAILED, Form, Options, check_all, labels, spelled, tried

if TYPE_CHECKING:
    from npcbam.gradcheck.report import GradReport

FIRST = "this is the gradient, by which hvp cannot be judged before it is right"
SECOND = "y is the gradient here, and the pullback hvp: a Hessian is its own transpose"


def check_hvp(
    f: Callable[..., Any],
    hvp: Callable[..., Any],
    x: Any,
    *args: Any,
    grad: Callable[..., Any] | None = None,
    dy: Any = None,
    **options: Unpack[Options],
) -> GradReport:
    """Check a Hessian-vector product against the derivative of the gradient of `f`.

    Parameters
    ----------
    f : `f(x, *args)` gives one number, if `grad` is given; or (loss, grad); or (y, pullback)
    hvp : `hvp(x, v, *args)` gives the Hessian times v, like x
    grad : `grad(x, *args)`, as in scipy
    dy : where f gives (y, pullback) and y is no number, the cotangent that is meant: the Hessian
        is that of ⟨dy, f⟩
    options : those of `check_vjp`, and raises=False for a report whatever the outcome is

    Raises
    ------
    WrongGradientError, CannotTellError
        As `check_vjp` does, of the gradient first.
    TypeError
        There is no gradient to go by.

    >>> import numpy as np
    >>> def f(x):
    ...     return (x**3).sum(), 3 * x**2
    >>> check_hvp(f, lambda x, v: 6 * x * v, np.array([1.0, -2.0])).outcome
    'right'
    """
    for name, given in (("f", f), ("hvp", hvp), ("grad", f if grad is None else grad)):
        if not callable(given):
            raise TypeError(f"{name}: expected a function, got {type(given).__name__}")
    everything = (x, *args)
    names = labels(f, everything, options)
    first, gradient = _first(f, grad, dy, everything, options)

    def g(x: Any, *rest: Any) -> Any:
        return gradient(x), lambda v: (hvp(x, v, *rest),)

    by = [] if grad is None else [f"grad={spelled(grad, 'grad')}"]
    said = ", ".join([spelled(f, "f"), spelled(hvp, "hvp"), *names, *by])
    repeat = f"check_hvp({said}{', dy=dy' * (dy is not None)})"
    one = Form(first.f, first.args, names[:1], repeat, (FIRST,))
    two = Form(only(g, everything, [0]), everything[:1], names[:1], repeat, (SECOND,))
    return check_all([one, two], options, told=1)


def pullback_as_function(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return g(*args, dy), which gives the cotangents that the pullback of f gives for dy.

    With a pullback of its own, it is a function like any other; f here is x², whose pullback is
    2 x dy, and what is checked is the pullback of that:

    >>> import numpy as np
    >>> from npcbam.gradcheck import check_vjp
    >>> g = pullback_as_function(lambda x: (x**2, lambda dy: 2 * x * dy))
    >>> def g_vjp(x, dy):
    ...     return g(x, dy), lambda ddx: (2 * dy * ddx, 2 * x * ddx)
    >>> check_vjp(g_vjp, np.array([1.0, -3.0]), np.array([0.5, 2.0])).outcome
    'right'
    """

    def g(*args: Any) -> Any:
        *rest, dy = args
        return f(*rest)[1](dy)

    return g


def _first(
    f: Callable[..., Any],
    grad: Callable[..., Any] | None,
    dy: Any,
    args: tuple[Any, ...],
    options: Options,
) -> tuple[Form, Callable[..., Any]]:
    """Return the check of the gradient in x, and the gradient as a function of x."""
    names = labels(f, args, options)
    if grad is not None:
        return grad_form(f, grad, args, options), only(grad, args, [0])
    found = tried(f, args, options)
    if isinstance(found, tuple) and len(found) == 2 and callable(found[1]):
        start = _cotangent(found[0], dy)

        def g(*some: Any) -> Any:
            y, pullback = f(*some)
            return y, lambda dy: _of_x(pullback(dy), len(some))

        of_x = only(g, args, [0])
        return Form(of_x, args[:1], names[:1], ""), lambda x: _pulled(of_x(x), start)
    if found is not FAILED and not isinstance(found, tuple):
        kind = type(found).__name__
        raise MisuseError(
            f"f: expected it to give (loss, grad) or (y, pullback), got {kind}; or give grad="
        )
    others: Options = {**options, "fixed": (*options.get("fixed", ()), *names[1:])}
    form = loss_form(f, args, others)
    return form, lambda x: _pulled(form.f(x), np.ones(()))


def _of_x(given: Any, count: int) -> tuple[Any, ...]:
    every = isinstance(given, tuple | list) and (count > 1 or len(given) == 1)
    return (given[0] if every else given,)


def _pulled(result: tuple[Any, Callable[[Any], Any]], dy: Any) -> Any:
    """Return the gradient of x for a cotangent, in the precision of the result."""
    y, pullback = result
    if np.isscalar(y):
        return pullback(dy)[0]
    like = tree.map(lambda d, leaf: np.asarray(d, leaf.real.dtype), dy, y)
    return pullback(like)[0]


def _cotangent(y: Any, dy: Any) -> Any:
    if dy is not None:
        return dy
    if np.size(y) == 1:
        return np.ones(np.shape(y))
    raise MisuseError(
        f"dy: y has {np.size(y)} elements; expected the cotangent whose gradient is meant"
    )
