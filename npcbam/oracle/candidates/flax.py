"""Flax modules as candidates: linen, which is given its variables, and nnx, which holds them."""

from __future__ import annotations

from typing import Any

import jax
from flax import linen, nnx

from npcbam.oracle.candidates.adapter import (
    Options,
    built_in_its_layout,
    evaluating,
    in_its_layout,
    spelled,
)
from npcbam.oracle.candidates.candidate import Candidate
from npcbam.oracle.candidates.framework import Framework
from npcbam.oracle.candidates.jax import JaxCandidate, compiled, flattened, with_float64

LINEN = """\
tree = block.init(jax.random.key(0), x{evaluating})
y = block.apply(jax.tree_util.tree_map_with_path(given, tree), x{evaluating})"""
NNX = """\
from flax import nnx
block.eval()
graph, tree = nnx.split(block)
y = nnx.merge(graph, jax.tree_util.tree_map_with_path(given, tree))(x{evaluating})"""


def wrap(module: Any, name: str, how: Options) -> Candidate:
    """Return a module of either kind as a candidate."""
    if isinstance(module, nnx.Module):
        return in_its_layout(_nnx(module, name), how)
    return built_in_its_layout(lambda x: _linen(module, name, x), name, how)


def _linen(module: linen.Module, name: str, x: Any) -> JaxCandidate:
    still = evaluating(module.__call__)
    variables = compiled(lambda x: module.init(jax.random.key(0), x, **still))(x)
    arrays, rebuild = flattened(variables)
    learned = {key: value for key, value in arrays.items() if key.startswith("params.")}
    buffers = {key: value for key, value in arrays.items() if key not in learned}

    def apply(state: dict[str, Any], x: Any) -> Any:
        return module.apply(rebuild(state), x, **still)

    recipe = LINEN.replace("{evaluating}", spelled(still))
    return JaxCandidate(name, apply, learned, buffers, "flax", recipe)


def _nnx(module: nnx.Module, name: str) -> JaxCandidate:
    still = evaluating(module.__call__)
    with with_float64():
        graph, learned, others, rest = nnx.split(module, nnx.Param, _is_real, ...)
    parameters, rebuild = flattened(learned)
    buffers, rebuild_buffers = flattened(others)

    def call(state: dict[str, Any], x: Any) -> Any:
        fresh = nnx.merge(graph, rebuild(state), rebuild_buffers(state), rest)
        fresh.eval()
        return fresh(x, **still)

    recipe = NNX.replace("{evaluating}", spelled(still))
    return JaxCandidate(name, call, parameters, buffers, "flax", recipe)


def _is_real(path: Any, value: Any) -> bool:
    # Keys and counts of random numbers are not.
    dtype = getattr(value, "dtype", None)
    return dtype is not None and jax.numpy.issubdtype(dtype, jax.numpy.floating)


FRAMEWORK = Framework(layers=(linen.Module, nnx.Module), wrap=wrap)
