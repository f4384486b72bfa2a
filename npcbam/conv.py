"""Same-padded correlation with an odd kernel, over one, two or three spatial axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.drawing import Draw, generator, uniform
from npcbam.types import LayerPullback


@dataclass(frozen=True, eq=False)
class Conv:
    """A convolution as networks mean it: a correlation, stride 1, zeros around the map.

    Parameters
    ----------
    w : (O, I, *K) kernel from I to O planes, with odd sizes K over 1 to 3 axes
    b : (O,) bias, or None

    Raises
    ------
    TypeError
        A parameter is no array, of an unsupported dtype, or of another dtype than `w`.
    ValueError
        A shape does not fit, or a kernel size is even.

    >>> blur = Conv(w=np.ones((1, 1, 3)) / 3)
    >>> blur(np.array([[[3.0, 6.0, 9.0]]]))
    array([[[3., 6., 5.]]])
    """

    w: Array
    b: Array | None = None

    def __post_init__(self) -> None:
        w = arguments.array("w", self.w)
        if w.ndim not in arguments.AXES or 0 in w.shape:
            raise ValueError(f"w: expected shape (O, I, *K), K of 1 to 3 axes, got {w.shape}")
        for size in w.shape[2:]:
            arguments.odd("w", size)
        if self.b is not None:
            arguments.shaped("b", self.b, w.shape[:1], like=("w", w))

    @classmethod
    def init(
        cls,
        rng: np.random.Generator | int,
        planes: tuple[int, int],
        kernel: tuple[int, ...],
        *,
        weight: Draw = uniform,
        bias: Draw | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> Self:
        """Draw a convolution between numbers of planes, (I, O), with a kernel of these sizes."""
        rng, (inputs, outputs) = generator(rng), planes
        arguments.dtype("dtype", dtype)
        shape, fan_in = (outputs, inputs, *kernel), inputs * math.prod(kernel)
        w = weight(rng, shape, fan_in).astype(dtype)
        return cls(w, None if bias is None else bias(rng, (outputs,), fan_in).astype(dtype))

    def __call__(self, x: Array) -> Array:
        """Return the correlation of `x`; see `vjp`."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Correlate: y[n,o,p] = b[o] + Σ w[o,i,t] x[n,i,p+t], t from -K//2 to K//2.

        Parameters
        ----------
        x : (N, I, *S)

        Saved for backward: x.

        Returns
        -------
        y, pullback : y is (N, O, *S); `dconv, dx = pullback(dy)`
        """
        x = arguments.feature_map(x, ("w", self.w), self.w.shape[1], self.w.ndim)
        y = _correlate(self.w, x)  # (N, O, *S)
        if self.b is not None:
            y = y + _along_channels(self.b, x.ndim)

        def conv_pullback(dy: Array) -> tuple[Self, Array]:
            dy = arguments.cotangent(dy, y)
            positions = (0, *range(2, x.ndim))
            # y[p] reads x[p+t] through w[t], so x[q] went to y[q-t]: the kernel flipped, i <-> o.
            flipped = np.flip(self.w, axis=tuple(range(2, x.ndim))).swapaxes(0, 1)
            dx = _correlate(flipped, dy)  # (N, I, *S)
            # dw[o,i,t] = Σ dy[n,o,p] x[n,i,p+t]
            dw = np.tensordot(dy, _windows(x, self.w.shape[2:]), axes=(positions, positions))
            db = None if self.b is None else dy.sum(axis=positions)  # (O,)
            return type(self)(dw, db), dx

        return y, conv_pullback


def _windows(x: Array, kernel: tuple[int, ...]) -> Array:
    """Return what each output position sees, a view of the padded `x`: (N, I, *S, *K)."""
    margin = [(0, 0), (0, 0), *((size // 2, size // 2) for size in kernel)]
    return sliding_window_view(np.pad(x, margin), kernel, axis=tuple(range(2, x.ndim)))


def _correlate(w: Array, x: Array) -> Array:
    taps = range(2, w.ndim)
    w, windows = np.ascontiguousarray(w), _windows(x, w.shape[2:])
    y = np.tensordot(w, windows, axes=((1, *taps), (1, *(t + w.ndim - 2 for t in taps))))
    return np.ascontiguousarray(y.swapaxes(0, 1))  # (O, N, *S) -> (N, O, *S)


def _along_channels(b: Array, ndim: int) -> Array:
    return b.reshape(-1, *[1] * (ndim - 2))
