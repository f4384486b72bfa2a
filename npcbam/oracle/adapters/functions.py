"""NumPy candidates: a function f(params, x), a layer with `vjp`, an object with `parameters`."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, TypeGuard

import numpy as np

from npcbam import tree
from npcbam.checks import Array
from npcbam.oracle.candidate import BadOutput, Candidate, CannotRun

# NumPy code keeps a norm's statistics among its arrays: they are told by their names.
STATISTICS = ("mean", "var")


class FunctionCandidate(Candidate):
    """A function f(params, x) that returns y, or (y, pullback) with pullback(dy) = (dparams, dx).

    `params` and `dparams` are dicts of arrays by name; one element under a name that ends in `mean`
    or `var` is a norm's statistic, which needs no cotangent.
    """

    def __init__(
        self, f: Callable[[dict[str, Array], Array], Any], arrays: Mapping[str, Any], name: str
    ) -> None:
        self.name = name
        self._f = f
        self.parameters, self.buffers = {}, {}
        for key, value in arrays.items():
            try:
                found = np.array(value, dtype=np.float64)
            except (TypeError, ValueError) as error:
                said = f"parameter {key}: expected an array, got {type(value).__name__}"
                raise CannotRun(f"{name}: {said}") from error
            statistic = key.endswith(STATISTICS) and found.size == 1
            (self.buffers if statistic else self.parameters)[key] = found

    def forward(self, params: Mapping[str, Array], x: Array) -> Array:
        """Return y; see `Candidate.forward`."""
        return self._call(params, x)[0]

    def vjp(
        self, params: Mapping[str, Array], x: Array, dy: Array
    ) -> tuple[dict[str, Array], Array] | None:
        """Return the cotangents, or None if f returns no pullback; see `Candidate.vjp`."""
        pullback = self._call(params, x)[1]
        if pullback is None:
            return None
        returned = pullback(dy.copy())
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise BadOutput("the pullback returns no pair (dparams, dx)")
        dparams, dx = returned
        if not isinstance(dparams, Mapping):
            raise BadOutput(f"the pullback returns no dict of cotangents: {type(dparams).__name__}")
        missing = [key for key in self.parameters if key not in dparams]
        if missing:
            raise BadOutput(f"the pullback returns no cotangent of {', '.join(missing)}")
        return {key: _array(f"d {key}", dparams[key]) for key in self.parameters}, _array("dx", dx)

    def _call(
        self, params: Mapping[str, Array], x: Array
    ) -> tuple[Array, Callable[[Array], Any] | None]:
        state = {key: value.copy() for key, value in self.state(params).items()}
        returned = self._f(state, x.copy())
        if isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1]):
            return _array("y", returned[0]), returned[1]
        return _array("y", returned), None


def is_forward(target: object) -> TypeGuard[FunctionType]:
    """Tell a function f(params, x) from a factory: by its second argument, `x`."""
    if not isinstance(target, FunctionType):
        return False
    return [*inspect.signature(target).parameters][1:2] == ["x"]


def from_function(f: Callable[..., Any], parameters: object, name: str) -> Candidate:
    """Return f(params, x) as a candidate; `parameters` is a dict of arrays, or a tree of them."""
    if isinstance(parameters, Mapping) and not any(map(_branch, parameters.values())):
        return FunctionCandidate(f, parameters, name)

    def of_tree(state: dict[str, Array], x: Array) -> Any:
        returned = f(_set(parameters, state), x)
        if not (isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1])):
            return returned
        return returned[0], _flat(returned[1])

    return FunctionCandidate(of_tree, dict(tree.leaves(parameters)), name)


def from_object(target: Any, name: str) -> Candidate:
    """Return a layer, or an object with a dict `parameters`, as a candidate.

    It computes by `vjp(x)`, which returns (y, pullback), or else by being called with x.
    """
    if dataclasses.is_dataclass(target) and hasattr(target, "vjp"):
        return from_function(lambda layer, x: layer.vjp(x), target, name)
    parameters = getattr(target, "parameters", None)
    if not isinstance(parameters, dict) or not (hasattr(target, "vjp") or callable(target)):
        raise CannotRun(
            f"{name}: expected a torch module, a layer with vjp(x), an object with a dict "
            f"`parameters`, or a function f(params, x), got {_kind(target)}"
        )

    def of_object(state: dict[str, Array], x: Array) -> Any:
        fresh = copy.deepcopy(target)
        for key, value in state.items():
            # Its methods may read attributes that share memory with the dict: set both.
            held = fresh.parameters[key]
            if isinstance(held, np.ndarray) and held.dtype == np.float64:
                held[...] = value
            else:
                fresh.parameters[key] = value
        return fresh.vjp(x) if hasattr(fresh, "vjp") else fresh(x)

    return FunctionCandidate(of_object, parameters, name)


def _branch(value: object) -> bool:
    return isinstance(value, dict | list | tuple) or dataclasses.is_dataclass(value)


def _set(trees: Any, state: Mapping[str, Array]) -> Any:
    return tree.replace_leaves(trees, iter([state[key] for key, _ in tree.leaves(trees)]))


def _flat(pullback: Callable[[Array], Any]) -> Callable[[Array], Any]:
    def flat_pullback(dy: Array) -> Any:
        returned = pullback(dy)
        if not isinstance(returned, tuple) or len(returned) != 2:
            return returned
        return dict(tree.leaves(returned[0])), returned[1]

    return flat_pullback


def _array(name: str, value: object) -> Array:
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "fiu":
        raise BadOutput(f"{name}: expected an array of real numbers, got {_kind(value)}")
    return np.array(value, dtype=np.float64)


def _kind(value: object) -> str:
    dtype = f" of {value.dtype}" if isinstance(value, np.ndarray) else ""
    return type(value).__name__ + dtype
