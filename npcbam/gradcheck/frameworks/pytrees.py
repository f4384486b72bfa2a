"""Trees as jax knows them, laid out as a dict of NumPy arrays by path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def flat(tree: Any) -> tuple[list[str], list[Any], Any]:
    """Return the paths of the leaves as in "layers.0.weight", the leaves, and the structure."""
    pairs, structure = jax.tree_util.tree_flatten_with_path(tree)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in pairs]
    # What flax puts between a variable and its array.
    return [name.removesuffix(".value") for name in names], [leaf for _, leaf in pairs], structure


def lay(tree: Any) -> Any:
    """Return a tree as a dict of NumPy arrays by path, and what is one array as that array."""
    names, leaves, structure = flat(tree)
    values = [_to_numpy(leaf) for leaf in leaves]
    return values[0] if _is_leaf(structure) else dict(zip(names, values, strict=True))


def build(tree: Any, laid: Any) -> Any:
    """Return a tree like `tree` of what `lay` made of one, with jax arrays."""
    structure = jax.tree_util.tree_structure(tree)
    return structure.unflatten([_to_jax(leaf) for leaf in leaves_of(laid)])


def leaves_of(laid: Any) -> list[Any]:
    """Return the leaves of what `lay` gave."""
    return [*laid.values()] if isinstance(laid, dict) else [laid]


def fill(laid: Any, values: Iterator[Any], **otherwise: Any) -> Any:
    """Return what `lay` gave with other floating arrays, and `otherwise` in place of the rest."""

    def of(leaf: Any) -> Any:
        return next(values) if is_float(leaf) else otherwise.get("otherwise", leaf)

    return {key: of(leaf) for key, leaf in laid.items()} if isinstance(laid, dict) else of(laid)


def is_float(leaf: Any) -> bool:
    """Tell whether a leaf is an array of real floating numbers."""
    array = isinstance(leaf, np.ndarray | jax.Array)
    return array and bool(jnp.issubdtype(leaf.dtype, jnp.floating))


def _is_leaf(structure: Any) -> bool:
    return bool(structure == jax.tree_util.tree_structure(0))


def _to_numpy(leaf: Any) -> Any:
    key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.array(leaf) if isinstance(leaf, jax.Array) and not key else leaf


def _to_jax(leaf: Any) -> Any:
    return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf
