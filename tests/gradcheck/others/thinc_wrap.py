"""From a layer of thinc to f(parameters, x) -> (y, pullback), in fresh copies at every call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from running import Case
from thinc.api import Ops, Padded, Ragged, get_current_ops, set_current_ops

LENGTHS = np.array([2, 1, 3], dtype="int32")
KERNELS = {"NumpyOps": get_current_ops(), "Ops": Ops()}


@dataclass(frozen=True)
class Form:
    """How an array becomes what a layer takes, and what it gives becomes an array."""

    into: Callable[[Any], Any] = lambda x: x
    out: Callable[[Any], Any] = lambda y: y
    like: Callable[[Any, Any], Any] = lambda dy, y: dy


def ragged(data: Any) -> Ragged:
    return Ragged(data, LENGTHS)


def padded(data: Any) -> Padded:
    """Four steps of two sequences, the second of which ends after three."""
    sizes = np.array([2, 2, 2, 1], dtype="int32")
    lengths, order = np.array([4, 3], dtype="int32"), np.array([0, 1], dtype="int32")
    return Padded(data, sizes, lengths, order)


PLAIN = Form()
RAGGED = Form(ragged, lambda y: y.dataXd, lambda dy, y: ragged(dy))
POOLED = Form(ragged, lambda y: y, lambda dy, y: dy)
PADDED = Form(padded, lambda y: y.data, lambda dy, y: padded(dy))


def layer(
    name: str,
    build: Callable[[], Any],
    shape: tuple[int, ...],
    form: Form = PLAIN,
    *,
    fixed: Any = None,
    train: bool = True,
    as_it_comes: bool = False,
    kernels: str = "NumpyOps",
    dtype: Any = np.float32,
) -> Case:
    """Return the case of one layer; `fixed` is an input that has no gradient (ids).

    The compiled kernels take arrays in C order: dY is brought into it, unless `as_it_comes`.
    """

    def start(x: Any) -> tuple[Any, list[tuple[Any, str]]]:
        set_current_ops(KERNELS[kernels])
        model = build()
        model.initialize(X=x)
        return model, [(n, p) for n in model.walk() for p in n.param_names if n.has_param(p)]

    def make(rng: np.random.Generator) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        x = rng.normal(size=shape).astype(dtype)
        _, named = start(form.into(x.astype("f")) if fixed is None else fixed)
        given = {
            f"{node.name}.{key}.{i}": rng.normal(size=node.get_param(key).shape).astype(dtype)
            for i, (node, key) in enumerate(named)
        }

        def f(x: Any = None, parameters: Any = None) -> tuple[Any, Callable[[Any], Any]]:
            taken = fixed if x is None else form.into(np.array(x))
            model, places = start(form.into(np.zeros(shape, "f")) if fixed is None else fixed)
            for (node, key), value in zip(places, (parameters or {}).values(), strict=True):
                node.set_param(key, np.array(value))
            y, backprop = model(taken, is_train=train)

            def thinc_pullback(dy: Any) -> Any:
                for node, key in places:
                    node.set_grad(key, np.zeros_like(node.get_param(key)))
                dx = backprop(form.like(np.array(dy, order="K" if as_it_comes else "C"), y))
                grads = [node.get_grad(key) for node, key in places]
                dparameters = dict(zip(given, grads, strict=True))
                dx = () if fixed is not None else (out_of(dx),)
                whole = (*dx, dparameters) if given else dx
                return whole if len(whole) > 1 else whole[0]

            return form.out(y), thinc_pullback

        if fixed is not None:
            return lambda parameters: f(None, parameters), (given,)
        return (f, (x, given)) if given else (lambda x: f(x), (x,))

    kind = f"{np.dtype(dtype).name} {kernels}"
    return Case(f"{name} {kind}", make, ((name, 0),), {})


def out_of(dx: Any) -> Any:
    """Return the cotangent of a layer's input as an array."""
    if isinstance(dx, Ragged):
        return dx.dataXd
    if isinstance(dx, tuple):
        return np.stack(dx)
    return dx.data if isinstance(dx, Padded) else dx
