"""A candidate that is another one, seen in another way: under other names, or with other axes."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import MEMORY, Arrays, Candidate, Cotangents, Observation


class Wrapped(Candidate):
    """A candidate that passes all that is asked of it to the one inside; see `Candidate`.

    A subclass says how its arrays become those of the one inside, and how y is seen from outside.

    Attributes
    ----------
    inner : the candidate itself
    """

    def __init__(self, inner: Candidate) -> None:
        self.inner = inner
        self.name, self.framework, self.source = inner.name, inner.framework, inner.source
        self.layout, self.dtypes, self.dtype = inner.layout, inner.dtypes, inner.dtype
        self.device, self.is_static = inner.device, inner.is_static
        self.stage, self.parameters, self.buffers = inner.stage, inner.parameters, inner.buffers

    def forward(self, params: Arrays, x: Array) -> Array:
        """Return y; see `Candidate.forward`."""
        return self._outer_y(self.inner.forward(self._inner_params(params), x), x)

    def vjp(self, params: Arrays, x: Array, dy: Array) -> Cotangents | None:
        """Return the cotangents; see `Candidate.vjp`."""
        pulled = self.inner.vjp(self._inner_params(params), x, self._inner_dy(dy))
        return None if pulled is None else (self._outer_gradients(pulled[0]), pulled[1])

    def observe(self, params: Arrays, x: Array, *, layout: str = MEMORY[0]) -> Observation:
        """Watch the candidate; see `Candidate.observe`."""
        seen = self.inner.observe(self._inner_params(params), x, layout=layout)
        after = self._outer_params(seen.params_after)
        return replace(seen, y=self._outer_y(seen.y, x), params_after=after)

    def at(self, dtype: str) -> Self:
        """Return the same candidate at another precision; see `Candidate.at`."""
        other = copy.copy(self)
        other.inner, other.dtype = self.inner.at(dtype), dtype
        return other

    @property
    def itself(self) -> Candidate:
        """The candidate inside; see `Candidate.itself`."""
        return self.inner.itself

    def own(self, params: Arrays) -> dict[str, Array]:
        """Return arrays under the names of the candidate itself; see `Candidate.own`."""
        return self.inner.own(self._inner_params(params))

    def index(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return an index of y as the candidate itself lays it; see `Candidate.index`."""
        return self.inner.index(index)

    def replay(self, params: str, x: str) -> str:
        """Return code that runs the candidate itself; see `Candidate.replay`."""
        return self.inner.replay(params, x)

    def _inner_params(self, params: Arrays) -> dict[str, Array]:
        return dict(params)

    def _outer_params(self, params: dict[str, Array]) -> dict[str, Array]:
        return params

    def _outer_gradients(self, dparams: dict[str, Array]) -> dict[str, Array]:
        return dparams

    def _outer_y(self, y: Array, x: Array) -> Array:
        return y

    def _inner_dy(self, dy: Array) -> Array:
        return dy


class FlatMap(Wrapped):
    """A channel gate that gives its map as (N, C), seen as (N, C, 1, ...)."""

    def index(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return an index of y as (N, C); see `Candidate.index`."""
        return index[:2]

    def _outer_y(self, y: Array, x: Array) -> Array:
        return y.reshape(*y.shape, *[1] * (x.ndim - 2)) if y.ndim == 2 else y

    def _inner_dy(self, dy: Array) -> Array:
        return dy.reshape(dy.shape[:2])


class WithConstants(Wrapped):
    """A candidate with constants among its buffers: nobody sets them, and they stay as they came.

    Attributes
    ----------
    constants : by name
    """

    def __init__(self, inner: Candidate, names: Collection[str]) -> None:
        super().__init__(inner)
        self.constants = {name: inner.buffers[name] for name in names}
        self.buffers = {k: v for k, v in inner.buffers.items() if k not in names}

    def state(self, params: Arrays) -> dict[str, Array]:
        """Return all parameters and buffers, and the constants; see `Candidate.state`."""
        return self.inner.state(params)


class TwoKernels(Wrapped):
    """A spatial gate with a convolution for each plane, seen as one with one of two planes.

    The sum of two convolutions of one plane each is one convolution of both, with the kernels
    stacked and the biases added. So the rules need to know one spelling alone.

    Attributes
    ----------
    kernels, biases : the names of what is joined under one name; `biases` may be empty
    """

    def __init__(self, inner: Candidate, kernels: Sequence[str], biases: Sequence[str]) -> None:
        super().__init__(inner)
        self.kernels, self.biases = kernels, biases
        self.parameters = self._outer_params(inner.parameters)

    def _inner_params(self, params: Arrays) -> dict[str, Array]:
        found = dict(params)
        if (kernel := found.pop(" & ".join(self.kernels), None)) is not None:
            found |= zip(self.kernels, np.split(kernel, 2, axis=1), strict=True)
        if (bias := found.pop(" & ".join(self.biases), None)) is not None:
            found |= dict.fromkeys(self.biases, bias / 2)
        return found

    def _outer_params(self, params: Arrays) -> dict[str, Array]:
        found = dict(params)
        kernels = [found.pop(name) for name in self.kernels]
        found[" & ".join(self.kernels)] = np.concatenate(kernels, axis=1)
        if self.biases:
            found[" & ".join(self.biases)] = np.asarray(sum(found.pop(b) for b in self.biases))
        return found

    def _outer_gradients(self, dparams: dict[str, Array]) -> dict[str, Array]:
        # Each bias has half of the sum, and so the sum has the mean of both gradients.
        return self._outer_params(dparams | {name: dparams[name] / 2 for name in self.biases})


def with_one_kernel(candidate: Candidate) -> Candidate:
    """Return a candidate with two kernels of one plane each as one with one, any other as it is."""
    arrays = candidate.parameters
    planes = {name: v for name, v in arrays.items() if v.ndim > 2 and v.shape[:2] == (1, 1)}
    kernels = [name for name, v in planes.items() if v.size > 1]  # (1, 1, *K)
    if len(kernels) != 2 or arrays[kernels[0]].shape != arrays[kernels[1]].shape:
        return candidate
    single = [name for name, v in arrays.items() if v.shape == (1,)]
    normed = any(v.size == 1 for v in candidate.buffers.values())
    return TwoKernels(candidate, kernels, single if len(single) == 2 and not normed else [])
