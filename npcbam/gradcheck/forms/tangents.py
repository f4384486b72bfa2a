"""Calling a forward-mode derivative, and what it gives as a pullback."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.gradcheck.forms.asked import has_floats

Takes = Literal["flat", "tuples"]
# A tangent of any size may be asked for; what is not linear in it shows where they differ. Powers
# of two, by which nothing is rounded.
SIZES = (1.0, -2.0, 2.0**-13, -(2.0**13))


@dataclass(frozen=True)
class Push:
    """A forward-mode derivative, and how it takes arguments and tangents."""

    jvp: Callable[..., Any]
    takes: Takes

    @classmethod
    def of(
        cls, jvp: Callable[..., Any], takes: Takes | None, args: tuple[Any, ...], y: Any
    ) -> Push:
        """Return `jvp` with the way of calling it that is given, or that its signature shows."""
        if takes not in (None, "flat", "tuples"):
            raise ValueError(f"takes: expected 'flat', 'tuples' or None, got {takes!r}")
        if takes is not None:
            return cls(jvp, takes)
        if len(args) > 1:
            return cls(jvp, "tuples" if _positional(jvp) == 2 else "flat")
        # jvp(x, v) and jvp((x,), (v,)) look the same.
        zeros = tuple(_zeros(arg) for arg in args)
        flat = cls(jvp, "flat")
        return flat if _fits(flat, args, zeros, y) else _other(flat, args, zeros, y)

    def __call__(self, args: tuple[Any, ...], tangents: tuple[Any, ...], y: Any) -> list[Array]:
        """Return the leaves of the tangent of y; raise ValueError if it does not fit y."""
        flat = self.takes == "flat"
        given = self.jvp(*args, *tangents) if flat else self.jvp(args, tangents)
        nested = isinstance(y, tuple) and len(y) == 2
        if isinstance(given, tuple) and len(given) == 2:
            given = given[1] if not nested or isinstance(given[0], tuple) else given
        found, wanted = leaves_of(given), leaves_of(y)
        if [leaf.shape for leaf in found] != [leaf.shape for leaf in wanted]:
            want, got = ([leaf.shape for leaf in each] for each in (wanted, found))
            came = "None" if given is None else _said(got)
            raise ValueError(f"jvp: expected a tangent of y's shape {_said(want)}, got {came}")
        return found


def y_of(result: Any) -> Any:
    """Return y, whether f gave y or (y, pullback)."""
    if isinstance(result, tuple) and len(result) == 2 and callable(result[1]):
        return result[0]
    return result


def leaves_of(y: Any) -> list[Array]:
    """Return the arrays of a result, be it a number or a tree."""
    return [leaf for _, leaf in tree.leaves(np.asarray(y) if np.isscalar(y) else y)]


def dot(dy: Any, tangent: Sequence[Array]) -> float:
    """Return ⟨dy, tangent⟩ in float64."""
    wide = [leaf.astype(np.float64) for leaf in tangent]
    return math.fsum(float((d * leaf).sum()) for d, leaf in zip(leaves_of(dy), wide, strict=True))


def columns(f: Callable[..., Any], push: Push, kept: Sequence[int]) -> Callable[..., Any]:
    """Return g(*args) -> (y, pullback) whose pullback asks `push` for one entry after the other.

    Only the arguments at `kept` are asked about.
    """

    def g(*args: Any) -> Any:
        y = y_of(f(*args))

        def pullback(dy: Any) -> tuple[Any, ...]:
            return tuple(
                _gradient(push, args, i, y, dy) if i in kept else None for i in range(len(args))
            )

        return y, pullback

    return g


def _gradient(push: Push, args: tuple[Any, ...], i: int, y: Any, dy: Any) -> Any:
    """Return the cotangent of argument i, entry by entry."""
    zeros = [_zeros(arg) for arg in args]

    def of_leaf(zero: Array) -> Array:
        found = np.zeros(zero.shape)
        for e, where in enumerate(np.ndindex(*zero.shape)):
            size = SIZES[e % len(SIZES)]
            zero[where] = size  # of the tree of zeros, which is this leaf's
            found[where] = dot(dy, push(args, tuple(zeros), y)) / float(zero[where])
            zero[where] = 0
        return found.astype(zero.dtype)

    return tree.map(of_leaf, zeros[i])


def _zeros(arg: Any) -> Any:
    return tree.map(np.zeros_like, arg) if has_floats(arg) else None


def _positional(jvp: Callable[..., Any]) -> int | None:
    try:
        found = inspect.signature(jvp).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in found)


def _fits(push: Push, args: tuple[Any, ...], zeros: tuple[Any, ...], y: Any) -> bool:
    try:
        with np.errstate(all="ignore"):
            push(args, zeros, y)
    except Exception:
        return False
    return True


def _other(flat: Push, args: tuple[Any, ...], zeros: tuple[Any, ...], y: Any) -> Push:
    tuples = Push(flat.jvp, "tuples")
    return tuples if _fits(tuples, args, zeros, y) else flat


def _said(shapes: list[tuple[int, ...]]) -> str:
    return str(shapes[0]) if len(shapes) == 1 else str(shapes)
