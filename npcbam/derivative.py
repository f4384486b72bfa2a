"""Derivatives that need no backward pass, by the complex step.

For an analytic f, f(x + ihv) = f(x) + ih f'(x)v + O(h²): the derivative along v is the imaginary
part over h, with no difference of nearly equal numbers in it, so that h may be as small as one
likes. Where maxima and relu order complex numbers by the real part and then by the imaginary part,
as NumPy does, the complex step at a tie or a kink is the one-sided derivative along v.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npcbam import arguments, tree
from npcbam.arguments import Array
from npcbam.slopes import STEP, Point, real_leaves, result_of


def jvp(f: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
    """Return f at `primals` and its derivative along `tangents`, by the complex step.

    Parameters
    ----------
    f : takes arrays or layers and returns y, or (y, pullback); it must run on complex128
        and be analytic there: `np.abs`, `.real` and `np.conj` are not, and what they pass is lost
        without a sign
    primals, tangents : tuples of real arrays or layers of the same structure

    Returns
    -------
    y, dy : trees as f returns them, in float64

    Raises
    ------
    TypeError
        An argument has no real floating dtype.
    ValueError
        The structures differ, or f drops the imaginary part.

    Source: Squire and Trapp 1998.

    >>> jvp(np.sin, (np.array([0.0]),), (np.array([2.0]),))
    (array([0.]), array([2.]))
    """
    for name, argument in (("primals", primals), ("tangents", tangents)):
        if not isinstance(argument, tuple):
            raise TypeError(f"{name}: expected a tuple of arguments, got {type(argument).__name__}")
        real_leaves(name, argument)
    y = result_of(f(*tree.map(_lift, primals, tangents)))
    return tree.map(_real, y), tree.map(_slope, y)


def hvp(f: Callable[..., Any], x: Any, v: Any, dy: Any = None) -> Any:
    """Return the derivative along `v` of the gradient that the pullback of f gives.

    Parameters
    ----------
    f : takes one array or layer and returns (y, pullback); both must run on complex128
    x, v : real arrays or layers of the same structure
    dy : the fixed cotangent whose gradient is meant; may be left out where y has one element

    Returns
    -------
    The Hessian of ⟨dy, f⟩ times v, in float64, in the structure that the pullback gives: like x,
    or, for the vjp of a layer, a pair whose second is like x and whose first has the mixed
    derivatives by the parameters

    Raises
    ------
    TypeError, ValueError
        As `jvp`; or y has several elements and there is no `dy`.

    >>> def cube_vjp(x):
    ...     return (x**3).sum(keepdims=True), lambda dy: dy * 3 * x**2
    >>> hvp(cube_vjp, np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    real_leaves("x", x), real_leaves("v", v)
    result = f(tree.map(_lift, x, v))
    if not (isinstance(result, tuple) and len(result) == 2 and callable(result[1])):
        raise ValueError(f"f: expected it to return (y, pullback), got {type(result).__name__}")
    y, pullback = result_of(result), result[1]
    if dy is None:
        if sum(leaf.size for _, leaf in tree.leaves(y)) != 1:
            raise ValueError("dy: expected a cotangent, because y has more than one element")
        dy = tree.map(np.ones_like, y)
    tree.map(lambda d, leaf: arguments.shaped("dy", d, leaf.shape), dy, y)
    gradient = pullback(tree.map(lambda leaf: leaf.astype(np.complex128), dy))
    return tree.map(_slope, gradient)


def jacobian(f: Callable[[Any], Any], x: Any) -> Any:
    """Return all partial derivatives of f at x, one complex step for each element of x.

    Parameters
    ----------
    f : takes one array or layer and returns an array y, or (y, pullback)
    x : real array or layer

    Returns
    -------
    array of shape y.shape + x.shape in float64; for a layer, a dict of those by leaf name

    >>> jacobian(np.cumsum, np.array([1.0, 2.0]))
    array([[1., 0.],
           [1., 1.]])
    """
    real_leaves("x", x)
    point = Point((x,))
    columns = []
    for i in range(point.size):
        columns.append(_slope(_array(point.shifted(f, {i: 1j * STEP}))))
    y_shape = columns[0].shape if columns else np.shape(_array([result_of(f(x))]))
    full = np.stack(columns, axis=-1) if columns else np.zeros((*y_shape, 0))
    parts = np.split(full, np.cumsum([leaf.size for _, leaf in tree.leaves(x)])[:-1], axis=-1)
    named = {
        name: part.reshape(*y_shape, *leaf.shape)
        for (name, leaf), part in zip(tree.leaves(x), parts, strict=True)
    }
    return named[""] if isinstance(x, np.ndarray) else named


def _array(leaves: list[Any]) -> Array:
    if len(leaves) != 1 or not isinstance(leaves[0], np.ndarray):
        raise ValueError("f: expected it to return one array")
    return leaves[0]


def _lift(x: Array, v: Array) -> Array:
    # Cast first: in single precision the step underflows.
    tangent = arguments.shaped("tangent", v, x.shape).astype(np.complex128)
    return x.astype(np.complex128) + 1j * STEP * tangent


def _real(y: Array) -> Array:
    return y.real.copy()


def _slope(y: Array) -> Array:
    if y.dtype.kind != "c":
        raise ValueError(
            f"f: expected a complex result for complex arguments, got {y.dtype}; "
            f"somewhere f drops the imaginary part"
        )
    return y.imag / STEP
