"""A function that returns its loss together with the gradient, as (loss, grad)."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from npcbam import tree
from npcbam.gradcheck.forms.asked import chosen, has_floats, nothing_asked, only, unasked
from npcbam.gradcheck.forms.hint import which_form
from npcbam.gradcheck.forms.model import held_by, model_vjp
from npcbam.gradcheck.forms.naming import MisuseError, argument_names, by_name, gradient_key
from npcbam.gradcheck.forms.parameters import Parameter
from npcbam.gradcheck.forms.run import FAILED, Form, Options, check, labels, spelled, tried

if TYPE_CHECKING:
    from npcbam.gradcheck.report import GradReport


def check_loss(f: Callable[..., Any], *args: Any, **options: Unpack[Options]) -> GradReport:
    """Check the gradient that `f` returns beside its loss.

    Parameters
    ----------
    f : `f(*args)` gives `(loss, grad)`, `(loss, (grad1, grad2))` or `(loss, {"w": grad})`; the loss
        is one number. Where f gives fewer gradients than there are arrays of floats, they are
        those of the first ones, or of the only one that has their shape. Of a method such as
        `model.loss(x, y)` they may be named after what the object holds in `params`
    options : those of `check_vjp`, and raises=False for a report whatever the outcome is

    Raises
    ------
    WrongGradientError, CannotTellError
        As `check_vjp` does.
    TypeError
        `f` does not return (loss, grad), or a gradient's name is that of no argument.

    >>> check_loss(lambda x: (float((x**2).sum()), 2 * x), np.array([1.0, -3.0])).outcome
    'right'
    """
    return check(loss_form(f, args, options), options)


def loss_form(f: Callable[..., Any], args: tuple[Any, ...], options: Options) -> Form:
    """Return what `check_loss` examines: the arguments that f gives a gradient of."""
    if not callable(f):
        raise TypeError(f"f: expected a function, got {type(f).__name__}")
    names = labels(f, args, options)
    fixed = options.get("fixed", ())
    kept = [i for i, arg in enumerate(args) if has_floats(arg) and names[i] not in fixed]
    kept = kept or [i for i, arg in enumerate(args) if type(arg) is float]
    among = tuple(kept)
    found = tried(f, args, options)
    said = f"check_loss({', '.join([spelled(f, 'f'), *names])})"
    if found is not FAILED:
        given = _split(found)[1]
        parameters = [] if _named(given, names) else held_by(f, given)
        if parameters:
            return _of_model(f, args, parameters, said)
        kept = sorted(_placed(given, args, names, among))
    if not kept:
        raise nothing_asked(args, names)
    return Form(
        only(chosen(loss_vjp(f, names, among), kept), args, kept),
        tuple(args[i] for i in kept),
        tuple(names[i] for i in kept),
        said,
        unasked(args, names, kept),
    )


def _of_model(f: Any, args: tuple[Any, ...], parameters: list[Parameter], said: str) -> Form:
    """Return the check of a method whose gradients are those of what its object holds."""
    values = tuple(p.where.of(f.__self__).copy() for p in parameters)
    everything = (*args, *values)
    kept = range(len(args), len(everything))
    g = only(chosen(model_vjp(f, len(args), parameters), kept), everything, kept)
    return Form(g, values, tuple(p.name for p in parameters), said)


def _named(given: Any, names: Sequence[str]) -> bool:
    """Tell whether gradients by name are named after arguments."""
    if not isinstance(given, Mapping):
        return True
    keys = [str(key) for key in given]
    return any(gradient_key(name, keys, itself=True) for name in names)


def loss_vjp(
    f: Callable[..., Any],
    names: tuple[str, ...] | None = None,
    among: tuple[int, ...] | None = None,
) -> Callable[..., Any]:
    """Return f(*args) -> (loss, pullback), for `examine`, of a function that gives (loss, grad).

    `names` are those of the arguments, for gradients by name; `among` the places of those that
    may have a gradient, by default all arrays of floats.
    """

    def g(*args: Any) -> Any:
        loss, given = _split(f(*args))
        known = names or argument_names(f, len(args))
        places = [i for i, arg in enumerate(args) if has_floats(arg)]
        found = _placed(given, args, known, among or tuple(places))
        # A copy now, because f may use its buffer again.
        grads = {i: tree.map(np.copy, as_arrays(grad)) for i, grad in found.items()}

        def pullback(dy: Any) -> tuple[Any, ...]:
            return tuple(times(dy, grads[i]) if i in grads else None for i in range(len(args)))

        return number("loss", loss), pullback

    with contextlib.suppress(TypeError, ValueError):  # not everything has a signature
        g.__signature__ = inspect.signature(f)  # type: ignore[attr-defined]
    return g


def _split(found: Any) -> tuple[Any, Any]:
    """Return the loss and what was given as its gradient."""
    if not isinstance(found, tuple | list) or len(found) < 2:
        said = which_form(found)
        kind = type(found).__name__
        raise MisuseError(f"f: expected it to return (loss, grad), got {kind}; {said}")
    number("loss", found[0])
    return found[0], found[1] if len(found) == 2 else tuple(found[1:])


def _placed(
    given: Any, args: tuple[Any, ...], names: tuple[str, ...], among: tuple[int, ...]
) -> dict[int, Any]:
    """Return the gradients by the places of their arguments, out of those `among`."""
    alike = [i for i in among if _alike(given, args[i])]
    if isinstance(given, Mapping) and not alike:
        given = by_name("f", given, names)
    if isinstance(given, tuple | list) and not alike:
        if len(given) == len(args):
            given = dict(enumerate(given))
            return {i: given[i] for i in among if given[i] is not None}
        if len(given) > len(among):
            wanted = ", ".join(names[i] for i in among)
            raise MisuseError(
                f"f: expected gradients of {wanted}, which are arrays of floats; got {len(given)}"
            )
        return dict(zip(among, given, strict=False))
    return dict.fromkeys(alike[:1] or among[:1], given)


def _alike(given: Any, arg: Any) -> bool:
    """Tell whether a gradient has the structure and the shapes of an argument."""
    try:
        pairs = tree.map(lambda a, g: np.array(a.shape == np.shape(g)), arg, given)
    except (ValueError, TypeError):
        return False
    return all(same for _, same in tree.leaves(pairs))


def as_arrays(grad: Any) -> Any:
    """Return a gradient with an array in place of a bare number."""
    return np.asarray(grad) if np.isscalar(grad) else grad


def times(dy: Any, grad: Any) -> Any:
    """Return a gradient times the cotangent of a loss, which may be finer than the gradient is."""
    return tree.map(lambda leaf: leaf * leaf.dtype.type(dy), grad)


def number(name: str, value: Any) -> Any:
    """Return a loss as an array without axes; raise TypeError unless it is one number."""
    array = np.asarray(value)
    numeric = array.dtype.kind in "fciu" or "float" in array.dtype.name  # bfloat16 is neither
    if array.size != 1 or not numeric:
        got = f"shape {array.shape}" if numeric else type(value).__name__
        raise MisuseError(
            f"{name}: expected one number, got {got}; check_vjp(f, *args) is for other results"
        )
    return array.reshape(())
