"""The error of a derivative against the step that it is taken with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from npcbam.gradcheck.cotangents import spread
from npcbam.plots.axes import axes_or_new
from npcbam.slopes import STEP, Point, real_leaves

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_step_curve(
    f: Callable[..., Any], x: Any, *, seed: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw the relative error of a derivative against the step that it is taken with.

    Forward and central differences lose to the curvature of f where the step is large and to
    rounding where it is small; the complex step has only the first loss. The derivative is that
    of ⟨dy, f⟩ along v, both random, at x, in the precision of x; what is right is the complex step
    with a step too small to matter.

    Parameters
    ----------
    f : takes one array or layer and returns y, or (y, pullback); it must run on complex128
    x : real array or layer, float32 or float64
    seed : of dy and v
    ax : Axes to draw on; by default those of a new figure

    Returns
    -------
    The Axes, with one line for each method, broken at the steps that leave the domain of f

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError
        `x` has no real floating dtype.
    ValueError
        The derivative at `x` is not finite.

    >>> axes = plot_step_curve(np.sin, np.array([0.3, 1.0]))
    >>> [line.get_label() for line in axes.get_lines()]
    ['forward difference', 'central difference', 'complex step']
    """
    leaves = [leaf for _, leaf in real_leaves("x", x)]
    dtype = np.result_type(*leaves)
    rng = np.random.default_rng(seed)
    real, lifted = Point((x,), dtype), Point((x,))
    v = spread(rng, real.size)
    dys = [spread(rng, leaf.shape).astype(dtype) for leaf in real.shifted(f, {})]

    def along(point: Point, by: Any) -> Any:
        parts = zip(dys, point.shifted(f, by), strict=True)
        return sum((dy * leaf).sum() for dy, leaf in parts)

    def complex_step(h: float) -> float:
        return float(along(lifted, 1j * h * v).imag) / h

    def forward(h: float) -> float:
        return float(along(real, (h * v).astype(dtype)) - along(real, {})) / h

    def central(h: float) -> float:
        ahead, behind = (along(real, (side * h * v).astype(dtype)) for side in (1, -1))
        return float(ahead - behind) / (2 * h)

    with np.errstate(all="ignore"):
        exact = complex_step(STEP)
    if not np.isfinite(exact):
        raise ValueError(f"x: expected a point where f has a finite derivative, got {exact}")
    steps = 10.0 ** np.arange(0, -16.5, -0.5)
    axes = axes_or_new(ax)
    floor = float(np.finfo(np.float64).eps) / 2
    methods = {"forward difference": forward, "central difference": central}
    styles = ("o-", "s--", "^:")
    for style, (name, slope) in zip(
        styles, {**methods, "complex step": complex_step}.items(), strict=True
    ):
        with np.errstate(all="ignore"):  # a long step may leave the domain of f
            errors = np.array([abs(slope(float(h)) - exact) / (abs(exact) or 1) for h in steps])
        errors[~np.isfinite(errors)] = np.nan
        axes.loglog(steps, np.maximum(errors, floor), style, markersize=4, label=name)
    axes.invert_xaxis()
    axes.set_xlabel("step h, in units of the random direction")
    axes.set_ylabel("relative error of the derivative")
    axes.set_title(f"Error of a derivative against its step, {dtype}")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()
    return axes
