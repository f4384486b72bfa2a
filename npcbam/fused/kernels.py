"""The few passes over memory that all else is made of, each in the quickest way that NumPy has.

Measured on one core, in entries of float32 a nanosecond:

- A ufunc that broadcasts copies short rows into a buffer first, at 4, unless less than two rows fit
  into it: then at 10. Hence `BUFFER`.
- Stores from the start of a cache line: 10, from elsewhere: 4. Hence `aligned`.
- The inner loop of a short row takes longer to start than to run. Rows are laid end to end to be
  long; and where that cannot be, BLAS writes the product of a column and a row, at 9.
- A sum as a product with ones: 17, as a sum: 3.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.types import Pullback

LINE = 64  # bytes
# Rows below this are short, in entries.
SHORT = 256
# So many entries make a row that is long enough.
LONG = 2048
# What NumPy's vector loop for maxima takes at a time.
LANES = 16
# Entries of a ufunc's buffer.
BUFFER = 512


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an empty array that starts on a cache line."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


class Memory:
    """Memory for one block after the other, which thus stays in the cache."""

    def __init__(self, block: Array) -> None:
        self.flat = aligned((block.size,), block.dtype)

    def like(self, x: Array) -> Array:
        """Return room in the shape of `x`, which may be too large for it."""
        return (
            self.flat[: x.size].reshape(x.shape) if x.size <= self.flat.size else np.empty_like(x)
        )


def outer(column: Array, row: Array, out: Array, shift: Array | float = 0) -> Array:
    """Write column row + shift into `out`, (N, C, P): (N, C, 1) times (N, 1, P) plus (N, C, 1).

    As a product of (N, C, 2) and (N, 2, P), because of (N, C, 1) NumPy makes no BLAS call.
    """
    columns = np.empty((*column.shape[:2], 2), out.dtype)
    columns[:, :, :1], columns[:, :, 1:] = column, shift
    rows = np.ones((len(row), 2, row.shape[2]), out.dtype)
    rows[:, :1] = row
    return np.matmul(columns, rows, out=out)


def gate_channels(x: Array, mc: Array, out: Array) -> Array:
    """Write x times a column (N, C, 1) into `out`."""
    if x.shape[2] >= SHORT:
        return np.multiply(x, mc, out=out)
    return np.multiply(x, outer(mc, np.ones((len(x), 1, x.shape[2]), x.dtype), out), out=out)


def sigmoid_vjp(z: Array) -> tuple[Array, Pullback]:
    """Compute `pointwise.sigmoid_vjp(z)` of real z, and the slope only when it is asked for."""
    e = np.exp(-np.abs(z))
    y = np.where(z >= 0, z.dtype.type(1), e)
    y /= 1 + e

    def sigmoid_pullback(dy: Array) -> Array:
        slope: Array = dy * (e / np.square(1 + e))
        return slope

    return y, sigmoid_pullback


def sum_over(x: Array, axis: int) -> Array:
    """Return the sums over the channels, (N, 1, P), or over the positions, (N, C, 1)."""
    n, channels, size = x.shape
    if axis == 1:
        return np.ones((1, channels), x.dtype) @ x
    return (x.reshape(-1, size) @ np.ones(size, x.dtype)).reshape(n, channels, 1)


def max_over(x: Array, axis: int) -> Array:
    """Return the maxima over the channels, (N, 1, P), or over the positions, (N, C, 1)."""
    n, channels, size = x.shape
    if axis == 2:
        return _row_max(x.reshape(-1), size).reshape(n, channels, 1)
    k = _fold(channels, size)
    top = np.maximum.reduce(x.reshape(n, channels // k, k * size), axis=1)
    return np.maximum.reduce(top.reshape(n, k, size), axis=1, keepdims=True)


def _row_max(flat: Array, size: int) -> Array:
    """Return the maximum of each row of `size` entries.

    reduceat starts a row sooner than reduce. It takes the first entry, then `LANES` at a time, then
    the rest one by one. A long rest costs more than all before in a short row, which is therefore
    read as two runs that overlap.
    """
    starts = np.arange(0, flat.size, size)
    rest = (size - 1) % LANES
    if not LANES < size < SHORT or rest <= LANES // 2:
        return np.maximum.reduceat(flat, starts)
    # Where a run starts before the last one ended, as the third does, the second is one entry.
    runs = starts[:, None] + np.array([0, size - rest, size - LANES - 1])
    tops = np.maximum.reduceat(flat, runs.reshape(-1)).reshape(-1, 3)
    return np.maximum(tops[:, 0], tops[:, 2])


@functools.cache
def _fold(channels: int, size: int) -> int:
    """Return how many channels are laid end to end: a divisor of them all."""
    most = max(1, min(channels, LONG // size))
    return next(k for k in range(most, 0, -1) if channels % k == 0)
