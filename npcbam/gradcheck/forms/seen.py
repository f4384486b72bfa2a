"""What one run of an object's forward and backward shows of its parameters and gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npcbam.checks import Array
from npcbam.gradcheck.forms.asked import has_floats
from npcbam.gradcheck.forms.objects import copied, walk
from npcbam.gradcheck.forms.pairs import is_array
from npcbam.gradcheck.forms.parameters import Parameter, apart, find, name_of, named
from npcbam.gradcheck.forms.returned import Source, beside, of_inputs, of_parameters, used_up
from npcbam.gradcheck.forms.run import ones_like
from npcbam.gradcheck.forms.stateful import Methods, untouched


@dataclass(frozen=True)
class Seen:
    """An object that has run its backward, the arrays that forward left alone, what came back."""

    obj: Any
    how: Methods
    dy: Any = None
    returned: Any = None
    stays: tuple[Array, ...] = ()

    @classmethod
    def of(cls, obj: Any, inputs: tuple[Any, ...], how: Methods) -> Seen:
        """Run copies of an object: once so that it builds what it builds late, and once to look."""
        first, results = copied(obj), list[Any]()
        how.pull(first, ones_like(how.run(first, inputs)))
        second = copied(first)
        stays = untouched(lambda: results.append(how.run(second, inputs)), second)
        dy = ones_like(results[0])
        return cls(second, how, dy, how.pull(second, dy), tuple(stays))

    def gradients(
        self, inputs: Sequence[Any], names: Sequence[str], params: Any, grads: Any
    ) -> tuple[list[Parameter], list[Source | None]]:
        """Return the parameters, and where the gradients of all inputs and parameters are."""
        asked = [i for i, x in enumerate(inputs) if has_floats(x)]
        rest = beside(self.returned, used_up(self.returned, len(inputs), asked))
        stays = {id(array) for array in self.stays}
        if params is not None:
            parameters = named(self.obj, params, grads)
        else:
            parameters = find(self.obj, stays) or self._returned(rest)
        start = used_up(self.returned, len(inputs), asked)
        sources = [
            *of_inputs(self.returned, self.obj, names, asked),
            *of_parameters(self.returned, start, parameters, self.how.backward),
        ]
        for source in sources:
            if source is not None:
                source(self.obj, self.returned)  # raises where backward leaves nothing
        return parameters, sources

    def _returned(self, rest: Any) -> list[Parameter]:
        """Return the parameters whose gradients backward returns after those of the inputs."""
        if not isinstance(rest, tuple | list):
            return []
        shapes = [np.shape(gradient) for gradient in rest]
        held = [Parameter(name_of(w), w) for w, thing in walk(self.obj) if self._is_held(thing)]
        if [p.where.of(self.obj).shape for p in held] == shapes:
            return apart(held)
        return []

    def _is_held(self, thing: Any) -> bool:
        return is_array(thing) and any(thing is array for array in self.stays)

    def notes(self, parameters: Sequence[Parameter]) -> Iterator[str]:
        """Say what is done about gradients that add up, and which arrays are not asked about."""
        adding = [p.name for p in parameters if p.gradients and self._adds(p)]
        if adding:
            said = ", ".join(adding)
            yield f"backward adds to the gradients of {said}; they were set to 0 before each call"
        slopes = [place.get(self.obj) for p in parameters for place in p.gradients]
        known = {id(a) for a in [*slopes, *(p.where.get(self.obj) for p in parameters)]}
        held = [(w, thing) for w, thing in walk(self.obj) if self._is_held(thing)]
        left = [str(where) for where, thing in held if id(thing) not in known]
        if left:
            yield f"held, and not asked about: {', '.join(left)}"

    def _adds(self, parameter: Parameter) -> bool:
        """Tell whether a second backward adds to the gradient of the first one."""
        again = replace(self, obj=copied(self.obj))
        with contextlib.suppress(Exception):  # some give back what they need for it
            self.how.pull(again.obj, self.dy)
        old, new = (parameter.gradients[0].get(seen.obj) for seen in (self, again))
        if not (is_array(old) and is_array(new) and old.shape == new.shape):
            return False
        return not np.allclose(old, new, rtol=1e-6, atol=0, equal_nan=True)
