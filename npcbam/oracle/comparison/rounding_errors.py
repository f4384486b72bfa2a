"""Arithmetic on values with rounding errors: beside each goes the deviation of its error.

An operation passes on the deviations of what it reads, times its derivative, and adds its own
rounding. Backward is the same again, operation by operation.

Roundings of either sign add up like a random walk, and so do the errors that the terms of a sum of
products bring with them: weights and cotangents are of either sign, as the oracle draws them. So
their squares add. The worst case, in which all errors of a long sum have the sign that hurts, is
met by nobody and would hide faults. Results are held to `DEVIATIONS` of them, which for sums of up
to 12 roundings is no less than the worst case.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.precision import Precision
from npcbam.pointwise import scale_vjp
from npcbam.types import PullbackToBoth

# How many standard deviations an error may have: a billion normal ones have none beyond.
DEVIATIONS = 6
# That of one rounding, in units: errors between -1 and 1, all equally likely.
ROUNDING = 1 / math.sqrt(3)

# A bilinear map: f(a, b) gives y and the pullback from dy to (da, db).
Bilinear: TypeAlias = Callable[[Array, Array], tuple[Array, PullbackToBoth]]


@dataclass(frozen=True, eq=False)
class Near:
    """A value, the deviation of its error, and how cotangents go back to what it was made of."""

    value: Array
    sd: Array
    kind: Precision
    parents: tuple[Near, ...] = ()
    pull: Callable[[Near], tuple[Near, ...]] = lambda dy: ()

    @functools.cached_property
    def size(self) -> Array:
        """The magnitude."""
        return np.abs(self.value)

    @property
    def reach(self) -> Array:
        """How far the value may be off."""
        return DEVIATIONS * self.sd

    @functools.cached_property
    def exact(self) -> bool:
        """Whether there is no error."""
        return not self.sd.any()

    def __add__(self, other: Near) -> Near:
        """Add arrays of one rank, broadcast to each other. Any order of several sums is covered."""
        value, sd = self.value + other.value, np.hypot(self.sd, other.sd)

        def add_pull(dy: Near) -> tuple[Near, ...]:
            return to_shape(dy, self.value.shape), to_shape(dy, other.value.shape)

        terms = self.size + other.size
        return self.then(value, sd, terms, (self, other), add_pull)

    def __mul__(self, other: Near) -> Near:
        """Multiply by arrays to which these are broadcast."""
        return bilinear(scale_vjp, self, other)

    def times(self, factor: float) -> Near:
        """Multiply by an exact number."""

        def times_pull(dy: Near) -> tuple[Near, ...]:
            return (dy.times(factor),)

        return self.then(self.value * factor, abs(factor) * self.sd, None, (self,), times_pull)

    def then(
        self,
        value: Array,
        sd: Array,
        terms: Array | None = None,
        parents: tuple[Near, ...] = (),
        pull: Callable[[Near], tuple[Near, ...]] = lambda dy: (),
    ) -> Near:
        """Return a result that is rounded: by units of itself, or of the `terms` in it."""
        size = np.abs(value)
        terms = size if terms is None else terms
        sd = np.hypot(sd, ROUNDING * self.kind.unit * terms) + self.kind.least * (terms != 0)
        # What may be too large for the precision may be infinite.
        sd = np.where(size + DEVIATIONS * sd > self.kind.most, np.inf, sd)
        return Near(value, sd, self.kind, parents, pull)


def backward(y: Near, dy: Near) -> dict[int, Near]:
    """Return the cotangent of every node that y was computed from, by its id."""
    order: dict[int, Near] = {}

    def visit(node: Near) -> None:
        if id(node) not in order:
            for parent in node.parents:
                visit(parent)
            order[id(node)] = node

    visit(y)
    found = {id(y): dy}
    for node in reversed(order.values()):
        for parent, d in zip(node.parents, node.pull(found[id(node)]), strict=True):
            found[id(parent)] = found[id(parent)] + d if id(parent) in found else d
    return found


def bilinear(f_vjp: Bilinear, a: Near, b: Near, factor: float = 0.0) -> Near:
    """Compute f(a, b), linear in either: sums of products, which f itself counts.

    `factor` is the relative error that either factor gets before it is multiplied.
    """
    unit_a, unit_b = _scale(a), _scale(b)
    value, pullback = f_vjp(a.value, b.value)
    counts = _counts(f_vjp, a.value.shape, b.value.shape)

    def squares(a_part: Array, b_part: Array) -> tuple[Array, PullbackToBoth]:
        return f_vjp(np.square(a_part / unit_a), np.square(b_part / unit_b))

    # Of either factor's error, if it has any, and of all terms.
    by_a = None if a.exact else squares(a.sd, b.size + b.reach)
    by_b = None if b.exact else squares(a.size, b.sd)
    terms, pullback_of_terms = squares(a.size, b.size)
    coarse = 2 * (ROUNDING * factor) ** 2

    def bilinear_pull(dy: Near) -> tuple[Near, ...]:
        values, unit = pullback(dy.value), _scale(dy)
        # da reads dy and b, and db reads dy and a, each with its error.
        terms = pullback_of_terms(np.square(dy.size / unit))
        errors = [*pullback_of_terms(np.square(dy.sd / unit))]
        whole = np.square((dy.size + dy.reach) / unit)
        if by_b is not None:
            errors[0] = errors[0] + by_b[1](whole)[0]
        if by_a is not None:
            errors[1] = errors[1] + by_a[1](whole)[1]
        found = []
        for i, other in enumerate((unit_b, unit_a)):
            lost = units_lost(a.kind, values[i] / (unit * other), terms[i], counts[1 + i])
            sd = np.sqrt(errors[i] + coarse * terms[i])
            found.append(dy.then(values[i], unit * other * sd, unit * other * lost))
        return tuple(found)

    unit = unit_a * unit_b
    errors = coarse * terms + sum(by[0] for by in (by_a, by_b) if by is not None)
    lost = unit * units_lost(a.kind, value / unit, terms, counts[0])
    return a.then(value, unit * np.sqrt(errors), lost, (a, b), bilinear_pull)


@functools.lru_cache(maxsize=64)
def _counts(f_vjp: Bilinear, *shapes: tuple[int, ...]) -> tuple[Array, ...]:
    """Return how many terms there are in every entry of f(a, b), da and db."""
    count, pullback = f_vjp(*(np.ones(shape) for shape in shapes))
    return (count, *pullback(np.ones_like(count)))


def units_lost(kind: Precision, total: Array, squares: Array, count: Array | int) -> Array:
    """Return how many units the sum of `count` products loses, from the sum of their squares.

    Adding one after the other rounds every partial sum. On the way to the total these walk at
    random as far as the root of the squares, and no other order of adding has so many.
    """
    whole = np.square(total)
    walked = squares + (count - 1) * (whole + squares)
    # Where sums are kept finer than results, these are rounded once.
    fine = kind.finer**2
    lost: Array = np.sqrt(fine * walked + (1 - fine) * whole)
    return lost


def _scale(near: Near) -> float:
    """Return the scale in which squares do not underflow."""
    finite = near.size[np.isfinite(near.size)]
    return float(finite.max(initial=0)) or 1.0


def to_shape(dy: Near, shape: tuple[int, ...]) -> Near:
    """Sum a cotangent over the axes along which its argument was broadcast."""
    axes = tuple(axis for axis, n in enumerate(shape) if n != dy.value.shape[axis])
    if not axes:
        return dy
    n = math.prod(dy.value.shape[axis] for axis in axes)
    value, errors, squares = (
        a.sum(axis=axes, keepdims=True) for a in (dy.value, np.square(dy.sd), np.square(dy.value))
    )
    return dy.then(value, np.sqrt(errors), units_lost(dy.kind, value, squares, n))
