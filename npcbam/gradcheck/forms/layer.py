"""An object with `forward` and `backward`, which holds its parameters and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from npcbam.gradcheck.forms.asked import chosen, has_floats, only, unasked
from npcbam.gradcheck.forms.loss import times
from npcbam.gradcheck.forms.objects import copied
from npcbam.gradcheck.forms.pairs import is_array
from npcbam.gradcheck.forms.parameters import Parameter
from npcbam.gradcheck.forms.returned import Source
from npcbam.gradcheck.forms.run import FAILED, Form, Options, check, labels, tried
from npcbam.gradcheck.forms.seen import Seen
from npcbam.gradcheck.forms.stateful import Methods, with_values

if TYPE_CHECKING:
    from npcbam.gradcheck.report import GradReport


def check_layer(
    obj: Any,
    *inputs: Any,
    params: str | Sequence[str] | Mapping[str, str] | None = None,
    grads: str | Sequence[str] | None = None,
    call: Mapping[str, Any] | None = None,
    methods: tuple[str, str] = ("forward", "backward"),
    **options: Unpack[Options],
) -> GradReport:
    """Check the `backward` of an object against the derivative of its `forward`.

    Parameters
    ----------
    obj : has `forward(*inputs)` and `backward(dout)`; it is copied for every call and never
        changed. The parameters and gradients that it holds are found in dicts or lists such as
        `params` and `grads`, in attributes such as `W` and `dW`, `grad_W` or `W_grad`, in objects
        with `.data` and `.grad`, also in layers inside of it; or backward returns them after dx
    params : names that say which, where they are not found: ("W", "b"), {"W": "step_of_W"},
        "layers.0.W", or "weights" for all that this holds; () asks about the inputs alone
    grads : names of the gradients in the order of `params`
    call : further keywords for `forward`, such as {"train": True}
    methods : the names of forward and backward
    options : those of `check_vjp`, and raises=False for a report whatever the outcome is

    Raises
    ------
    WrongGradientError, CannotTellError
        As `check_vjp` does.
    TypeError
        The object has no such methods or parameters, cannot be copied, or leaves no gradient.

    Gradients are set to 0 before each backward, for it may add to them.

    >>> import numpy as np
    >>> class Scale:
    ...     def __init__(self):
    ...         self.w = np.array([2.0, 3.0])
    ...     def forward(self, x):
    ...         self.x = x
    ...         return self.w * x
    ...     def backward(self, dout):
    ...         self.dw = (dout * self.x).sum(0)
    ...         return dout * self.w
    >>> report = check_layer(Scale(), np.arange(6.0).reshape(3, 2))
    >>> report.outcome, [leaf.leaf for leaf in report.leaves]
    ('right', ['x', 'w'])
    """
    if not inputs:
        raise TypeError("inputs: expected at least one array for forward")
    form = layer_form(obj, inputs, options, params, grads, Methods(*methods, call or {}))
    return check(form, options)


def layer_form(
    obj: Any, inputs: tuple[Any, ...], options: Options, params: Any, grads: Any, how: Methods
) -> Form:
    """Return what `check_layer` examines: a function of the inputs and the parameters."""
    how.demand(obj)
    names = labels(getattr(obj, how.forward), inputs, options)
    seen = tried(lambda *some: Seen.of(obj, some, how), inputs, options)
    if seen is FAILED:  # it raises, which the checker says in its own way
        seen = Seen(obj, how)
        parameters, sources = list[Parameter](), list[Source | None]([_raises] * len(inputs))
    else:
        parameters, sources = seen.gradients(inputs, names, params, grads)
    base = obj if all(is_array(p.where.get(obj)) for p in parameters) else seen.obj
    args = (*inputs, *(p.where.of(base).copy() for p in parameters))
    kept = [i for i, arg in enumerate(args) if sources[i] is not None and has_floats(arg)]
    f = layer_vjp(base, len(inputs), parameters, sources, how)
    names = (*names, *(_unlike(p.name, names, obj) for p in parameters))
    more = f", params={params!r}" * (params is not None) + f", grads={grads!r}" * (
        grads is not None
    )
    return Form(
        only(chosen(f, kept), args, kept),
        tuple(args[i] for i in kept),
        tuple(names[i] for i in kept),
        f"check_layer(obj, {', '.join(names[: len(inputs)])}{more})",
        (*unasked(args, names, kept), *seen.notes(parameters)),
    )


def layer_vjp(
    obj: Any,
    inputs: int,
    parameters: Sequence[Parameter],
    sources: Sequence[Source | None],
    how: Methods,
) -> Callable[..., Any]:
    """Return f(*inputs, *values of the parameters) -> (y, pullback), which works on copies."""

    def f(*args: Any) -> Any:
        layer = with_values(obj, parameters, args[inputs:])
        y = how.run(layer, args[:inputs])

        def pullback(dy: Any) -> tuple[Any, ...]:
            mine = copied(layer)
            given = how.pull(mine, dy)
            found = [None if source is None else source(mine, given) for source in sources]
            return tuple(times(dy, g) if how.starts_itself(mine) else g for g in found)

        return y, pullback

    return f


def _raises(obj: Any, given: Any) -> Any:
    raise NotImplementedError("backward was not reached")


def _unlike(name: str, names: tuple[str, ...], obj: Any) -> str:
    return f"{type(obj).__name__}.{name}" if name in names else name
