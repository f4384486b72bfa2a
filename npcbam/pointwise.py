"""The elementwise steps: relu, sigmoid, and scale, the product of a gate with features."""

from __future__ import annotations

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.types import Pullback, PullbackToBoth


def relu(z: Array) -> Array:
    """Return max(z, 0); see `relu_vjp`."""
    return relu_vjp(z)[0]


def relu_vjp(z: Array) -> tuple[Array, Pullback]:
    """Rectify: y = z where z > 0, else 0, with relu'(0) = 0. NaN passes.

    Parameters
    ----------
    z : array of any shape; complex numbers are ordered by real, then by imaginary part

    Saved for backward: where z <= 0, one byte an element; and z, whose shape dy must have.

    >>> y, pullback = relu_vjp(np.array([-2.0, 0.0, 3.0]))
    >>> y, pullback(np.array([5.0, 7.0, 11.0]))
    (array([0., 0., 3.]), array([ 0.,  0., 11.]))
    """
    z = arguments.array("z", z)
    off = z <= 0
    y = np.where(off, z.dtype.type(0), z)

    def relu_pullback(dy: Array) -> Array:
        dy = arguments.cotangent(dy, z)
        return np.where(off, dy.dtype.type(0), dy)

    return y, relu_pullback


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)); see `sigmoid_vjp`."""
    return sigmoid_vjp(z)[0]


def sigmoid_vjp(z: Array) -> tuple[Array, Pullback]:
    """Squash to (0, 1): y = 1 / (1 + exp(-z)), without overflow for any z, real or complex.

    Parameters
    ----------
    z : array of any shape

    Saved for backward: the slope σ', which keeps its digits where 1 - y has lost them.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    z = arguments.array("z", z)
    one = z.dtype.type(1)
    positive = z.real >= 0
    with np.errstate(under="ignore"):
        # Only exponents with a real part <= 0 are taken, so that exp stays within [0, 1].
        e = np.exp(np.where(positive, -z, z))
        # np.asarray, here and below, because NumPy makes numbers of 0-d results.
        y = np.asarray(np.where(positive, one, e) / (one + e))
        # σ' = σ (1 - σ) = e / (1 + e)², for either sign of z
        slope: Array = e / np.square(one + e)

    def sigmoid_pullback(dy: Array) -> Array:
        dy = arguments.cotangent(dy, y)
        return np.asarray(dy * slope)

    return y, sigmoid_pullback


def scale(gate: Array, x: Array) -> Array:
    """Return gate ⊗ x; see `scale_vjp`."""
    return scale_vjp(gate, x)[0]


def scale_vjp(gate: Array, x: Array) -> tuple[Array, PullbackToBoth]:
    """Multiply features by a gate that is broadcast to them: y = gate ⊗ x.

    Parameters
    ----------
    gate : array with as many axes as x, each of the same size or of size 1
    x : array of any shape

    Saved for backward: gate and x.

    Returns
    -------
    y, pullback : y has the shape of x; `dgate, dx = pullback(dy)`

    Source: ⊗ in Eq. 1 of Woo et al. 2018.

    >>> y, pullback = scale_vjp(np.array([[2.0], [3.0]]), np.array([[1.0, 4.0], [5.0, 6.0]]))
    >>> y
    array([[ 2.,  8.],
           [15., 18.]])
    >>> dgate, dx = pullback(np.array([[1.0, 10.0], [1.0, 10.0]]))
    >>> dgate
    array([[41.],
           [65.]])
    """
    x = arguments.array("x", x)
    broadcast = [size if same else 1 for size, same in zip(x.shape, _kept(gate, x), strict=True)]
    gate = arguments.shaped("gate", gate, broadcast, like=("x", x))
    y = np.asarray(gate * x)

    def scale_pullback(dy: Array) -> tuple[Array, Array]:
        dy = arguments.cotangent(dy, y)
        dx = np.asarray(gate * dy)
        # A gate value multiplies all elements that it was broadcast to: its cotangent is their sum.
        shared = tuple(axis for axis, same in enumerate(_kept(gate, x)) if not same)
        dgate = np.asarray((dy * x).sum(axis=shared, keepdims=True))
        return dgate, dx

    return y, scale_pullback


def _kept(gate: object, x: Array) -> list[bool]:
    """Tell for each axis of `x` whether `gate` has it, and not a broadcast 1."""
    if not isinstance(gate, np.ndarray) or gate.ndim != x.ndim:
        return [True] * x.ndim
    return [g != 1 for g in gate.shape]
