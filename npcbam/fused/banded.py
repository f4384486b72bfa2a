"""The correlation of a few planes as products with banded matrices, for speed.

Along the last axis a correlation is a product with a matrix that holds the kernel's row once for
each output, one step further down: a band. For the other axes the rows are shifted and the products
added. A band is mostly zeros, and still quicker than to gather what each position sees, because
nothing is copied and BLAS does all the work; rows longer than `TILE` are cut, so that the zeros do
not outgrow the work.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from npcbam.arguments import Array
from npcbam.conv import Conv
from npcbam.types import LayerPullback

TILE = 32


@dataclass(frozen=True, eq=False)
class Bands:
    """A kernel as banded matrices, for maps of one shape.

    Attributes
    ----------
    w : (O, I, *K) kernel with odd sizes
    space : the spatial shape *S of the maps
    matrices : (*K[:-1], I * (tile + K[-1] - 1), O * tile)
    tile, tiles : how many outputs along the last axis one matrix gives, and how often
    """

    w: Array
    space: tuple[int, ...]
    matrices: Array
    tile: int
    tiles: int

    @classmethod
    def of(cls, w: Array, space: tuple[int, ...]) -> Bands:
        """Lay `w` along the diagonals."""
        outputs, inputs, *kernel = w.shape
        tiles = math.ceil(space[-1] / TILE)
        tile = math.ceil(space[-1] / tiles)
        shape = (*kernel[:-1], inputs, tile + kernel[-1] - 1, outputs, tile)
        full = np.zeros(shape, w.dtype)
        _diagonals(full, kernel[-1])[...] = w.transpose(*range(2, w.ndim - 1), 1, -1, 0)[..., None]
        matrices = full.reshape(*kernel[:-1], shape[-4] * shape[-3], shape[-2] * shape[-1])
        return cls(w, space, matrices, tile, tiles)

    def correlate(self, rows: Array, count: int) -> Array:
        """Return the (count, O, *S) correlation of `count` maps that are laid as `rows`."""
        parts = (
            np.add.reduce(window @ matrices, axis=0)
            for window, matrices in zip(self._windows(rows), self._each(), strict=True)
        )
        total = functools.reduce(np.add, parts)
        tiled = total.reshape(*self.space[:-1], count, self.tiles, len(self.w), self.tile)
        lead = len(self.space) - 1
        moved = tiled.transpose(lead, lead + 2, *range(lead), lead + 1, lead + 3)  # (N, O, *S, ...)
        joined = moved.reshape(*moved.shape[:-2], self.tiles * self.tile)[..., : self.space[-1]]
        return np.ascontiguousarray(joined)

    def weigh(self, rows: Array, dy: Array) -> Array:
        """Return the cotangent of `w`, given the maps as `rows` and the (N, O, *S) `dy`."""
        outputs, inputs, *kernel = self.w.shape
        wide = np.zeros((*dy.shape[:-1], self.tiles * self.tile), dy.dtype)
        wide[..., : self.space[-1]] = dy
        drows = self._tiled(wide, self.tile).reshape(*self.space[:-2], -1, outputs * self.tile)
        products = [window.swapaxes(-1, -2) @ drows for window in self._windows(rows)]
        deep = tuple(range(1, 1 + len(self.space[:-2])))
        dmatrices = np.stack([product.sum(axis=deep) for product in products])
        full = dmatrices.reshape(*kernel[:-1], inputs, -1, outputs, self.tile)
        dw = _diagonals(full, kernel[-1]).sum(axis=-1)  # (*K[:-1], I, K[-1], O)
        lead = len(kernel) - 1
        return np.ascontiguousarray(dw.transpose(-1, lead, *range(lead), lead + 1))

    def rows(self, x: Array) -> Array:
        """Lay (N, I, *S) maps out for `correlate`: (*S[:-1] + K[:-1] - 1, N * tiles, columns)."""
        kernel = self.w.shape[2:]
        wide = [*self.space[:-1], self.tiles * self.tile]
        sizes = [size + k - 1 for size, k in zip(wide, kernel, strict=True)]
        padded = np.zeros((*x.shape[:2], *sizes), x.dtype)
        inside = [slice(k // 2, k // 2 + n) for n, k in zip(self.space, kernel, strict=True)]
        padded[:, :, *inside] = x
        laid = np.ascontiguousarray(self._tiled(padded, self.tile + kernel[-1] - 1))
        return laid.reshape(*sizes[:-1], len(x) * self.tiles, self.matrices.shape[-2])

    def _tiled(self, x: Array, width: int) -> Array:
        """View (N, I, *S) as (*S[:-1], N, tiles, I, width), one tile after the other."""
        *others, step = x.strides
        *lead, last = range(2, x.ndim)
        shape = (*x.shape[:-1], self.tiles, width)
        # As as_strided, which takes longer than all the rest.
        tiled: Array = np.ndarray(shape, x.dtype, x, 0, (*others, self.tile * step, step))
        return tiled.transpose(*lead, 0, last, 1, last + 1)

    def _windows(self, rows: Array) -> Iterator[Array]:
        """Yield what the taps of the second last axis read, (K, ..., rows, columns), all at once.

        For each tap of the axes before that; they overlap in memory, which BLAS does not mind.
        """
        if len(self.space) == 1:
            yield rows[None]
            return
        *outer, kernel = self.w.shape[2:-1]
        for tap in itertools.product(*map(range, outer)):
            part = rows[tuple(slice(t, t + n) for t, n in zip(tap, self.space, strict=False))]
            *strides, down, across, right = part.strides
            shape = (kernel, *part.shape[:-3], self.space[-2] * part.shape[-2], part.shape[-1])
            yield as_strided(part, shape, (down, *strides, across, right))

    def _each(self) -> Iterator[Array]:
        """Yield the matrices for each of the windows."""
        *lead, down, across = self.matrices.shape
        deep = [1] * len(self.space[:-2])
        return iter(self.matrices.reshape(-1, (lead or [1])[-1], *deep, down, across))


def banded_vjp(
    conv: Conv, bands: Bands, flipped: Callable[[], Bands], x: Array
) -> tuple[Array, LayerPullback[Conv]]:
    """Compute `conv.vjp(x)` by its bands.

    Parameters
    ----------
    bands, flipped : the bands of conv.w, and of its adjoint when asked for
    x : (N, I, *S)

    Saved for backward: x as padded rows. The zeros of a band would make NaN of all infinite
    numbers in a row, so that maps with any take the readable way.
    """
    if not np.isfinite(x).all():
        return conv.vjp(x)
    rows = bands.rows(x)
    y = bands.correlate(rows, len(x))  # (N, O, *S)
    if conv.b is not None:
        y += conv.b.reshape(-1, *[1] * (x.ndim - 2))

    def banded_pullback(dy: Array) -> tuple[Conv, Array]:
        if not np.isfinite(dy).all():
            return conv.vjp(x)[1](dy)
        back = flipped()
        dx = back.correlate(back.rows(dy), len(dy))  # (N, I, *S)
        db = None if conv.b is None else dy.sum(axis=(0, *range(2, dy.ndim)))
        return Conv(bands.weigh(rows, dy), db), dx

    return y, banded_pullback


def adjoint(w: Array) -> Array:
    """Return the kernel of the input gradient: flipped, with inputs and outputs exchanged."""
    return np.flip(w, axis=tuple(range(2, w.ndim))).swapaxes(0, 1)


def _diagonals(full: Array, size: int) -> Array:
    """View (..., I, tile + K - 1, O, tile) as (..., I, K, O, tile): [j, o, u] is [u + j, o, u]."""
    *lead, down, across, right = full.strides
    *sizes, _, outputs, tile = full.shape
    strides = (*lead, down, across, down + right)
    return as_strided(full, (*sizes, size, outputs, tile), strides)
