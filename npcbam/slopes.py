"""Derivatives along a direction, each with an estimate of its own error.

`ComplexStep` takes them to machine precision where the function is analytic, `Ridders` by finite
differences where it is not.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam import checks, tree
from npcbam.checks import Array

# A power of two, so that the division is exact; so small that h² underflows to 0, because what is
# left of it in the real part of a product would decide ties that the imaginary part must decide.
STEP = 2.0**-600


def real_leaves(name: str, argument: Any) -> list[tuple[str, Array]]:
    """Return the leaves of `argument`; raise TypeError unless all are real floating arrays."""
    found = list(tree.leaves(argument, name))
    if not found:
        raise TypeError(f"{name}: expected a NumPy array or a layer, got {type(argument).__name__}")
    for leaf_name, leaf in found:
        checks.array(leaf_name, leaf)
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


@dataclass(frozen=True)
class Slope:
    """A derivative ⟨dy, J v⟩: its value, its own estimate of its error, and Σ |dy (J v)|."""

    value: float
    error: float
    scale: float

    def apart(self, other: Slope) -> bool:
        """Tell whether two derivatives differ by more than their errors."""
        return abs(self.value - other.value) > self.error + other.error

    def times(self, factor: float) -> Slope:
        """Return the derivative along `factor` times v."""
        size = abs(factor)
        return Slope(self.value * factor, self.error * size, self.scale * size)


Direction = dict[int, float] | Array


class ComplexStep:
    """Slopes by the complex step; `side` -1 gives the derivative from the left."""

    name = "complex step"
    exact = True

    def __init__(self, f: Callable[..., Any], point: Point, dy: list[Array]) -> None:
        """Take derivatives of ⟨dy, f⟩ at `point`, a vector of complex128."""
        self._f, self.point = f, point
        self._dy = [leaf.astype(np.float64) for leaf in dy]

    def reach(self, v: Array) -> list[Array]:
        """Tell which results move along `v`."""
        return [leaf.imag != 0 for leaf in self.point.shifted(self._f, 1j * STEP * v)]

    def slope(self, v: Direction, side: int = 1, away: Array | None = None) -> Slope:
        """Return the derivative along `v`, at the point or `away` from it."""
        if away is None and isinstance(v, dict):
            by: Any = {i: side * 1j * STEP * step for i, step in v.items()}
        else:
            by = side * 1j * STEP * _dense(v, self.point.size)
            by = by if away is None else by + away
        y = self.point.shifted(self._f, by)
        terms = [d.ravel() * leaf.imag.ravel() / STEP for d, leaf in zip(self._dy, y, strict=True)]
        value = side * math.fsum(float(t.sum()) for t in terms) + 0.0  # -0 reads badly
        scale = math.fsum(float(np.abs(t).sum()) for t in terms)
        # Nothing below the smallest number over the step can be seen.
        return Slope(value, 16 * float(np.finfo(np.float64).eps) * scale + 1e-140, scale)


class Ridders:
    """Slopes by finite differences of falling step, extrapolated to 0 (Ridders 1982).

    Side 0 takes central differences, +1 and -1 take those on one side alone.
    """

    name = "finite differences"
    exact = False

    def __init__(self, f: Callable[..., Any], point: Point, dy: list[Array]) -> None:
        """Take derivatives of ⟨dy, f⟩ at `point`, a vector of a real dtype."""
        self._f, self.point = f, point
        self._dy = [leaf.astype(point.vector.dtype) for leaf in dy]
        self._rounding = float(np.finfo(point.vector.dtype).eps)
        self._y = point.shifted(f, {})
        self._noise = 0.0

    def listen(self, v: Array) -> None:
        """Measure the rounding that f itself has inside, along `v`.

        What a cubic leaves of thirteen values within 2⁻¹⁴ of the point is rounding; and so is what
        it leaves within 2⁻⁸, where that is too much to be curvature.
        """
        left = []
        for width in (2.0**-14, 2.0**-8):
            ts = np.linspace(-1, 1, 13)
            moved = [self.point.shifted(self._f, (width * t * v).astype(v.dtype)) for t in ts]
            values = np.array([self._sum(y) - self._sum(self._y) for y in moved], np.float64)
            if not np.isfinite(values).all():
                continue
            rest = values - np.polynomial.Polynomial.fit(ts, values, 3)(ts)
            left.append((float(np.abs(rest).max()), float(np.ptp(values))))
        self._noise = max(
            (rest for i, (rest, change) in enumerate(left) if i == 0 or rest > 1e-6 * change),
            default=0.0,
        )

    def reach(self, v: Array) -> list[Array]:
        """Tell which results move along `v`."""
        moved = self.point.shifted(self._f, (2.0**-8 * v).astype(self.point.vector.dtype))
        return [new != old for new, old in zip(moved, self._y, strict=True)]

    def _sum(self, y: list[Array]) -> float:
        return float(sum((d * leaf).sum() for d, leaf in zip(self._dy, y, strict=True)))

    def slope(self, v: Direction, side: int = 0, away: Array | None = None) -> Slope:
        """Return the derivative along `v`, at the point or `away` from it."""
        v = _dense(v, self.point.size).astype(self.point.vector.dtype)
        away = np.zeros_like(v) if away is None else away.astype(v.dtype)
        best = Slope(math.nan, math.inf, 0.0)
        rows: list[list[float]] = []
        centre = self.point.shifted(self._f, away) if side else self._y
        for level in range(22):
            t = 2.0 ** -(level + 4)
            first, scale, noise = self._difference(v, away, centre, t, side)
            rows.append(_extrapolate(first, rows[-1] if rows else [], 2 if side else 4))
            for order in range(1, len(rows[-1])):
                # Twice and a bit what Ridders takes: two extrapolations may agree by chance.
                error = noise + 4 * max(
                    abs(rows[-1][order] - rows[-1][order - 1]),
                    abs(rows[-1][order] - rows[-2][order - 1]),
                )
                if error < best.error:
                    best = Slope(rows[-1][order], error, scale)
            # The rounding doubles with each halving of the step: nothing better can follow.
            if best.error <= max(1e-13 * best.scale, noise):
                break
        return best

    def _difference(
        self, v: Array, away: Array, centre: list[Array], t: float, side: int
    ) -> tuple[float, float, float]:
        """Return the difference quotient, Σ |terms| of it, and its rounding error."""
        ahead = self.point.shifted(self._f, away + t * (side or 1) * v)
        behind = centre if side else self.point.shifted(self._f, away - t * v)
        width = t * side if side else 2 * t
        pairs = list(zip(self._dy, ahead, strict=True))
        terms = [(d * ((a - b) / width)).ravel() for (d, a), b in zip(pairs, behind, strict=True)]
        size = float(np.abs(np.concatenate([(d * a).ravel() for d, a in pairs])).max(initial=0))
        value = float(sum(term.sum() for term in terms))
        scale = float(sum(np.abs(term).sum() for term in terms))
        return value, scale, max(4 * self._rounding * size, 4 * self._noise) / t


def _extrapolate(first: float, above: list[float], base: int) -> list[float]:
    """Return Richardson's next row: each entry removes one more power of the step's error."""
    row, factor = [first], float(base)
    for previous in above:
        row.append((factor * row[-1] - previous) / (factor - 1))
        factor *= base
    return row


def _dense(v: Direction, size: int) -> Array:
    if isinstance(v, dict):
        dense = np.zeros(size)
        for i, step in v.items():
            dense[i] = step
        return dense
    return v


def result_of(result: Any) -> Any:
    """Return y, whether f gave y or (y, pullback), with scalars as arrays."""
    if isinstance(result, tuple) and len(result) == 2 and callable(result[1]):
        result = result[0]
    return np.asarray(result) if isinstance(result, np.generic | complex | float) else result
