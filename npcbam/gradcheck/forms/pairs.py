"""How objects hold parameters beside gradients: in containers, attributes, objects and methods."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from npcbam.gradcheck.forms.naming import gradient_key
from npcbam.gradcheck.forms.objects import Place, parts

# Attributes that hold all parameters of an object, and those that hold all gradients.
PARAMETERS = ("params", "parameters", "weights", "param", "_params", "_parameters")
GRADIENTS = (
    "grads",
    "gradients",
    "grad",
    "dparams",
    "grad_params",
    "param_grads",
    "dweights",
    "derivatives",
    "_grads",
    "_gradients",
)
# A parameter that is an object: its array, and its gradient.
VALUES = ("data", "value", "val", "array")
SLOPES = ("grad", "gradient", "diff", "g")
# Methods that give pairs of a parameter and its gradient, or such objects.
METHODS = (
    "params_and_grads",
    "parameters_and_gradients",
    "get_params_and_grads",
    "get_params_grads",
    "parameters",
    "params",
    "get_params",
    "get_parameters",
)


def pairs_in(where: Place, thing: Any) -> Iterator[tuple[Place, Place]]:
    """Yield the parameters that a thing holds itself, each with its gradient."""
    if isinstance(thing, np.ndarray | list | tuple):
        return
    held = parts(thing)
    how = "item" if isinstance(thing, dict) else "attribute"
    if how == "attribute":
        yield from _in_containers(where, held)
        yield from _in_object(where, held)
    # A gradient that backward does not set may be None still.
    slopes = [k for k, v in held.items() if isinstance(k, str) and (is_array(v) or v is None)]
    for key, value in held.items():
        if isinstance(key, str) and is_array(value):
            gradient = gradient_key(key, slopes)
            if gradient is not None:
                yield where.then(how, key), where.then(how, gradient)


def _in_containers(where: Place, held: dict[Any, Any]) -> Iterator[tuple[Place, Place]]:
    """Yield those in `params` and `grads`, or in `params` alone if that holds pairs."""
    for one in PARAMETERS:
        values, a = held.get(one), where.then("attribute", one)
        for i, pair in enumerate(values if isinstance(values, list | tuple) else ()):
            if _is_pair(pair):
                yield a.then("item", i).then("item", 0), a.then("item", i).then("item", 1)
        for other in GRADIENTS:
            b = where.then("attribute", other)
            for key, slope in _matched(values, held.get(other)):
                yield a.then("item", key), b.then("item", slope)


def _matched(values: Any, slopes: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the keys of arrays in one container with those of their gradients in another."""
    if isinstance(values, dict) and isinstance(slopes, dict):
        known = {str(key): key for key in slopes}
        for key, value in values.items():
            slope = gradient_key(str(key), known, itself=True)
            if is_array(value) and slope is not None:
                yield key, known[slope]
    both = isinstance(values, list | tuple) and isinstance(slopes, list | tuple)
    if both and len(values) == len(slopes):
        yield from ((i, i) for i, value in enumerate(values) if is_array(value))


def _in_object(where: Place, held: dict[Any, Any]) -> Iterator[tuple[Place, Place]]:
    """Yield a parameter that is an object with its array and its gradient."""
    values = [name for name in VALUES if is_array(held.get(name))]
    slopes = [name for name in SLOPES if name in held]
    if values and slopes:
        yield where.then("attribute", values[0]), where.then("attribute", slopes[0])


def pairs_given(obj: Any) -> Iterator[tuple[Place, Place]]:
    """Yield the parameters that a method of the object lists beside their gradients."""
    for name in METHODS:
        if not isinstance(getattr(obj, name, None), types.MethodType):
            continue
        where = Place().then("call", name)
        try:
            pairs = where.of(obj)
        except TypeError:  # it asks for something
            continue
        for i, pair in enumerate(pairs if isinstance(pairs, list | tuple) else ()):
            item = where.then("item", i)
            if _is_pair(pair):
                yield item.then("item", 0), item.then("item", 1)


def is_array(thing: Any) -> bool:
    """Tell whether a thing is an array of floats."""
    return isinstance(thing, np.ndarray) and thing.dtype.kind in "fc"


def _is_pair(thing: Any) -> bool:
    return isinstance(thing, list | tuple) and len(thing) == 2 and all(map(is_array, thing))
