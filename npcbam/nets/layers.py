"""The layers of a small network: strided convolution, pooling in windows, and the linear layer.

Convolution and pooling look at the same thing, the window of the map that each output position
sees. `windows_vjp` lays all windows out in memory; a convolution is then one matrix product a
sample, and a pool a mean or a maximum over two axes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.drawing import generator, he_normal, uniform
from npcbam.pooling import max_vjp, mean_vjp
from npcbam.types import LayerPullback, Pullback


@dataclass(frozen=True, eq=False)
class Convolution:
    """A correlation of images with any kernel, stride and margin.

    Parameters
    ----------
    w : (O, I, h, w) kernel from I to O planes
    b : (O,) bias, or None
    stride : steps between two output positions, along either axis
    padding : zeros on each side of the map, along either axis

    Raises
    ------
    TypeError
        A parameter is no array, of an unsupported dtype, or of another dtype than `w`.
    ValueError
        A shape does not fit, or stride or padding is out of range.

    >>> difference = Convolution(w=np.array([[[[-1.0, 1.0]]]]), stride=2)
    >>> difference(np.array([[[[1.0, 4.0, 9.0, 16.0]]]]))
    array([[[[3., 7.]]]])
    """

    w: Array
    b: Array | None = None
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        w = arguments.shaped("w", self.w, ("O", "I", "h", "w"))
        if w.size == 0:
            raise ValueError(f"w: expected at least one plane and tap, got {w.shape}")
        if self.b is not None:
            arguments.shaped("b", self.b, w.shape[:1], like=("w", w))
        arguments.positive("stride", self.stride)
        if self.padding != 0:
            arguments.positive("padding", self.padding)

    @classmethod
    def init(
        cls,
        rng: np.random.Generator | int,
        planes: tuple[int, int],
        size: int,
        stride: int = 1,
        *,
        dtype: Any = np.float64,
    ) -> Self:
        """Draw a same-padded size × size kernel between numbers of planes, (I, O), without bias.

        Source: He et al. 2015, as the authors' ResNet.
        """
        arguments.dtype("dtype", dtype)
        inputs, outputs = planes
        w = he_normal(generator(rng), (outputs, inputs, size, size), inputs * size * size)
        return cls(w.astype(dtype), None, stride, size // 2)

    def __call__(self, x: Array) -> Array:
        """Return the correlation of `x`; see `vjp`."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Correlate: y[n,o,p] = b[o] + Σ w[o,i,t] x[n,i, stride p + t - padding].

        Parameters
        ----------
        x : (N, I, H, W)

        Saved for backward: the windows of x, h w / stride² times its size.

        Returns
        -------
        y, pullback : y is (N, O, (H + 2 padding - h) // stride + 1, ...);
            `dconvolution, dx = pullback(dy)`
        """
        x = arguments.feature_map(x, ("w", self.w), self.w.shape[1], 4)
        outputs, taps = self.w.shape[0], self.w[0].size
        seen, windows_pullback = windows_vjp(x, self.w.shape[2:], self.stride, self.padding)
        n, space = seen.shape[0], seen.shape[4:]
        w = np.ascontiguousarray(self.w).reshape(outputs, taps)
        rows = seen.reshape(n, taps, space[0] * space[1])  # (N, I h w, H' W')
        y = (w @ rows).reshape(n, outputs, *space)  # (N, O, H', W')
        if self.b is not None:
            y = y + self.b.reshape(-1, 1, 1)

        def convolution_pullback(dy: Array) -> tuple[Self, Array]:
            dy = arguments.cotangent(dy, y)
            flat = dy.reshape(n, outputs, rows.shape[2])
            # y[o,p] = Σ w[o,t] rows[t,p]: each factor gets dy times the other, summed.
            dw = (flat @ rows.swapaxes(1, 2)).sum(axis=0).reshape(self.w.shape)
            dx = windows_pullback((w.T @ flat).reshape(seen.shape))
            db = None if self.b is None else dy.sum(axis=(0, 2, 3))  # (O,)
            return replace(self, w=dw, b=db), dx

        return y, convolution_pullback


@dataclass(frozen=True, eq=False)
class Linear:
    """The linear layer: z = f Wᵀ + b.

    Parameters
    ----------
    w : (K, C) weight
    b : (K,) bias, or None

    Raises
    ------
    TypeError
        A parameter is no array, of an unsupported dtype, or of another dtype than `w`.
    ValueError
        A shape does not fit.

    >>> linear = Linear(w=np.array([[1.0, 10.0]]), b=np.array([5.0]))
    >>> z, pullback = linear.vjp(np.array([[2.0, 3.0]]))
    >>> z
    array([[37.]])
    >>> dlinear, df = pullback(np.array([[2.0]]))
    >>> dlinear.w, dlinear.b, df
    (array([[4., 6.]]), array([2.]), array([[ 2., 20.]]))
    """

    w: Array
    b: Array | None = None

    def __post_init__(self) -> None:
        w = arguments.shaped("w", self.w, ("K", "C"))
        if w.size == 0:
            raise ValueError(f"w: expected at least one input and output, got {w.shape}")
        if self.b is not None:
            arguments.shaped("b", self.b, w.shape[:1], like=("w", w))

    @classmethod
    def init(
        cls, rng: np.random.Generator | int, inputs: int, outputs: int, *, dtype: Any = np.float64
    ) -> Self:
        """Draw the weight as PyTorch does; the bias starts at 0."""
        arguments.dtype("dtype", dtype)
        w = uniform(generator(rng), (outputs, inputs), inputs)
        return cls(w.astype(dtype), np.zeros(outputs, dtype))

    def __call__(self, f: Array) -> Array:
        """Return the layer's result for `f`; see `vjp`."""
        return self.vjp(f)[0]

    def vjp(self, f: Array) -> tuple[Array, LayerPullback[Self]]:
        """Map (N, C) features to (N, K).

        Saved for backward: f.

        Returns
        -------
        z, pullback : `dlinear, df = pullback(dz)`
        """
        f = arguments.shaped("f", f, ("N", self.w.shape[1]), like=("w", self.w))
        w = arguments.array("w", self.w)
        z = f @ w.T  # (N, K)
        if self.b is not None:
            z = z + self.b

        def linear_pullback(dz: Array) -> tuple[Self, Array]:
            dz = arguments.cotangent(dz, z, "dz")
            db = None if self.b is None else dz.sum(axis=0)
            # z[n,k] = Σ w[k,c] f[n,c]
            return replace(self, w=dz.T @ f, b=db), dz @ w

        return z, linear_pullback


def max_pool_vjp(x: Array, window: int, stride: int | None = None) -> tuple[Array, Pullback]:
    """Take the largest of each window; the first of several gets the gradient.

    Parameters
    ----------
    x : (N, C, H, W)
    window : its height and width
    stride : steps between two windows; None for windows that do not overlap

    Saved for backward: the index of each maximum. Rows and columns that fill no window are left
    out, as in PyTorch.

    >>> y, pullback = max_pool_vjp(np.array([[[[1.0, 3.0, 2.0], [3.0, 0.0, 9.0]]]]), window=2)
    >>> y, pullback(np.array([[[[7.0]]]]))
    (array([[[[3.]]]]), array([[[[0., 7., 0.],
             [0., 0., 0.]]]]))
    """
    return _pool(max_vjp, x, window, stride)


def avg_pool_vjp(x: Array, window: int, stride: int | None = None) -> tuple[Array, Pullback]:
    """Average each window; arguments as for `max_pool_vjp`.

    Saved for backward: nothing but shapes.

    >>> avg_pool_vjp(np.array([[[[1.0, 3.0, 2.0], [4.0, 0.0, 9.0]]]]), window=2)[0]
    array([[[[2.]]]])
    """
    return _pool(mean_vjp, x, window, stride)


def _pool(
    pool_vjp: Callable[..., tuple[Array, Pullback]], x: Array, window: int, stride: int | None
) -> tuple[Array, Pullback]:
    arguments.positive("window", window)
    x = arguments.feature_map(x, ndim=4)
    seen, windows_pullback = windows_vjp(x, (window, window), window if stride is None else stride)
    pooled, pooled_pullback = pool_vjp(seen, (2, 3))  # (N, C, 1, 1, H', W')
    y = pooled.reshape(pooled.shape[:2] + pooled.shape[4:])  # (N, C, H', W')

    def pool_pullback(dy: Array) -> Array:
        dy = arguments.cotangent(dy, y)
        return windows_pullback(pooled_pullback(dy.reshape(pooled.shape)))

    return y, pool_pullback


def windows_vjp(
    x: Array, kernel: tuple[int, ...], stride: int = 1, padding: int = 0
) -> tuple[Array, Pullback]:
    """Lay out what each output position sees: seen[n,c,t,p] = x[n,c, stride p + t - padding].

    Parameters
    ----------
    x : (N, C, H, W)
    kernel : height and width of the windows
    stride, padding : as in `Convolution`

    Saved for backward: nothing but shapes.

    Returns
    -------
    seen, pullback : seen is (N, C, h, w, H', W'); `dx = pullback(dseen)`

    Raises
    ------
    ValueError
        No window fits into the padded map.
    """
    arguments.positive("stride", stride)
    if any(size + 2 * padding < k for size, k in zip(x.shape[2:], kernel, strict=True)):
        raise ValueError(
            f"x: expected a map that a window of {kernel} fits into, "
            f"with {padding} zeros on each side, got {x.shape}"
        )
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    every = sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::stride, ::stride]
    seen = np.ascontiguousarray(every.transpose(0, 1, 4, 5, 2, 3))  # (N, C, h, w, H', W')

    def windows_pullback(dseen: Array) -> Array:
        dpadded = np.zeros(padded.shape, dseen.dtype)
        (height, width), (rows, columns) = kernel, seen.shape[4:]
        # An element has been copied into every window that sees it: their cotangents add.
        for i, j in np.ndindex(height, width):
            down = slice(i, i + stride * rows, stride)
            across = slice(j, j + stride * columns, stride)
            dpadded[:, :, down, across] += dseen[:, :, i, j]
        inner = tuple(slice(padding, padding + size) for size in x.shape[2:])
        return np.ascontiguousarray(dpadded[:, :, *inner])

    return seen, windows_pullback
