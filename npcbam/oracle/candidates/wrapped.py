"""A candidate that is another one, seen in another way."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Self, TypeVar

from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import MEMORY, Candidate, Observation

T = TypeVar("T")


class Wrapped(Candidate):
    """A candidate that passes all that is asked of it to the one inside; see `Candidate`.

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

    def forward(self, params: Mapping[str, Array], x: Array) -> Array:
        """Return y; see `Candidate.forward`."""
        return self.inner.forward(params, x)

    def vjp(
        self, params: Mapping[str, Array], x: Array, dy: Array
    ) -> tuple[dict[str, Array], Array] | None:
        """Return the cotangents; see `Candidate.vjp`."""
        return self.inner.vjp(params, x, dy)

    def observe(
        self, params: Mapping[str, Array], x: Array, *, layout: str = MEMORY[0]
    ) -> Observation:
        """Watch the candidate; see `Candidate.observe`."""
        return self.inner.observe(params, x, layout=layout)

    def at(self, dtype: str) -> Self:
        """Return the same candidate at another precision; see `Candidate.at`."""
        other = copy.copy(self)
        other.inner, other.dtype = self.inner.at(dtype), dtype
        return other

    @property
    def itself(self) -> Candidate:
        """The candidate inside; see `Candidate.itself`."""
        return self.inner.itself

    def own(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """Return arrays under the names of the candidate itself; see `Candidate.own`."""
        return self.inner.own(params)

    def index(self, index: tuple[T, ...]) -> tuple[T, ...]:
        """Return an index of y as the candidate itself lays it; see `Candidate.index`."""
        return self.inner.index(index)

    def replay(self, params: str, x: str) -> str:
        """Return code that runs the candidate itself; see `Candidate.replay`."""
        return self.inner.replay(params, x)


class FlatMap(Wrapped):
    """A channel gate that gives its map as (N, C), seen as (N, C, 1, ...)."""

    def forward(self, params: Mapping[str, Array], x: Array) -> Array:
        """Return y; see `Candidate.forward`."""
        return _column(self.inner.forward(params, x), x)

    def vjp(
        self, params: Mapping[str, Array], x: Array, dy: Array
    ) -> tuple[dict[str, Array], Array] | None:
        """Return the cotangents; see `Candidate.vjp`."""
        return self.inner.vjp(params, x, dy.reshape(dy.shape[:2]))

    def observe(
        self, params: Mapping[str, Array], x: Array, *, layout: str = MEMORY[0]
    ) -> Observation:
        """Watch the candidate; see `Candidate.observe`."""
        seen = self.inner.observe(params, x, layout=layout)
        y = _column(seen.y, x)
        return replace(seen, y=y, shape=y.shape)

    def index(self, index: tuple[T, ...]) -> tuple[T, ...]:
        """Return an index of y as (N, C); see `Candidate.index`."""
        return index[:2]


def _column(y: Array, x: Array) -> Array:
    return y.reshape(*y.shape, *[1] * (x.ndim - 2)) if y.ndim == 2 else y
