"""The arrays of floats in nested arguments and cotangents, in one order."""

import dataclasses

import numpy as np


def children(tree):
    """Return the parts of a nested value, or None for a leaf."""
    if isinstance(tree, dict):
        return list(tree.values())
    if isinstance(tree, (tuple, list)):
        return list(tree)
    if dataclasses.is_dataclass(tree):
        return [getattr(tree, field.name) for field in dataclasses.fields(tree)]
    return None


def is_float(leaf):
    """Say whether a leaf is an array or a scalar of floats, which has a gradient."""
    return isinstance(leaf, (np.ndarray, np.floating)) and leaf.dtype.kind == "f"


def floats(tree):
    """Return the arrays of floats, depth first."""
    parts = children(tree)
    if parts is None:
        return [tree] if is_float(tree) else []
    return [leaf for part in parts for leaf in floats(part)]


def rebuild(tree, change):
    """Return the tree with change(number, array) in the place of each array of floats."""
    numbers = iter(range(10_000))

    def walk(part):
        parts = children(part)
        if parts is None:
            return change(next(numbers), part) if is_float(part) else part
        new = [walk(one) for one in parts]
        if isinstance(part, dict):
            return dict(zip(part, new, strict=True))
        return type(part)(*new) if dataclasses.is_dataclass(part) else type(part)(new)

    return walk(tree)
