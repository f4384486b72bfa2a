"""Where the gradients of an object's backward are: in what it returns, or in what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npcbam.gradcheck.forms.naming import MisuseError, gradient_key
from npcbam.gradcheck.forms.parameters import Parameter

# What holds the gradient of the only input, whatever forward calls that.
INPUTS = (
    "dx",
    "dX",
    "dinputs",
    "dinput",
    "grad_input",
    "input_grad",
    "gradInput",
    "dinp",
    "grad_x",
)

# Takes a gradient out of (the object after backward, what backward returned).
Source = Callable[[Any, Any], Any]


def of_inputs(
    returned: Any, obj: Any, names: Sequence[str], asked: Sequence[int]
) -> list[Source | None]:
    """Return for each input in `names` its source; those at `asked` are arrays of floats."""
    if isinstance(returned, Mapping):
        keys = [str(key) for key in returned]
        found = [gradient_key(name, keys, itself=True) for name in names]
        if len(names) == 1 and found[0] is None:
            found = [next((key for key in INPUTS if key in keys), None)]
        return [None if key is None else _item(key) for key in found]
    if isinstance(returned, tuple | list):
        if len(returned) >= len(names):
            return [_item(i) if returned[i] is not None else None for i in range(len(names))]
        places = dict(zip(asked, range(len(returned)), strict=False))
        return [_item(places[i]) if i in places else None for i in range(len(names))]
    if returned is not None:
        return [_itself if i in asked[:1] else None for i in range(len(names))]
    return [_attribute(obj, name, len(names) == 1) for name in names]


def of_parameters(
    returned: Any, start: int, parameters: Sequence[Parameter], backward: str
) -> list[Source | None]:
    """Return for each parameter its source; raise TypeError where there is none."""
    rest = beside(returned, start)
    free = [p for p in parameters if not p.gradients]
    found: list[Source | None] = []
    for p in parameters:
        key: Any = None
        if isinstance(rest, Mapping):
            last = p.name.rpartition(".")[2]
            key = gradient_key(last, [str(key) for key in rest], itself=True)
        elif p in free and len(rest) == len(free):
            key = free.index(p)
        if not p.gradients and key is None:
            raise MisuseError(
                f"{p.name}: {backward} leaves no gradient for it, neither beside it, as in "
                f"d{p.name}, nor in grads, and returns none; say where: "
                f"params={{{p.name!r}: 'd{p.name}'}}"
            )
        found.append(_sum(p, backward) if p.gradients else _within(start, key))
    return found


def used_up(returned: Any, inputs: int, asked: Sequence[int]) -> int:
    """Return how many of the things that backward returned are gradients of the inputs."""
    if isinstance(returned, tuple | list):
        return inputs if len(returned) >= inputs else len(asked)
    return len(asked[:1])


def beside(returned: Any, start: int) -> Any:
    """Return what comes after the gradients of the inputs: a dict, or a sequence."""
    if isinstance(returned, Mapping):
        return returned
    if not isinstance(returned, tuple | list):
        return (returned,) if returned is not None and start == 0 else ()
    rest = returned[start:]
    return rest[0] if len(rest) == 1 and isinstance(rest[0], Mapping | list | tuple) else rest


def _within(start: int, key: Any) -> Source:
    """Return the source of what lies under `key` in what comes after the inputs' gradients."""
    return lambda obj, given: beside(given, start)[key]


def _item(key: Any) -> Source:
    return lambda obj, given: given[key]


def _itself(obj: Any, given: Any) -> Any:
    return given


def _attribute(obj: Any, name: str, alone: bool) -> Source | None:
    held = [key for key in dir(obj) if not key.startswith("__")]
    key = gradient_key(name, held)
    if key is None and alone:
        key = next((key for key in INPUTS if key in held), None)
    return None if key is None else lambda obj, given: getattr(obj, key)


def _sum(parameter: Parameter, backward: str) -> Source:
    """Return the source of a gradient that the object holds, in one place or in several."""

    def source(obj: Any, given: Any) -> Any:
        held = {id(slope): slope for slope in (place.get(obj) for place in parameter.gradients)}
        slopes = [slope for slope in held.values() if slope is not None]
        if not slopes:
            where = " and ".join(map(str, parameter.gradients))
            raise MisuseError(f"{parameter.name}: {backward} does not set {where}")
        total = slopes[0]
        for slope in slopes[1:]:
            total = total + slope
        return total

    return source
