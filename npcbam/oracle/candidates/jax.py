"""A JAX function f(params, x) as a candidate; its parameters are any tree of arrays."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.adapter import Adapter, Options, in_its_layout, split
from npcbam.oracle.candidates.candidate import MEMORY, Arrays, BadOutput, Observation
from npcbam.oracle.candidates.framework import Framework
from npcbam.oracle.precision import DTYPES

# For a replay: put the values that are given into a tree of arrays.
GIVEN = """\
import jax
import jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
def given(path, leaf):
    name = jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value")
    return jnp.asarray({params}[name], "{dtype}") if name in {params} else leaf
x = jnp.asarray({x}, "{dtype}")
"""
RECIPE = """\
tree = ...  # the parameters of block, in any values
y = block(jax.tree_util.tree_map_with_path(given, tree), x)"""
FLAT_RECIPE = "y = block(jax.tree_util.tree_map_with_path(given, dict({params})), x)"

# A check compiles some thirty functions, each of a shape or precision of its own, and runs each but
# a few times. These take three quarters off what compiling costs, and make running slower.
QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


class JaxCandidate(Adapter):
    """A function f(state, x) of JAX arrays, `state` a dict by name; gradients by `jax.vjp`.

    `recipe` is what follows `GIVEN` in a replay.
    """

    dtypes = DTYPES

    def __init__(
        self,
        name: str,
        f: Callable[[dict[str, Any], Any], Any],
        parameters: dict[str, Array],
        buffers: dict[str, Array],
        framework: str = "jax",
        recipe: str = RECIPE,
    ) -> None:
        self.name, self._f, self.parameters, self.buffers = name, f, parameters, buffers
        self.framework, self.recipe = framework, GIVEN + recipe
        self._compiled, self._pulled = compiled(self._checked), compiled(self._pullback)

    def _scope(self) -> contextlib.AbstractContextManager[Any]:
        # Without it JAX has no float64. It is set for the call alone.
        return with_float64()

    def _give(self, value: Array) -> Any:
        return jnp.asarray(value, dtype=self.dtype)

    def _take(self, name: str, value: Any) -> Array:
        if not jnp.isrealobj(value):
            raise BadOutput(f"{name}: expected an array of real numbers, got {value.dtype}")
        return np.asarray(value).astype(np.float64)

    def observe(self, params: Arrays, x: Array, *, layout: str = MEMORY[0]) -> Observation:
        """Run forward, and trace it, for what is compiled prints no more."""
        seen = super().observe(params, x, layout=layout)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self._traced(params, x)
        return replace(seen, printed=printed.getvalue())

    def shape_of(self, x: Array) -> tuple[int, ...]:
        """Return the shape of y without compiling anything."""
        y = self._traced({}, x)
        return self._lay_back(np.empty(y.shape)).shape

    def _traced(self, params: Arrays, x: Array) -> Any:
        with self._scope():
            args = self._give_all(params), self._laid(x)
            # A new function each time, for JAX remembers what it has traced.
            return jax.eval_shape(lambda *args: self._checked(*args), *args)

    def _run(self, state: dict[str, Any], x: Any) -> Any:
        return self._compiled(state, x)

    def _pull(self, state: dict[str, Any], x: Any, dy: Any) -> tuple[Mapping[str, Any], Any]:
        dparams, dx = self._pulled(state, x, dy)
        return dparams, dx

    def _pullback(self, state: dict[str, Any], x: Any, dy: Any) -> Any:
        buffers = {name: state[name] for name in self.buffers}
        learned = {name: state[name] for name in self.parameters}
        y, pullback = jax.vjp(lambda params, x: self._checked(params | buffers, x), learned, x)
        return pullback(dy.astype(y.dtype))

    def _checked(self, state: dict[str, Any], x: Any) -> Any:
        y = self._f(state, x)
        if not isinstance(y, jax.Array):
            raise BadOutput(f"y: expected an array of real numbers, got {type(y).__name__}")
        return y


def of_function(f: Callable[[Any, Any], Any], params: Any, name: str, how: Options) -> JaxCandidate:
    """Return f(params, x) as a candidate, in its layout; `params` is any tree of arrays."""
    arrays, rebuild = flattened(params)
    flat = isinstance(params, dict) and arrays.keys() == params.keys()
    recipe = FLAT_RECIPE if flat else RECIPE

    def of_leaves(state: dict[str, Any], x: Any) -> Any:
        return f(rebuild(state), x)

    return in_its_layout(JaxCandidate(name, of_leaves, *split(arrays), recipe=recipe), how)


def compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    """Compile all operations of f together, and each new shape quickly."""
    quick: Callable[..., Any] = jax.jit(f, compiler_options=_quick())
    return quick


@functools.cache
def _quick() -> dict[str, Any]:
    """Return what this release of XLA knows of `QUICK`."""
    known = {}
    for name, value in QUICK.items():
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            jax.jit(lambda x: x, compiler_options={name: value})(0)
            known[name] = value
    return known


def flattened(trees: Any) -> tuple[dict[str, Array], Callable[[Mapping[str, Any]], Any]]:
    """Return the leaves of a tree by their paths, and what makes a tree of other leaves."""
    pairs, structure = jax.tree_util.tree_flatten_with_path(trees)
    # Behind a variable of flax stands its array, `.value`.
    keys = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in pairs]
    names = [key.removesuffix(".value") for key in keys]
    with with_float64():
        leaves = [np.asarray(leaf).astype(np.float64) for _, leaf in pairs]

    def rebuild(state: Mapping[str, Any]) -> Any:
        return jax.tree_util.tree_unflatten(structure, [state[name] for name in names])

    return dict(zip(names, leaves, strict=True)), rebuild


def with_float64() -> contextlib.AbstractContextManager[Any]:
    """Return what makes JAX keep float64 for a while."""
    # Since 0.8 it is no experiment.
    home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
    scope: contextlib.AbstractContextManager[Any] = home.enable_x64(True)
    return scope


# Its functions take NumPy arrays too, but forget their precision and give no gradient.
FRAMEWORK = Framework(arrays=(jax.Array,), of_function=of_function, in_code="jax")
