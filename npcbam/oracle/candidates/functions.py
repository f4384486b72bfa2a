"""NumPy candidates: a function f(params, x), a layer with `vjp`, an object with `parameters`."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any, TypeGuard

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.oracle.candidates.adapter import Adapter, Options, arranged, in_its_layout, split
from npcbam.oracle.candidates.candidate import BadOutput, Candidate, CannotRun

LAYER_RECIPE = """\
from npcbam import tree
leaves = ({params}[name] for name, _ in tree.leaves(block))
y = tree.replace_leaves(block, leaves).vjp({x})[0]"""


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
        if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
            try:
                value = np.from_dlpack(value)
            except (BufferError, RuntimeError, TypeError) as error:
                raise BadOutput(f"{name}: DLPack does not hand it to NumPy: {error}") from error
        if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "fiu":
            raise BadOutput(f"{name}: expected an array of real numbers, got {_kind(value)}")
        return np.array(value, dtype=np.float64)

    def _run(self, state: dict[str, Array], x: Array) -> Any:
        return _parted(self._f(state, x))[0]

    def _arrange(self, x: Array, memory: str) -> Array:
        return arranged(x, memory)

    def _pull(
        self, state: dict[str, Array], x: Array, dy: Array
    ) -> tuple[Mapping[str, Any], Any] | None:
        y, pullback = _parted(self._f(state, x))
        self._take("y", y)
        if pullback is None:
            return None
        dparams, dx = _pair(pullback(dy))
        if not isinstance(dparams, Mapping):
            raise BadOutput(f"the pullback returns no dict of cotangents: {type(dparams).__name__}")
        missing = [key for key in self.parameters if key not in dparams]
        if missing:
            raise BadOutput(f"the pullback returns no cotangent of {', '.join(missing)}")
        return dparams, dx


def _parted(returned: Any) -> tuple[Any, Callable[[Array], Any] | None]:
    """Return y and the pullback, if there is one."""
    if isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1]):
        return returned
    return returned, None


def _pair(returned: Any) -> tuple[Any, Any]:
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise BadOutput("the pullback returns no pair (dparams, dx)")
    return returned


def is_forward(target: Any) -> TypeGuard[FunctionType]:
    """Tell a function f(params, x) from a factory: by its second argument, `x`."""
    # What `jax.jit` returns is no function, but it wraps one.
    if isinstance(target, type) or not isinstance(inspect.unwrap(target), FunctionType):
        return False
    return [*inspect.signature(inspect.unwrap(target)).parameters][1:2] == ["x"]


def of_function(f: Callable[..., Any], parameters: Any, name: str, how: Options) -> Candidate:
    """Return f(params, x) as a candidate; `parameters` is a dict of arrays, or a tree of them."""
    return in_its_layout(_of_function(f, parameters, name), how)


def wrap(target: Any, name: str, how: Options) -> Candidate:
    """Return a layer, or an object with a dict `parameters`, as a candidate.

    It computes by `vjp(x)`, which returns (y, pullback), or else by being called with x.
    """
    if dataclasses.is_dataclass(target) and hasattr(target, "vjp"):
        return in_its_layout(_of_layer(target, name), how)
    return in_its_layout(_of_object(target, name), how)


def _of_function(f: Callable[..., Any], parameters: Any, name: str) -> FunctionCandidate:
    for key, value in _lists(parameters):
        raise TypeError(f"{name}: parameter {key}: expected an array, got {_listed(value)}")
    if isinstance(parameters, Mapping) and not any(map(_branch, parameters.values())):
        return FunctionCandidate(f, parameters, name)
    arrays = dict(tree.leaves(parameters))

    def of_tree(state: dict[str, Array], x: Array) -> Any:
        filled = tree.replace_leaves(parameters, (state[name] for name in arrays))
        y, pullback = _parted(f(filled, x))
        if pullback is None:
            return y

        def flat_pullback(dy: Array) -> tuple[dict[str, Array], Any]:
            dtree, dx = _pair(pullback(dy))
            return dict(tree.leaves(dtree)), dx

        return y, flat_pullback

    return FunctionCandidate(of_tree, arrays, name)


def _of_layer(layer: Any, name: str) -> FunctionCandidate:
    found = _of_function(lambda layer, x: layer.vjp(x), layer, name)
    found.dtypes, found.recipe = ("float64", "float32"), LAYER_RECIPE
    return found


def _of_object(target: Any, name: str) -> FunctionCandidate:
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


def _lists(parameters: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield the lists of numbers that stand where arrays are due, by their names.

    A few whole numbers may be sizes, which are no parameters.
    """
    if isinstance(parameters, list | tuple) and parameters:
        try:
            whole = np.array(parameters)
        except ValueError:  # of several lengths: no array
            whole = np.empty(0, object)
        bare = not any(isinstance(each, np.ndarray) for each in parameters)
        if bare and (whole.dtype.kind == "f" or (whole.dtype.kind in "iu" and whole.ndim > 1)):
            yield name, parameters
            return
    if isinstance(parameters, Mapping):
        inside = list(parameters.items())
    else:
        inside = list(enumerate(parameters)) if isinstance(parameters, list | tuple) else []
    for key, value in inside:
        yield from _lists(value, f"{name}.{key}" if name else str(key))


def _listed(value: Any) -> str:
    return f"{_kind(value)} of numbers with the shape {np.shape(value)}"


def _kind(value: object) -> str:
    dtype = f" of {value.dtype}" if isinstance(value, np.ndarray) else ""
    return type(value).__name__ + dtype
