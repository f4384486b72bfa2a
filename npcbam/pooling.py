"""Pooling over any axes: mean, max, lp and log-sum-exp.

Each pool sees its input as rows: the pooled axes are moved to the end and flattened, so that a
pool is a function of the last axis. The results keep the pooled axes, with size 1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.types import Pullback

TIES = ("first", "even")


def mean(x: Array, axes: Sequence[int]) -> Array:
    """Return the mean over `axes`; see `mean_vjp`."""
    return mean_vjp(x, axes)[0]


def mean_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
    """Average: y = (1/M) Σ x over the M elements of `axes`.

    Parameters
    ----------
    x : array of any shape
    axes : the axes to pool, kept with size 1

    Saved for backward: nothing but the shape.

    >>> mean(np.array([[1.0, 3.0], [5.0, 7.0]]), axes=(1,))
    array([[2.],
           [6.]])
    """
    rows, _, pooled = _rows(x, axes)
    y = rows.mean(axis=-1).reshape(pooled)
    shape, count = x.shape, x.dtype.type(rows.shape[-1])

    def mean_pullback(dy: Array) -> Array:
        dy = arguments.cotangent(dy, y)
        return np.full(shape, dy / count)

    return y, mean_pullback


def max(x: Array, axes: Sequence[int], ties: str = "first") -> Array:  # noqa: A001
    """Return the maximum over `axes`; see `max_vjp`."""
    return max_vjp(x, axes, ties)[0]


def max_vjp(x: Array, axes: Sequence[int], ties: str = "first") -> tuple[Array, Pullback]:
    """Take the largest: y = max x over `axes`; NaN wins over all.

    Parameters
    ----------
    x : array of any shape; complex numbers are ordered by real, then by imaginary part
    axes : the axes to pool, kept with size 1
    ties : who gets the gradient where several elements are the largest: "first" in row-major
        order, as in `torch.max(dim)` and adaptive max pooling, or all of them "even"ly, as in
        `torch.amax` and `jnp.max`

    Saved for backward: the index of the maximum ("first") or where it stands ("even").

    >>> y, pullback = max_vjp(np.array([2.0, 2.0, 1.0]), axes=(0,), ties="even")
    >>> pullback(np.array([6.0]))
    array([3., 3., 0.])
    """
    arguments.choice("ties", ties, TIES)
    rows, unrows, pooled = _rows(x, axes)
    index = rows.argmax(axis=-1, keepdims=True)  # (..., 1)
    top = np.take_along_axis(rows, index, axis=-1)  # (..., 1)
    y = top.reshape(pooled)
    if ties == "even":
        tied = (rows == top) | (np.isnan(rows) & np.isnan(top))  # (..., M)
        count = tied.sum(axis=-1, keepdims=True, dtype=x.dtype)  # (..., 1)

    def max_pullback(dy: Array) -> Array:
        dy = arguments.cotangent(dy, y)
        drow = dy.reshape(index.shape)
        if ties == "even":
            return unrows(np.where(tied, drow / count, dy.dtype.type(0)))
        drows = np.zeros(rows.shape, dy.dtype)
        np.put_along_axis(drows, index, drow, axis=-1)
        return unrows(drows)

    return y, max_pullback


def max_even_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
    """Take the largest; all that are tied get the gradient "even"ly, see `max_vjp`."""
    return max_vjp(x, axes, "even")


def lp(x: Array, axes: Sequence[int]) -> Array:
    """Return the Euclidean norm over `axes`; see `lp_vjp`."""
    return lp_vjp(x, axes)[0]


def lp_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
    """Take the norm: y = √Σ x² over `axes`, without overflow or underflow of the squares.

    Parameters
    ----------
    x : array of any shape
    axes : the axes to pool, kept with size 1

    Saved for backward: x and y, scaled. Where all x are 0 the gradient is taken as 0, the
    smallest of the subgradients.

    Source: pool type "lp" with p = 2 in the authors' code.

    >>> y, pullback = lp_vjp(np.array([[3.0, -4.0]]), axes=(1,))
    >>> y, pullback(np.array([[10.0]]))
    (array([[5.]]), array([[ 6., -8.]]))
    """
    rows, unrows, pooled = _rows(x, axes)
    # A power of two scales without rounding; it is a constant, so that complex x stay analytic.
    exponent = np.frexp(np.abs(rows.real).max(axis=-1, keepdims=True))[1] - 1
    unit = np.ldexp(rows.real.dtype.type(1), exponent)
    scaled = rows / unit  # (..., M)
    norm = np.sqrt(np.square(scaled).sum(axis=-1, keepdims=True))  # (..., 1)
    y = (unit * norm).reshape(pooled)

    def lp_pullback(dy: Array) -> Array:
        # dy/dx = x / y; scaled, because y itself loses its digits where it is subnormal
        dy = arguments.cotangent(dy, y)
        direction = np.divide(scaled, norm, out=np.zeros_like(scaled), where=norm != 0)
        return unrows(dy.reshape(norm.shape) * direction)

    return y, lp_pullback


def logsumexp(x: Array, axes: Sequence[int]) -> Array:
    """Return log Σ exp x over `axes`; see `logsumexp_vjp`."""
    return logsumexp_vjp(x, axes)[0]


def logsumexp_vjp(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback]:
    """Take the soft maximum: y = log Σ exp x over `axes`, shifted by the maximum.

    Parameters
    ----------
    x : array of any shape
    axes : the axes to pool, kept with size 1

    Saved for backward: softmax(x) over the pooled axes.

    Source: pool type "lse" in the authors' code.

    >>> y, pullback = logsumexp_vjp(np.array([[1000.0, 1000.0]]), axes=(1,))
    >>> y - np.log(2), pullback(np.array([[10.0]]))
    (array([[1000.]]), array([[5., 5.]]))
    """
    rows, unrows, pooled = _rows(x, axes)
    # Shifted by the real part alone, a constant, so that complex x stay analytic. The maximum
    # itself is set to 0 and not subtracted, because inf - inf is NaN.
    top = rows.real.max(axis=-1, keepdims=True)  # (..., 1)
    shifted = np.subtract(rows, top, out=np.zeros_like(rows), where=rows != top)
    with np.errstate(under="ignore"):
        e = np.exp(shifted)  # (..., M)
        total = e.sum(axis=-1, keepdims=True)  # (..., 1)
        softmax = e / total
    y = (top + np.log(total)).reshape(pooled)

    def logsumexp_pullback(dy: Array) -> Array:
        dy = arguments.cotangent(dy, y)
        return unrows(dy.reshape(total.shape) * softmax)

    return y, logsumexp_pullback


@dataclass(frozen=True)
class Pool:
    """A way to pool, with its rule for ties.

    Parameters
    ----------
    name : what it is called
    vjp : from x and the axes to pool to y, with those axes of size 1, and the pullback
    ties : the rule by which it shares a gradient among equal elements, or None if no tie matters

    >>> MAX_EVEN
    Pool(name='max', ties='even')
    """

    name: str
    vjp: Callable[[Array, Sequence[int]], tuple[Array, Pullback]] = field(repr=False)
    ties: str | None = None


AVG = Pool("avg", mean_vjp)
MAX = Pool("max", max_vjp, "first")
MAX_EVEN = Pool("max", max_even_vjp, "even")
LP = Pool("lp", lp_vjp)
LSE = Pool("lse", logsumexp_vjp)
POOLS = {pool.name: pool for pool in (AVG, MAX, LP, LSE)}


def as_pools(value: object) -> tuple[Pool, ...]:
    """Return a tuple of distinct pools, of which each may be given by its name in `POOLS`.

    Raises
    ------
    ValueError
        It is none.
    """
    given = value if isinstance(value, tuple) else ()
    named = [POOLS.get(pool) if isinstance(pool, str) else pool for pool in given]
    found = tuple(pool for pool in named if isinstance(pool, Pool))
    if not 0 < len({pool.name for pool in found}) == len(given):
        raise ValueError(f"pools: expected a tuple out of {', '.join(POOLS)}, got {value!r}")
    return found


def describe_vjp(
    x: Array, axes: Sequence[int], pools: Sequence[Pool], blend: bool
) -> tuple[list[Array], Callable[[list[Array]], Array]]:
    """Pool `x` in several ways, as both attentions do.

    Parameters
    ----------
    x : array of any shape
    axes : the axes to pool, kept with size 1
    pools : in the order of the results
    blend : give one descriptor, the mean of all, in place of one for each pool

    Saved for backward: what each pool saves.

    Returns
    -------
    descriptors, pullback : `dx = pullback(ddescriptors)`, a list like descriptors
    """
    pooled, pullbacks = zip(*(pool.vjp(x, axes) for pool in pools), strict=True)
    share = x.dtype.type(1) / x.dtype.type(len(pools))
    descriptors = [share * functools.reduce(np.add, pooled)] if blend else list(pooled)

    def describe_pullback(ddescriptors: list[Array]) -> Array:
        dpooled = [share * ddescriptors[0]] * len(pools) if blend else ddescriptors
        # Each pool read the same x: their cotangents add.
        return functools.reduce(
            np.add, (pullback(d) for pullback, d in zip(pullbacks, dpooled, strict=True))
        )

    return descriptors, describe_pullback


def _rows(x: Array, axes: Sequence[int]) -> tuple[Array, Pullback, tuple[int, ...]]:
    """Return `x` as (..., M) rows, the way back from rows to x, and the pooled shape.

    The rows are contiguous, which NumPy sums pairwise, with the smallest rounding.
    """
    x = arguments.array("x", x)
    pooled = arguments.axes(axes, x)
    order = [axis for axis in range(x.ndim) if axis not in pooled] + list(pooled)
    moved = tuple(x.shape[axis] for axis in order)
    kept = moved[: x.ndim - len(pooled)]
    pool_size = math.prod(moved[len(kept) :])
    rows = np.ascontiguousarray(x.transpose(order)).reshape(*kept, pool_size)  # (..., M)

    def unrows(drows: Array) -> Array:
        return np.ascontiguousarray(drows.reshape(moved).transpose(np.argsort(order)))

    return rows, unrows, tuple(1 if axis in pooled else n for axis, n in enumerate(x.shape))
