"""Derivatives of every result along a direction, by the complex step.

A function is seen as a map from a move of its arguments, laid end to end, to its results, laid end
to end. Where it is not analytic, `differences` takes over.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam import arguments, tree
from npcbam.arguments import Array

# A power of two, so that the division is exact; so small that h² underflows to 0, because what is
# left of it in the real part of a product would decide ties that the imaginary part must decide.
STEP = 2.0**-600

# Results at the point moved by a vector; a result is NaN where there is none.
Moved = Callable[[Array], Array]


def real_leaves(name: str, argument: Any) -> list[tuple[str, Array]]:
    """Return the leaves of `argument`; raise TypeError unless all are real floating arrays."""
    found = list(tree.leaves(argument, name))
    if not found:
        raise TypeError(f"{name}: expected a NumPy array or a layer, got {type(argument).__name__}")
    for leaf_name, leaf in found:
        arguments.array(leaf_name, leaf)
        if leaf.dtype.kind == "c":
            raise TypeError(f"{leaf_name}: expected a real dtype, got {leaf.dtype}")
    return found


class Point:
    """The place where derivatives are taken: a tuple of arguments as one long vector."""

    def __init__(self, args: tuple[Any, ...], dtype: Any = np.complex128) -> None:
        """Copy the arguments into a vector of `dtype`."""
        self.args = args
        named = list(tree.leaves(args))
        self._shapes = [leaf.shape for _, leaf in named]
        flat = [leaf.astype(dtype).ravel() for _, leaf in named]
        self.vector: Array = np.concatenate(flat) if flat else np.zeros(0, dtype)
        self.size = self.vector.size

    def shifted(self, f: Callable[..., Any], by: dict[int, Any] | Array) -> list[Array]:
        """Return the leaves of y = f(point + by), in which `by` is sparse or a whole vector."""
        moved = self.vector.copy()
        if isinstance(by, dict):
            for i, step in by.items():
                moved[i] += step
        else:
            moved += by
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            y = result_of(f(*self.rebuild(moved)))
        return [leaf for _, leaf in tree.leaves(y)]

    def rebuild(self, vector: Array) -> tuple[Any, ...]:
        """Return `vector` as arguments."""
        return tree.replace_leaves(self.args, self._views(vector))

    def _views(self, vector: Array) -> Iterator[Array]:
        start = 0
        for shape in self._shapes:
            size = math.prod(shape)
            yield vector[start : start + size].reshape(shape)
            start += size


def result_of(result: Any) -> Any:
    """Return y, whether f gave y or (y, pullback), with scalars as arrays."""
    if isinstance(result, tuple) and len(result) == 2 and callable(result[1]):
        result = result[0]
    return np.asarray(result) if isinstance(result, np.generic | complex | float) else result


@dataclass(frozen=True, eq=False)
class Slopes:
    """The derivatives of all results along one direction.

    Attributes
    ----------
    left, right : (m,) one-sided derivatives; equal but at a kink
    error : (m,) how far each may be off
    jumps : (m,) whether a result jumps at the point, so that only one side has a derivative
    """

    left: Array
    right: Array
    error: Array
    jumps: Array

    @classmethod
    def smooth(cls, value: Array, error: Array) -> Slopes:
        """Return slopes of results that have no kink."""
        return cls(value, value, error, np.zeros(value.shape, bool))

    def narrow(self) -> Slopes:
        """Return the slopes in float64."""
        left = self.left.astype(np.float64)
        right = left if self.right is self.left else self.right.astype(np.float64)
        return Slopes(left, right, self.error.astype(np.float64), self.jumps)

    def times(self, factor: float) -> Slopes:
        """Return the slopes along `factor` times the direction."""
        error = abs(factor) * self.error
        return Slopes(factor * self.left, factor * self.right, error, self.jumps)

    @property
    def kinked(self) -> Array:
        """Tell of each result whether its left and right derivatives differ."""
        return np.asarray(np.abs(self.left - self.right) > 2 * self.error)

    @property
    def middle(self) -> Array:
        """The mean of both sides."""
        return np.asarray(0.5 * (self.left + self.right))


class ComplexStep:
    """Slopes by the complex step: f(x + ihv) = f(x) + ih f'(x)v + O(h²)."""

    name = "complex step"

    def __init__(self, moved: Moved) -> None:
        """Take derivatives of `moved`, which takes and gives complex128."""
        self._moved = moved

    def value(self, v: Array, side: int = 1, away: Array | float = 0.0) -> Array:
        """Return the derivative of each result along `v`, at the point or `away` from it.

        Side -1 gives the derivative from the left: where maxima and relu order complex numbers by
        the real part and then by the imaginary part, the step at a tie is one-sided.
        """
        y = self._moved(side * 1j * STEP * v + away)
        return np.asarray(side * y.imag / STEP + 0.0)  # -0 reads badly

    def along(self, v: Array, both: bool = False) -> Slopes:
        """Return the slopes along `v`, from `both` sides or from the right alone."""
        right = self.value(v)
        left = self.value(v, -1) if both else right
        # Nothing below the smallest number over the step can be seen.
        error = 16 * float(np.finfo(np.float64).eps) * np.maximum(np.abs(left), np.abs(right))
        return Slopes(left, right, error + 1e-140, np.zeros(right.shape, bool))
