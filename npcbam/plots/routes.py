"""The routes on which dy goes back to x: dx as their sum, and a picture of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.plots.axes import COLOURS, axes_or_new, one_sample
from npcbam.routes import Gains, pulled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAPS = {"channel": "Mc", "spatial": "Ms"}
POOLS = {"avg": "mean"}
COLUMNS = 3
DECADES = 5  # what is smaller by more than this is drawn as dark as it gets


def gradient_routes(cbam: CBAM, x: Array, dy: Array) -> dict[str, Array]:
    """Split dx into the routes that it came by, which add up to it.

    A route is named after the last map on the way back to x: what Ms hands down to F' and Mc then
    hands on through its pools belongs to Mc.

    Parameters
    ----------
    cbam : the CBAM that computed y
    x, dy : (N, C, *S), the input and the cotangent of y

    Returns
    -------
    dict
        "product", which passes no map; one for each pool of each map, such as "Mc by mean"; and
        "residual" where x is added to y. Each is shaped as x.

    >>> cbam = CBAM.init(0, channels=16)
    >>> x = np.random.default_rng(1).normal(size=(1, 16, 4, 3))
    >>> routes = gradient_routes(cbam, x, np.ones_like(x))
    >>> list(routes)
    ['product', 'Mc by mean', 'Mc by max', 'Ms by mean', 'Ms by max']
    >>> dx = cbam.vjp(x)[1](np.ones_like(x))[1]
    >>> bool(np.allclose(sum(routes.values()), dx, rtol=1e-12))
    True
    """
    arguments.layer("cbam", cbam, CBAM)
    dy = arguments.cotangent(dy, cbam(x))
    return {name: pulled(cbam, x, dy, shut)[1] for name, shut in _shut(cbam).items()}


def plot_gradient_routes(cbam: CBAM, x: Array, dy: Array, *, ax: Axes | None = None) -> Axes:
    """Draw each route of dx, and dx itself, as a heat map: how much arrives at each position.

    How much is the Euclidean norm over the channels, on one logarithmic scale for all. A route's
    share is ⟨route, dx⟩ / ⟨dx, dx⟩; the shares add up to 1, and one that works against the others
    is negative.

    Parameters
    ----------
    cbam : the CBAM that computed y
    x, dy : the input and the cotangent of y, (C, H, W) or (1, C, H, W), or images (H, W, C), of
        the dtype of the parameters
    ax : Axes to draw on; by default those of a new figure

    Returns
    -------
    The Axes, with one image for each route and a last one for dx

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `x` is no sample that `cbam` takes, `dy` is not shaped as x, or dx is 0 or not finite.

    >>> x = np.random.default_rng(1).normal(size=(16, 8, 6))
    >>> axes = plot_gradient_routes(CBAM.init(0, channels=16), x, np.ones_like(x))
    >>> len(axes.get_images())
    6
    """
    routes = gradient_routes(cbam, one_sample(cbam, x), one_sample(cbam, dy, "dy"))
    dx = np.sum(list(routes.values()), axis=0)
    square = float((dx * dx).sum())
    if not 0 < square < np.inf:
        raise ValueError(f"dy: expected one whose dx is finite and not 0, got ‖dx‖² = {square}")
    panels = {
        f"{name}\nshare {_rounded(float((route * dx).sum()) / square)}": route
        for name, route in routes.items()
    }
    axes = axes_or_new(ax)
    _draw(axes, {name: np.sqrt((d * d).sum((0, 1))) for name, d in {**panels, "dx": dx}.items()})
    axes.set_title("The routes of dx: how much arrives at each position")
    return axes


def _shut(cbam: CBAM) -> dict[str, Gains]:
    """Return which gains are 0 for one route alone to be left."""
    names = ["channel", "spatial"] if cbam.spatial is not None else ["channel"]
    if cbam.order == "spatial-first":
        names.reverse()
    parallel = cbam.order == "parallel" and cbam.spatial is not None
    maps = {f"{name} map": 0.0 for name in names}
    routes: dict[str, dict[str, float]] = {"product": {**maps}}
    for i, name in enumerate(names):
        # In turn, what reaches a map came through all that are applied after it.
        others = [other for other in names if other != name] if parallel else names[:i]
        shut = {f"{other} map": 0.0 for other in others}
        shut[f"{'channel' if parallel else name} features"] = 0.0
        pools = [pool.name for pool in getattr(cbam, name).pools]
        for pool in pools:
            rest = {f"{name} {other}": 0.0 for other in pools if other != pool}
            routes[f"{MAPS[name]} by {POOLS.get(pool, pool)}"] = shut | rest
    if cbam.residual:
        routes = {name: shut | {"residual": 0.0} for name, shut in routes.items()}
        routes["residual"] = maps | {f"{name} features": 0.0 for name in names}
    return dict(routes)


def _rounded(share: float) -> str:
    return f"{share:.2g}" if abs(share) < 0.995 else f"{share:.3g}"


def _draw(axes: Axes, panels: dict[str, Array]) -> None:
    """Draw panels in rows, the name of each above it, on one colour scale."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    rows, columns = next(iter(panels.values())).shape
    side = max(rows, columns)
    across, down = 1.05 * side, rows + 0.3 * side  # with room for two lines of text above
    top = float(max(panel.max() for panel in panels.values()))
    norm = LogNorm(top / 10**DECADES, top)
    colours = colormaps[COLOURS].with_extremes(bad="black")  # where nothing arrives at all
    for i, (name, panel) in enumerate(panels.items()):
        left, above = i % COLUMNS * across + (side - columns) / 2, i // COLUMNS * down
        extent = (left, left + columns, above + rows, above)
        image = axes.imshow(panel, cmap=colours, norm=norm, extent=extent, interpolation="nearest")
        middle, edge = left + columns / 2, above - 0.02 * side
        axes.text(middle, edge, name, size="small", ha="center", va="bottom")
    lines = -(-len(panels) // COLUMNS)
    axes.set(xlim=(0, (COLUMNS - 1) * across + side), xticks=[], yticks=[])
    axes.set_ylim((lines - 1) * down + rows, rows - down)
    axes.set_xlabel(f"each panel: {rows} rows, {columns} columns of positions")
    axes.set_frame_on(False)
    bar = axes.inset_axes((1.03, 0, 0.03, 1))
    axes.figure.colorbar(image, cax=bar, label="norm over the channels", extend="min")
