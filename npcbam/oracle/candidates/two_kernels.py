"""A spatial gate with a convolution for each plane, as a candidate with one kernel of two planes.

The sum of two convolutions of one plane each is one convolution of both, with the kernels stacked
and the biases added. So the rules need to know one spelling alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import MEMORY, Candidate, Observation
from npcbam.oracle.candidates.wrapped import Wrapped


class TwoKernels(Wrapped):
    """A candidate whose two kernels, and biases if it has two, go by one name each.

    Attributes
    ----------
    inner : the candidate itself
    kernels, biases : the names of what is joined; `biases` may be empty
    """

    def __init__(self, inner: Candidate, kernels: list[str], biases: list[str]) -> None:
        super().__init__(inner)
        self.kernels, self.biases = kernels, biases
        self.parameters = self._join(inner.parameters, biases_sum=True)

    def forward(self, params: Mapping[str, Array], x: Array) -> Array:
        """Return y; see `Candidate.forward`."""
        return self.inner.forward(self.own(params), x)

    def vjp(
        self, params: Mapping[str, Array], x: Array, dy: Array
    ) -> tuple[dict[str, Array], Array] | None:
        """Return the cotangents; see `Candidate.vjp`."""
        pulled = self.inner.vjp(self.own(params), x, dy)
        # Each bias has half of the sum, and so the sum has the mean of both gradients.
        return None if pulled is None else (self._join(pulled[0], biases_sum=False), pulled[1])

    def observe(
        self, params: Mapping[str, Array], x: Array, *, layout: str = MEMORY[0]
    ) -> Observation:
        """Watch the candidate; see `Candidate.observe`."""
        seen = self.inner.observe(self.own(params), x, layout=layout)
        return replace(seen, params_after=self._join(seen.params_after, biases_sum=True))

    def own(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """Return arrays under the candidate's own names."""
        found = dict(params)
        if (kernel := found.pop(_both(self.kernels), None)) is not None:
            found |= zip(self.kernels, np.split(kernel, 2, axis=1), strict=True)
        if (bias := found.pop(_both(self.biases), None)) is not None:
            found |= dict.fromkeys(self.biases, bias / 2)
        return found

    def _join(self, arrays: Mapping[str, Array], *, biases_sum: bool) -> dict[str, Array]:
        found = dict(arrays)
        found[_both(self.kernels)] = np.concatenate([found.pop(k) for k in self.kernels], axis=1)
        if self.biases:
            total = sum(found.pop(name) for name in self.biases)
            found[_both(self.biases)] = np.asarray(total if biases_sum else total / 2)
        return found


def _both(names: list[str]) -> str:
    return " & ".join(names)


def with_one_kernel(candidate: Candidate) -> Candidate:
    """Return a candidate with two kernels of one plane each as one with one, any other as it is."""
    arrays = candidate.parameters
    kernels = [name for name, v in arrays.items() if _is_plane(v.shape)]
    shapes = {arrays[name].shape for name in kernels}
    if len(kernels) != 2 or len(shapes) != 1:
        return candidate
    single = [name for name, v in arrays.items() if v.shape == (1,)]
    normed = any(v.size == 1 for v in candidate.buffers.values())
    return TwoKernels(candidate, kernels, single if len(single) == 2 and not normed else [])


def _is_plane(shape: tuple[int, ...]) -> bool:
    """Tell whether it is the shape of a kernel (1, 1, *K) of more than one tap."""
    return len(shape) > 2 and shape[:2] == (1, 1) and math.prod(shape) > 1
