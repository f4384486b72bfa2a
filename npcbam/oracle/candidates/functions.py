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
from npcbam.arguments import Array
from npcbam.oracle.candidates.adapter import Adapter, arranged, split
from npcbam.oracle.candidates.candidate import BadOutput, CannotRun


class FunctionCandidate(Adapter):
    """A function f(params, x) that returns y, or (y, pullback) with pullback(dy) = (dparams, dx).

    `params` and `dparams` are dicts of arrays by name; one element under a name that ends in `mean`
    or `var` is a norm's statistic, which needs no cotangent. f is given NumPy arrays; what it gives
    back may be anything that DLPack takes over.
    """

    dtypes: tuple[str, ...] = ("float64", "float32", "float16")

    def __init__(
        self, f: Callable[[dict[str, Array], Array], Any], arrays: Mapping[str, Any], name: str
    ) -> None:
        self.name, self._f = name, f
        found = {}
        for key, value in arrays.items():
            try:
                found[key] = np.array(value, dtype=np.float64)
            except (TypeError, ValueError) as error:
                said = f"parameter {key}: expected an array, got {type(value).__name__}"
                raise CannotRun(f"{name}: {said}") from error
        self.parameters, self.buffers = split(found)

    def _give(self, value: Array) -> Array:
        return np.array(value, dtype=self.dtype)

    def _take(self, name: str, value: Any) -> Array:
        return taken(name, value)

    def _run(self, state: dict[str, Array], x: Array) -> Any:
        return self._call(state, x)[0]

    def _arrange(self, x: Array, memory: str) -> Array:
        return arranged(x, memory)

    def _pull(
        self, state: dict[str, Array], x: Array, dy: Array
    ) -> tuple[Mapping[str, Any], Any] | None:
        y, pullback = self._call(state, x)
        taken("y", y)
        if pullback is None:
            return None
        returned = pullback(dy)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise BadOutput("the pullback returns no pair (dparams, dx)")
        dparams, dx = returned
        if not isinstance(dparams, Mapping):
            raise BadOutput(f"the pullback returns no dict of cotangents: {type(dparams).__name__}")
        missing = [key for key in self.parameters if key not in dparams]
        if missing:
            raise BadOutput(f"the pullback returns no cotangent of {', '.join(missing)}")
        return dparams, dx

    def _call(self, state: dict[str, Array], x: Array) -> tuple[Any, Callable[[Array], Any] | None]:
        returned = self._f(state, x)
        if isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1]):
            return returned
        return returned, None


def is_forward(target: Any) -> TypeGuard[FunctionType]:
    """Tell a function f(params, x) from a factory: by its second argument, `x`."""
    # What `jax.jit` returns is no function, but it wraps one.
    if isinstance(target, type) or not isinstance(inspect.unwrap(target), FunctionType):
        return False
    return [*inspect.signature(inspect.unwrap(target)).parameters][1:2] == ["x"]


def from_function(f: Callable[..., Any], parameters: object, name: str) -> FunctionCandidate:
    """Return f(params, x) as a candidate; `parameters` is a dict of arrays, or a tree of them."""
    if isinstance(parameters, Mapping) and not any(map(_branch, parameters.values())):
        return FunctionCandidate(f, parameters, name)

    def of_tree(state: dict[str, Array], x: Array) -> Any:
        returned = f(_set(parameters, state), x)
        if not (isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1])):
            return returned
        return returned[0], _flat(returned[1])

    return FunctionCandidate(of_tree, dict(tree.leaves(parameters)), name)


def from_object(target: Any, name: str) -> FunctionCandidate:
    """Return a layer, or an object with a dict `parameters`, as a candidate.

    It computes by `vjp(x)`, which returns (y, pullback), or else by being called with x.
    """
    if dataclasses.is_dataclass(target) and hasattr(target, "vjp"):
        layer = from_function(lambda layer, x: layer.vjp(x), target, name)
        layer.dtypes = ("float64", "float32")
        layer.recipe = (
            "from npcbam import tree\n"
            "leaves = ({params}[name] for name, _ in tree.leaves(block))\n"
            "y = tree.replace_leaves(block, leaves).vjp({x})[0]"
        )
        return layer
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
        returned = fresh.vjp(x) if hasattr(fresh, "vjp") else fresh(x)
        state.update(fresh.parameters)
        return returned

    found = FunctionCandidate(of_object, parameters, name)
    # Its attributes keep the precision that they have.
    found.dtypes = ("float64",)
    how = ".vjp({x})[0]" if hasattr(target, "vjp") else "({x})"
    found.recipe = "block.parameters.update({params})\ny = block" + how
    return found


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


def taken(name: str, value: Any) -> Array:
    """Return an array of any library in float64, a NumPy array or one that gives DLPack."""
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        try:
            value = np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError) as error:
            raise BadOutput(f"{name}: DLPack does not hand it to NumPy: {error}") from error
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "fiu":
        raise BadOutput(f"{name}: expected an array of real numbers, got {_kind(value)}")
    return np.array(value, dtype=np.float64)


def _kind(value: object) -> str:
    dtype = f" of {value.dtype}" if isinstance(value, np.ndarray) else ""
    return type(value).__name__ + dtype
