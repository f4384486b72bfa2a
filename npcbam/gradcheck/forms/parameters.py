"""The parameters of an object, and where its backward leaves their gradients."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam.gradcheck.forms.naming import MisuseError
from npcbam.gradcheck.forms.objects import Place, parts, place, walk
from npcbam.gradcheck.forms.pairs import PARAMETERS, VALUES, is_array, pairs_given, pairs_in


@dataclass(frozen=True)
class Parameter:
    """A parameter: its name, where it lies, and where its gradients lie.

    A parameter that two layers share has a gradient in each, and what they add up to is its own.
    """

    name: str
    where: Place
    gradients: tuple[Place, ...] = ()


def find(obj: Any, stays: Collection[int]) -> list[Parameter]:
    """Return the parameters of an object that has run its backward, each array once.

    `stays` has the ids of the arrays that forward did not touch: it keeps its x in others.
    """
    pairs = [pair for where, thing in walk(obj) for pair in pairs_in(where, thing)]
    if not pairs:
        pairs = [*pairs_given(obj)]
    gathered: dict[int, Parameter] = {}
    for where, gradient in pairs:
        array, slope = where.of(obj), gradient.get(obj)
        known = gathered.get(id(array), Parameter(name_of(where), where))
        if slope is None or id(slope) not in {id(g.get(obj)) for g in known.gradients}:
            known = Parameter(known.name, known.where, (*known.gradients, gradient))
        gathered[id(array)] = known
    slopes = {id(g.get(obj)) for p in gathered.values() for g in p.gradients}
    kept = [p for key, p in gathered.items() if key in stays and key not in slopes]
    # Of a flat array and its parts, which are the same numbers, the first that was found.
    arrays = [p.where.of(obj) for p in kept]
    same = [any(np.may_share_memory(a, b) for b in arrays[:i]) for i, a in enumerate(arrays)]
    return apart([p for p, again in zip(kept, same, strict=True) if not again])


def named(obj: Any, params: Any, grads: Any) -> list[Parameter]:
    """Return the parameters that a user names; `obj` has run its backward.

    `params` gives names, or {name: name of the gradient}, or the name of what holds all; `grads`
    the names of the gradients in the same order, or the name of what holds all.
    """
    if isinstance(params, str):
        params = _names_in(obj, params, "params")
    if isinstance(grads, str):
        grads = [f"{grads}.{key}" for key in parts(_place(obj, grads, "grads").of(obj))]
    if isinstance(params, Mapping):
        pairs = [*params.items()]
    elif grads is None:
        pairs = [(name, None) for name in params]
    elif len(grads) == len(params):
        pairs = [*zip(params, grads, strict=True)]
    else:
        raise ValueError(f"grads: expected {len(params)} names, one a parameter, got {len(grads)}")
    found = [_named(obj, name, gradient) for name, gradient in pairs]
    for i, one in enumerate(found):
        for other in found[:i]:
            if np.may_share_memory(one.where.of(obj), other.where.of(obj)):
                raise MisuseError(f"params: {other.name} and {one.name} share memory; name one")
    return apart(found)


def _named(obj: Any, name: str, gradient: str | None) -> Parameter:
    """Return a parameter by its name, with its gradient by name, or the one found beside it."""
    where = _place(obj, name, "params")
    if not is_array(where.of(obj)):
        kind = type(where.of(obj)).__name__
        raise MisuseError(f"params: expected {name} to be an array of floats, got {kind}")
    beside = _beside(obj, where) if gradient is None else _place(obj, gradient, "grads")
    return Parameter(name_of(where), where, () if beside is None else (beside,))


def _beside(obj: Any, where: Place) -> Place | None:
    """Return where the gradient of a parameter lies that the user has named."""
    array = where.of(obj)
    found = find(obj, {id(array)})
    return found[0].gradients[0] if found else None


def _place(obj: Any, path: str, argument: str) -> Place:
    try:
        return place(obj, path)
    except LookupError as error:
        kind = type(obj).__name__
        raise MisuseError(
            f"{argument}: expected names of what {kind} holds after backward, "
            f"got {path!r}, of which there is no {error.args[0]}"
        ) from None


def _names_in(obj: Any, path: str, argument: str) -> Sequence[str]:
    """Return the names of the arrays that a container holds, or of the one array."""
    thing = _place(obj, path, argument).of(obj)
    return [path] if is_array(thing) else [f"{path}.{key}" for key in parts(thing)]


def name_of(where: Place) -> str:
    """Return the place without what every layer calls the same: params.W is W."""
    keys = [key for _, key in where.steps]
    plain = [
        str(key)
        for i, key in enumerate(keys)
        if not (key in PARAMETERS and i + 1 < len(keys) and isinstance(keys[i + 1], str))
        and not (key in VALUES and i + 1 == len(keys) > 1)
    ]
    return ".".join(plain)


def apart(found: list[Parameter]) -> list[Parameter]:
    """Give the whole place as the name where two parameters would have one name."""
    names = [parameter.name for parameter in found]
    return [
        p if names.count(p.name) == 1 else Parameter(str(p.where), p.where, p.gradients)
        for p in found
    ]
