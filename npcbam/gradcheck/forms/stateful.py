"""Running an object's forward and backward on copies, so that no call disturbs another."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.forms.naming import MisuseError
from npcbam.gradcheck.forms.objects import Place, captured, copied, walk
from npcbam.gradcheck.forms.pairs import is_array
from npcbam.gradcheck.forms.parameters import Parameter

# Where a forward that returns nothing leaves its result.
RESULTS = ("output", "out", "y", "outputs", "result", "activations", "a")


@dataclass(frozen=True)
class Methods:
    """The two methods of an object, and how they are called."""

    forward: str
    backward: str
    call: Mapping[str, Any]

    def demand(self, obj: Any) -> None:
        """Raise TypeError unless an object has both methods, and copies of it stand alone."""
        if inspect.isclass(obj):
            name = obj.__name__
            raise MisuseError(
                f"obj: expected an object, got the class {name}; "
                f"build it: check_layer({name}(...), x)"
            )
        lacking = [n for n in (self.forward, self.backward) if not callable(getattr(obj, n, None))]
        if lacking:
            kind = type(obj)
            torch = any(base.__module__.startswith("torch.") for base in kind.__mro__)
            raise MisuseError(
                f"obj: expected an object with {self.forward} and {self.backward}, "
                f"got {kind.__name__}, which has no {lacking[0]}"
                + ("; check_vjp(module, x) takes modules of torch" if torch else "")
            )
        for where, function in captured(obj):
            raise MisuseError(
                f"obj: {where} is a function ({function.__name__}) that refers to the object, "
                "so that a copy would still use the original; make it a method"
            )
        try:
            copied(obj)
        except Exception as error:
            raise MisuseError(f"obj: it cannot be copied: {error}") from None

    def run(self, obj: Any, inputs: tuple[Any, ...]) -> Any:
        """Run forward on an object, which it changes, and return y."""
        y = getattr(obj, self.forward)(*inputs, **copy.deepcopy(dict(self.call)))
        if y is None:
            y = next((getattr(obj, name) for name in RESULTS if hasattr(obj, name)), None)
        if y is None:
            raise MisuseError(f"{self.forward}: expected it to return y, got None")
        return y

    def pull(self, obj: Any, dy: Any) -> Any:
        """Run backward on an object, which it changes, and return what it returns."""
        method = getattr(obj, self.backward)
        return method() if self.starts_itself(obj) else method(dy)

    def starts_itself(self, obj: Any) -> bool:
        """Tell whether backward takes no cotangent, as that of a loss that comes last."""
        try:
            return not inspect.signature(getattr(obj, self.backward)).parameters
        except (TypeError, ValueError):
            return False


def with_values(obj: Any, parameters: Sequence[Parameter], values: Sequence[Array]) -> Any:
    """Return a copy of an object with these values as its parameters, and all gradients 0."""

    def arrays(held: Any) -> list[tuple[Array, Array]]:
        pairs = [(p.where.of(held), value) for p, value in zip(parameters, values, strict=True)]
        for parameter, value in zip(parameters, values, strict=True):
            slopes = [place.get(held) for place in parameter.gradients]
            pairs += [(s, np.zeros(s.shape, value.dtype)) for s in slopes if is_array(s)]
        return pairs

    return copied(obj, arrays)


def untouched(run: Callable[[], Any], obj: Any) -> list[tuple[Place, Array]]:
    """Return the arrays that `obj` still holds, and unchanged, after `run`, and where."""
    before = {id(thing): (thing, thing.copy()) for _, thing in walk(obj) if is_array(thing)}
    run()
    held = [(where, thing) for where, thing in walk(obj) if id(thing) in before]
    return [(w, a) for w, a in held if np.array_equal(a, before[id(a)][1], equal_nan=True)]
