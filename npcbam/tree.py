"""A layer is a tree of arrays.

Branches are dataclasses, dicts, tuples and lists; leaves are NumPy arrays; all else (a kernel's
tie rule, a flag, None) is structure, and two trees fit each other when their structure is equal.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from npcbam.arguments import Array

T = TypeVar("T")


def leaves(tree: object, name: str = "") -> Iterator[tuple[str, Array]]:
    """Yield `(path, array)` pairs, paths as in "channel.mlp.w0", in the order of the fields.

    >>> dict(leaves({"a": np.zeros(2), "b": (np.ones(1), None)})).keys()
    dict_keys(['a', 'b.0'])
    """
    if isinstance(tree, np.ndarray):
        yield name, tree
    else:
        for key, child in _children(tree):
            yield from leaves(child, f"{name}.{key}" if name else key)


def map(f: Callable[..., Array], tree: T, *others: T) -> T:  # noqa: A001
    """Apply `f` leaf by leaf to trees of one structure; the result has it too.

    Raises
    ------
    ValueError
        The trees differ in structure; the message names the first place.
    """
    mapped: T = _map(f, "", tree, *others)
    return mapped


def add(a: T, b: T) -> T:
    """Sum two cotangents of the same layer, leaf by leaf."""
    return map(np.add, a, b)


def zeros_like(tree: T) -> T:
    """Return the zero cotangent of a layer."""
    return map(np.zeros_like, tree)


def replace_leaves(tree: T, arrays: Iterator[Array]) -> T:
    """Return `tree` with its leaves, in the order of `leaves`, taken from `arrays`."""
    return map(lambda _: next(arrays), tree)


def _children(tree: object) -> list[tuple[str, Any]]:
    kind: Any = type(tree)  # which mypy does not take for hashable otherwise
    if names := _fields(kind):
        return [(name, getattr(tree, name)) for name in names]
    if isinstance(tree, dict):
        return [(str(key), child) for key, child in tree.items()]
    if isinstance(tree, tuple | list):
        return [(str(i), child) for i, child in enumerate(tree)]
    return []


@functools.cache
def _fields(kind: type) -> tuple[str, ...]:
    if not dataclasses.is_dataclass(kind):
        return ()
    return tuple(field.name for field in dataclasses.fields(kind))


def _spell(tree: object) -> str:
    keys = [key for key, _ in _children(tree)]
    return f"the keys {', '.join(keys)}" if isinstance(tree, dict) else f"{len(keys)} items"


def _map(f: Callable[..., Array], name: str, tree: Any, *others: Any) -> Any:
    if any(type(other) is not type(tree) for other in others):
        kinds = " and ".join(sorted({type(t).__qualname__ for t in (tree, *others)}))
        raise ValueError(f"{name or 'tree'}: expected the same structure, got {kinds}")
    if isinstance(tree, np.ndarray):
        return np.asarray(f(tree, *others))  # arrays without axes come back as scalars
    children = _children(tree)
    branches = [dict(_children(other)) for other in others]
    keys = [key for key, _ in children]
    if any(set(branch) != set(keys) for branch in branches):
        got = " and ".join(_spell(t) for t in (tree, *others))
        raise ValueError(f"{name or 'tree'}: expected the same structure, got {got}")
    if not children:
        if any(other != tree for other in others):
            got = " and ".join(repr(leaf) for leaf in (tree, *others))
            raise ValueError(f"{name or 'tree'}: expected the same structure, got {got}")
        return tree
    mapped = {
        key: _map(f, f"{name}.{key}" if name else key, child, *(branch[key] for branch in branches))
        for key, child in children
    }
    if isinstance(tree, dict):
        return {key: mapped[str(key)] for key in tree}
    if isinstance(tree, tuple | list):
        # A namedtuple takes its fields apart.
        return getattr(tree, "_make", type(tree))(mapped.values())
    return dataclasses.replace(tree, **mapped)
