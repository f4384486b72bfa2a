"""What one run of an object's forward and backward shows of its parameters and gradients."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.gradcheck.forms.asked import has_floats
from npcbam.gradcheck.forms.objects import Place, copied
from npcbam.gradcheck.forms.pairs import is_array
from npcbam.gradcheck.forms.parameters import Parameter, apart, find, name_of, named
from npcbam.gradcheck.forms.returned import Source, beside, of_inputs, of_parameters, used_up
from npcbam.gradcheck.forms.run import ones_like
from npcbam.gradcheck.forms.stateful import Methods, untouched

MOST = 32  # arrays that are moved to see whether y depends on them


@dataclass(frozen=True)
class Seen:
    """An object that has run its backward, the arrays that forward left alone, what came back."""

    obj: Any
    how: Methods
    dy: Any = None
    returned: Any = None
    inputs: tuple[Any, ...] = ()
    stays: tuple[tuple[Place, Array], ...] = ()

    @classmethod
    def of(cls, obj: Any, inputs: tuple[Any, ...], how: Methods) -> Seen:
        """Run copies of an object: once so that it builds what it builds late, and once to look."""
        first, results = copied(obj), list[Any]()
        how.pull(first, ones_like(how.run(first, inputs)))
        second = copied(first)
        stays = untouched(lambda: results.append(how.run(second, inputs)), second)
        dy = ones_like(results[0])
        return cls(second, how, dy, how.pull(second, dy), inputs, tuple(stays))

    def gradients(
        self, inputs: Sequence[Any], names: Sequence[str], params: Any, grads: Any
    ) -> tuple[list[Parameter], list[Source | None]]:
        """Return the parameters, and where the gradients of all inputs and parameters are."""
        asked = [i for i, x in enumerate(inputs) if has_floats(x)]
        rest = beside(self.returned, used_up(self.returned, len(inputs), asked))
        stays = {id(array) for _, array in self.stays}
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
        held = [Parameter(name_of(where), where) for where, _ in self.stays]
        same = [a.shape for _, a in self.stays] == [np.shape(gradient) for gradient in rest]
        return apart(held) if same else []

    def notes(self, parameters: Sequence[Parameter]) -> Iterator[str]:
        """Say what is done about gradients that add up, and which arrays are not asked about."""
        adding = [p.name for p in parameters if p.gradients and self._adds(p)]
        if adding:
            said = ", ".join(adding)
            yield f"backward adds to the gradients of {said}; they were set to 0 before each call"
        left = [str(where) for where, array in self._left(parameters) if self._moves(where, array)]
        if left:
            yield (
                f"y depends on {', '.join(left)}, held by the object, for which backward leaves no "
                "gradient: not asked about"
            )

    def _left(self, parameters: Sequence[Parameter]) -> list[tuple[Place, Array]]:
        """Return the arrays that are neither parameters nor gradients, nor views of those."""
        places = [place for p in parameters for place in (p.where, *p.gradients)]
        known = [a for a in (place.get(self.obj) for place in places) if is_array(a)]
        pairs = [(w, a) for w, a in self.stays if not any(np.may_share_memory(a, k) for k in known)]
        return pairs[:MOST]

    def _moves(self, where: Place, array: Array) -> bool:
        """Tell whether y depends on an array that the object holds."""
        results = []
        held = where.get(self.obj)
        if not is_array(held) or held.shape != array.shape:
            return True  # backward has put another one in its place
        for value in (array, array * 1.01 + 0.01):
            obj = copied(self.obj, functools.partial(_pair, held, value))
            with contextlib.suppress(Exception):  # it may not run with all values
                results.append(self.how.run(obj, copy.deepcopy(self.inputs)))
        return len(results) == 2 and not _equal(*results)

    def _adds(self, parameter: Parameter) -> bool:
        """Tell whether a second backward adds to the gradient of the first one."""
        again = replace(self, obj=copied(self.obj))
        with contextlib.suppress(Exception):  # some give back what they need for it
            self.how.pull(again.obj, self.dy)
        old, new = (parameter.gradients[0].get(seen.obj) for seen in (self, again))
        if not (is_array(old) and is_array(new) and old.shape == new.shape):
            return False
        return not np.allclose(old, new, rtol=1e-6, atol=0, equal_nan=True)


def _pair(old: Array, new: Array, obj: Any) -> list[tuple[Array, Array]]:
    return [(old, new)]


def _equal(one: Any, two: Any) -> bool:
    pairs = zip(tree.leaves(_arrays(one)), tree.leaves(_arrays(two)), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for (_, a), (_, b) in pairs)


def _arrays(y: Any) -> Any:
    return np.asarray(y) if np.isscalar(y) else y
