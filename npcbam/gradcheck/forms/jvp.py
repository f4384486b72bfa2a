"""Forward mode: a function that pushes a tangent of the arguments on to one of the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from npcbam.gradcheck.forms.asked import has_floats, nothing_asked
from npcbam.gradcheck.forms.lines import Lines
from npcbam.gradcheck.forms.run import Form, Options, check_all, labels, spelled, tried
from npcbam.gradcheck.forms.tangents import Push, Takes, columns, y_of

if TYPE_CHECKING:
    from npcbam.gradcheck.report import GradReport

SMALL = 256  # entries of all arguments: so many tangents give the whole Jacobian


def check_jvp(
    f: Callable[..., Any],
    jvp: Callable[..., Any],
    *args: Any,
    takes: Takes | None = None,
    **options: Unpack[Options],
) -> GradReport:
    """Check a forward-mode derivative against the derivative of `f`.

    Parameters
    ----------
    f : gives y, or (y, pullback), of which y is taken
    jvp : `jvp(*args, *tangents)`, or `jvp(args, tangents)` with two tuples, gives the tangent of y,
        or (y, tangent); the tangent of an argument that is no array of floats is None
    takes : "flat" or "tuples", where it cannot be told from jvp's signature and what it takes
    options : those of `check_vjp`, and raises=False for a report whatever the outcome is

    Raises
    ------
    WrongGradientError, CannotTellError
        As `check_vjp` does.

    Arguments of 256 entries or fewer are moved entry by entry. Larger ones are moved along random
    lines, of which the report counts the entries of a leaf; and all together, where what is not
    linear in the tangent shows.

    >>> import numpy as np
    >>> check_jvp(np.sin, lambda x, v: np.cos(x) * v, np.array([0.0, 1.0])).outcome
    'right'
    """
    for name, given in (("f", f), ("jvp", jvp)):
        if not callable(given):
            raise TypeError(f"{name}: expected a function, got {type(given).__name__}")
    names = labels(f, args, options)
    kept = [i for i, arg in enumerate(args) if has_floats(arg)]
    if not kept:
        raise nothing_asked(args, names)
    push = Push.of(jvp, takes, args, tried(lambda *some: y_of(f(*some)), args, options))
    said = f"check_jvp({', '.join([spelled(f, 'f'), spelled(jvp, 'jvp'), *names])})"
    lines = Lines.of(f, push, args, names, options)
    if lines.size > SMALL:
        return check_all([lines.form(said, every=True)], options)
    whole = Form(columns(f, push, kept), args, names, said)
    return check_all([whole, lines.form(said, every=False)], options)
