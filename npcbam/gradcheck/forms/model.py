"""A method that returns its loss with the gradients of the parameters that its object holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.gradcheck.forms.objects import Place
from npcbam.gradcheck.forms.pairs import PARAMETERS, is_array
from npcbam.gradcheck.forms.parameters import Parameter
from npcbam.gradcheck.forms.stateful import with_values


def held_by(f: Any, given: Any) -> list[Parameter]:
    """Return the parameters of f's object that the keys of a dict of gradients name, or none.

    They lie in a dict such as `params`, or in attributes.
    """
    owner = getattr(f, "__self__", None)
    if owner is None or not isinstance(given, Mapping):
        return []
    found = [_place(owner, key) for key in given]
    if any(place is None for place in found):
        return []
    return [Parameter(str(key), p) for key, p in zip(given, found, strict=True) if p is not None]


def model_vjp(f: Any, inputs: int, parameters: Sequence[Parameter]) -> Any:
    """Return g(*inputs, *values of the parameters) -> (loss, pullback), which works on copies."""

    def g(*args: Any) -> Any:
        model = with_values(f.__self__, parameters, args[inputs:])
        loss, grads = getattr(model, f.__name__)(*args[:inputs])
        kept = {str(key): np.array(grad) for key, grad in grads.items()}

        def pullback(dy: Any) -> tuple[Any, ...]:
            scaled: dict[str, Array] = tree.map(lambda leaf: leaf * leaf.dtype.type(dy), kept)
            return (*[None] * inputs, *(scaled.get(p.name) for p in parameters))

        return np.asarray(loss).reshape(()), pullback

    return g


def _place(owner: Any, key: Any) -> Place | None:
    for name in PARAMETERS:
        held = getattr(owner, name, None)
        if isinstance(held, dict) and is_array(held.get(key)):
            return Place().then("attribute", name).then("item", key)
    if isinstance(key, str) and is_array(getattr(owner, key, None)):
        return Place().then("attribute", key)
    return None
