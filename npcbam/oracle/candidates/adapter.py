"""What all adapters share: rounding to a precision, the order of axes, and watching a call."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import io
import itertools
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.candidates.candidate import (
    LAYOUTS,
    MEMORY,
    Arrays,
    Candidate,
    CannotRun,
    Cotangents,
    Observation,
    sentence,
)
from npcbam.oracle.precision import rounded

T = TypeVar("T")
SomeAdapter = TypeVar("SomeAdapter", bound="Adapter")

# Of the maps on which the layout is found out.
SPACES = ((7, 5), (7,), (7, 5, 4))
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
    """How a target is built and run; see `adapt`. `again` builds another one, where that can be."""

    channels: int
    settings: Mapping[str, object]
    parameters: Any = None
    device: str = "cpu"
    again: Callable[[], Any] | None = None


class Adapter(Candidate):
    """A candidate whose framework has arrays of its own.

    A subclass says how an array is given and taken, and how the block is run and pulled back on
    arrays of the framework.
    """

    def forward(self, params: Arrays, x: Array) -> Array:
        """Return y; see `Candidate.forward`."""
        with self._scope():
            return self._back("y", self._run(self._give_all(params), self._laid(x)))

    def vjp(self, params: Arrays, x: Array, dy: Array) -> Cotangents | None:
        """Return the cotangents, or None if there is no backward; see `Candidate.vjp`."""
        with self._scope():
            pulled = self._pull(self._give_all(params), self._laid(x), self._laid(dy))
            if pulled is None:
                return None
            dparams, dx = pulled
            found = {name: self._take(f"d {name}", dparams[name]) for name in self.parameters}
            return found, self._back("dx", dx)

    def observe(self, params: Arrays, x: Array, *, layout: str = MEMORY[0]) -> Observation:
        """Run forward with nothing protected from it; see `Candidate.observe`."""
        with self._scope(), contextlib.redirect_stdout(_Heard()) as printed:
            state = self._give_all(params)
            given = self._arrange(self._laid(x), layout)
            raw = self._run(state, given)
            y = self._back("y", raw)
            after = {name: self._take(name, value) for name, value in state.items()}
            x_after = self._back("x", given)
        # Not all that speaks DLPack says its dtype.
        dtype = str(getattr(raw, "dtype", self.dtype))
        return Observation(y, dtype, x_after, after, printed.getvalue())

    def in_layout(self, layout: str) -> Self:
        """Return the same block, given its input as "NCHW" or "NHWC"."""
        other = copy.copy(self)
        other.layout = layout
        return other

    def shape_of(self, x: Array) -> tuple[int, ...]:
        """Return the shape of y; a framework may know a quicker way than to compute y."""
        return self.forward({}, x).shape

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

    def _laid(self, x: Array) -> Any:
        x = rounded(x, self.dtype)
        return self._give(np.moveaxis(x, 1, -1) if self.layout == "NHWC" and x.ndim > 2 else x)

    def _back(self, name: str, y: Any) -> Array:
        return self._lay_back(self._take(name, y))

    def _lay_back(self, y: Array) -> Array:
        return np.moveaxis(y, -1, 1) if self.layout == "NHWC" and y.ndim > 2 else y

    def _give_all(self, params: Arrays) -> dict[str, Any]:
        state = self.state(params)
        return {name: self._give(rounded(value, self.dtype)) for name, value in state.items()}


class _Heard(io.StringIO):
    """What is printed, whoever closes it meanwhile."""

    def close(self) -> None:
        """Stay open."""


def split(arrays: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
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


def evaluating(call: Callable[..., Any]) -> dict[str, bool]:
    """Return the arguments by which `call` is told not to train, where it has any."""
    known = inspect.signature(call).parameters
    return {name: value for name, value in EVALUATION.items() if name in known}


def spelled(arguments: Mapping[str, object]) -> str:
    """Return arguments as they stand in a call behind another one, as in ", train=False"."""
    return "".join(f", {name}={value!r}" for name, value in arguments.items())


def in_its_layout(candidate: SomeAdapter, how: Options) -> SomeAdapter:
    """Return the candidate in the layout that it runs in."""
    return first_that_fits([candidate.in_layout(layout) for layout in LAYOUTS], how.channels)


def first_that_fits(tries: Sequence[SomeAdapter], channels: int) -> SomeAdapter:
    """Return the first of `tries`, conventions of one block, that runs as they say; else the first.

    Each is run on small maps of `channels`, or of as many as its parameters have.
    """
    found = {size for value in tries[0].parameters.values() for size in value.shape if size > 1}
    known = channels in found or not found
    sizes = [channels] if known else sorted(found, reverse=True)[:4]
    for space, size, candidate in itertools.product(SPACES, sizes, tries):
        if _fits(candidate, (2, size, *space)):
            return candidate
    return tries[0]


def built_in_its_layout(
    build: Callable[[Array], SomeAdapter],
    name: str,
    how: Options,
    layouts: Sequence[str] = LAYOUTS[::-1],
) -> SomeAdapter:
    """Return `build(x)`, for layers that take their channels from the first x that they see."""
    tries, errors = [], []
    for space, layout in itertools.product(SPACES, layouts):
        # Other sizes than the maps that it is then run on: what should be channels would change.
        shape = [size + 1 for size in space]
        shape.insert(0 if layout == "NCHW" else len(shape), how.channels)
        x = np.zeros((1, *shape), np.float32)
        candidate = _unheard(functools.partial(build, x))
        if isinstance(candidate, BaseException):
            errors.append(candidate)
            continue
        tries.append(candidate.in_layout(layout))
        if _fits(tries[-1], (2, how.channels, *space)):
            return tries[-1]
    if not tries:
        said = sentence(errors[0])
        raise CannotRun(f"{name} cannot be built on {how.channels} channels: {said}")
    return tries[0]


def _fits(candidate: Adapter, shape: tuple[int, ...]) -> bool:
    """Tell whether it runs on this shape, and gives back features or a map."""
    ones = (1,) * (len(shape) - 2)
    maps = [shape, shape[:2], (*shape[:2], *ones), (shape[0], 1, *shape[2:])]
    x = np.random.default_rng(0).standard_normal(shape)
    return _unheard(lambda: candidate.shape_of(x)) in maps


def _unheard(f: Callable[[], T]) -> T | BaseException:
    with contextlib.redirect_stdout(io.StringIO()):
        return attempt(f)
