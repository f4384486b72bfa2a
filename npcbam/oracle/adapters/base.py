"""What all adapters share: rounding to a precision, the order of axes, and watching a call."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np

from npcbam.checks import Array
from npcbam.oracle.candidate import LAYOUTS, MEMORY, Candidate, Observation, rounded

SomeAdapter = TypeVar("SomeAdapter", bound="Adapter")

STATISTICS = ("mean", "var")
# What the call of a layer names the question whether it trains, and the answer for evaluation.
EVALUATION = {
    "train": False,
    "training": False,
    "is_training": False,
    "deterministic": True,
    "use_running_average": True,
    "inference": True,
}


@dataclass(frozen=True)
class Options:
    """How a target is built and run; see `adapt`."""

    channels: int
    settings: Mapping[str, object]
    parameters: Any = None
    layout: str | None = None
    device: str = "cpu"


class Adapter(Candidate):
    """A candidate whose framework has arrays of its own.

    A subclass says how an array is given and taken, and how the block is run and pulled back on
    arrays of the framework.
    """

    def forward(self, params: Mapping[str, Array], x: Array) -> Array:
        """Return y; see `Candidate.forward`."""
        with self._scope():
            return self._back("y", self._run(self._give_all(params), self._give(self._lay(x))))

    def vjp(
        self, params: Mapping[str, Array], x: Array, dy: Array
    ) -> tuple[dict[str, Array], Array] | None:
        """Return the cotangents, or None if there is no backward; see `Candidate.vjp`."""
        with self._scope():
            state, given = self._give_all(params), self._give(self._lay(x))
            pulled = self._pull(state, given, self._give(self._lay(dy)))
            if pulled is None:
                return None
            dparams, dx = pulled
            found = {name: self._take(f"d {name}", dparams[name]) for name in self.parameters}
            return found, self._back("dx", dx)

    def observe(
        self, params: Mapping[str, Array], x: Array, *, layout: str = MEMORY[0]
    ) -> Observation:
        """Run forward with nothing protected from it; see `Candidate.observe`."""
        with self._scope(), contextlib.redirect_stdout(io.StringIO()) as printed:
            state = self._give_all(params)
            given = self._arrange(self._give(self._lay(x)), layout)
            raw = self._run(state, given)
            y = self._back("y", raw)
            after = {name: self._take(name, value) for name, value in state.items()}
            x_after = self._back("x", given)
        # Not all that speaks DLPack says its dtype.
        dtype = str(getattr(raw, "dtype", self.dtype))
        return Observation(y, y.shape, dtype, x_after, after, printed.getvalue())

    def in_layout(self, layout: str) -> Self:
        """Return the same block, given its input as "NCHW" or "NHWC"."""
        other = copy.copy(self)
        other.layout = layout
        return other

    @abstractmethod
    def _give(self, value: Array) -> Any:
        """Return a new array of the framework, of `dtype`; `value` is rounded to it already."""

    @abstractmethod
    def _take(self, name: str, value: Any) -> Array:
        """Return an array of the framework in float64, or raise BadOutput."""

    @abstractmethod
    def _run(self, state: dict[str, Any], x: Any) -> Any:
        """Return y, from and to arrays of the framework."""

    def _pull(self, state: dict[str, Any], x: Any, dy: Any) -> tuple[Mapping[str, Any], Any] | None:
        """Return the cotangents of the parameters and of x, if the framework can."""
        return None

    def _scope(self) -> contextlib.AbstractContextManager[Any]:
        """Return what has to be in force around a call."""
        return contextlib.nullcontext()

    def _arrange(self, x: Any, memory: str) -> Any:
        """Return x laid otherwise in memory, where the framework's arrays have that."""
        return x

    def _lay(self, x: Array) -> Array:
        x = rounded(x, self.dtype)
        return np.moveaxis(x, 1, -1) if self.layout == "NHWC" and x.ndim > 2 else x

    def _back(self, name: str, y: Any) -> Array:
        taken = self._take(name, y)
        return np.moveaxis(taken, -1, 1) if self.layout == "NHWC" and taken.ndim > 2 else taken

    def _give_all(self, params: Mapping[str, Array]) -> dict[str, Any]:
        state = self.state(params)
        return {name: self._give(rounded(value, self.dtype)) for name, value in state.items()}


def split(arrays: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return parameters and buffers, where nothing but its name tells a norm's statistic."""
    statistics = {k: v for k, v in arrays.items() if k.endswith(STATISTICS) and v.size == 1}
    return {k: v for k, v in arrays.items() if k not in statistics}, statistics


def arranged(x: Array, memory: str) -> Array:
    """Return a copy of x that lies in memory as `memory` says."""
    if memory == "channels_last" and x.ndim > 2:
        return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    if memory == "strided" and x.ndim:
        view: Array = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)[..., ::2]
        view[...] = x
        return view
    return x.copy()


def in_its_layout(candidate: SomeAdapter, how: Options) -> SomeAdapter:
    """Return the candidate in the layout that it is said to have, or that it runs in."""
    layouts = LAYOUTS if how.layout is None else (how.layout,)
    return first_that_fits([candidate.in_layout(layout) for layout in layouts], how.channels)


def first_that_fits(tries: Sequence[SomeAdapter], channels: int) -> SomeAdapter:
    """Return the first of `tries`, conventions of one block, that runs as they say; else the first.

    Each is run on small maps of `channels`, or of as many as its parameters have, until one gives
    a result of the shape of a map or of features.
    """
    if len(tries) == 1:
        return tries[0]
    for space in ((7, 5), (7,), (7, 5, 4)):
        for size in _sizes(tries[0], channels):
            for candidate in tries:
                if _fits(candidate, (2, size, *space)):
                    return candidate
    return tries[0]


def _sizes(candidate: Candidate, channels: int) -> list[int]:
    found = {size for value in candidate.parameters.values() for size in value.shape if size > 1}
    # A layer that is built anew for every convention has as many channels as it is asked for.
    return [channels] if channels in found or not found else sorted(found, reverse=True)[:4]


def _fits(candidate: Candidate, shape: tuple[int, ...]) -> bool:
    ones = (1,) * (len(shape) - 2)
    maps = [shape, shape[:2], (*shape[:2], *ones), (shape[0], 1, *shape[2:])]
    x = np.random.default_rng(0).standard_normal(shape)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return candidate.forward({}, x).shape in maps
        except (Exception, SystemExit):
            return False
