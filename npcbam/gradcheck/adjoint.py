"""The dot product test of a linear map and its transpose."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.cotangents import spread
from npcbam.slopes import real_leaves


def check_adjoint(
    f: Callable[[Array], Array],
    adjoint: Callable[[Array], Array],
    x: Array,
    *,
    seed: int = 0,
) -> None:
    """Check ⟨f(x'), y'⟩ = ⟨x', adjoint(y')⟩ for random x' like x and y' like f(x).

    Parameters
    ----------
    f, adjoint : a linear map and its transpose
    x : gives the shape and dtype of the map's argument; its values do not matter

    Raises
    ------
    AssertionError
        f is not linear, or the two sides differ by more than rounding can: 16 u Σ|terms|.

    >>> check_adjoint(np.cumsum, lambda y: np.cumsum(y[::-1])[::-1], np.zeros(4))
    """
    for name, given in (("f", f), ("adjoint", adjoint)):
        if not callable(given):
            raise TypeError(f"{name}: expected a function, got {type(given).__name__}")
    ((_, like),) = real_leaves("x", x)
    rng = np.random.default_rng(seed)
    u, v = (spread(rng, like.shape).astype(like.dtype) for _ in range(2))
    y = np.asarray(f(u))
    both, apart = np.asarray(f(u + v)), y + np.asarray(f(v))
    unit = max(float(np.finfo(dtype).eps) for dtype in (like.dtype, np.dtype(np.float64)))
    allowed = 16 * unit * like.size * float(np.abs(apart).max(initial=0) + np.abs(y).max(initial=0))
    if np.abs(both - apart).max(initial=0) > allowed:
        worst = float(np.abs(both - apart).max())
        raise AssertionError(f"f is not linear: f(u + v) and f(u) + f(v) differ by {worst:.3g}")
    dy = spread(rng, y.shape).astype(y.dtype)
    back = np.asarray(adjoint(dy))
    if back.shape != like.shape:
        raise AssertionError(f"adjoint: expected shape {like.shape}, got {back.shape}")
    ahead_terms, back_terms = (y * dy).astype(np.float64), (u * back).astype(np.float64)
    ahead, behind = math.fsum(ahead_terms.ravel()), math.fsum(back_terms.ravel())
    allowed = 16 * unit * float(np.abs(ahead_terms).sum() + np.abs(back_terms).sum())
    if not abs(ahead - behind) <= allowed:
        raise AssertionError(
            f"⟨f(x), y⟩ = {ahead:.17g} but ⟨x, adjoint(y)⟩ = {behind:.17g}, "
            f"off by {abs(ahead - behind):.3g}, allowed {allowed:.3g}; seed {seed}"
        )
