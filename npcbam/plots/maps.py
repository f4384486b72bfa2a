"""Both attention maps: where, and which channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.plots.axes import COLOURS, axes_or_new, one_sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_maps(cbam: CBAM, x: Array, *, ax: Axes | None = None) -> Axes:
    """Draw Ms as a heat map, and Mc below it as one bar for each channel.

    Parameters
    ----------
    cbam : its maps are drawn as it applies them; of order "parallel", which adds the logits of
        both before one sigmoid, each is drawn as it would be alone
    x : features (C, H, W) or (1, C, H, W), or an image (H, W, C), of the dtype of the parameters
    ax : Axes to draw on; by default those of a new figure

    Returns
    -------
    The Axes, with a child for each map; without a spatial attention, with the bars of Mc

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `cbam` is no CBAM, or `x` no sample that it takes.

    >>> import numpy as np
    >>> axes = plot_maps(CBAM.init(0, channels=16), np.ones((16, 8, 6)))
    >>> [child.get_title() for child in axes.child_axes]
    ['Ms: the gate of each position', 'Mc: the gate of each channel']
    """
    mc, ms = _maps(cbam, one_sample(cbam, x))
    axes = axes_or_new(ax)
    if ms is None:
        _draw_bars(axes, mc)
    else:
        _draw_both(axes, mc, ms)
    return axes


def _draw_both(axes: Axes, mc: Array, ms: Array) -> None:
    # Children stay within `axes` for maps of any shape, and under any layout of the figure.
    axes.set_axis_off()
    above, below = axes.inset_axes((0, 0.46, 0.88, 0.54)), axes.inset_axes((0, 0, 0.88, 0.22))
    image = above.imshow(ms[0, 0], cmap=COLOURS, interpolation="nearest")
    bar = above.inset_axes((1.04, 0, 0.04, 1))
    axes.figure.colorbar(image, cax=bar, label="gate")
    above.set(title="Ms: the gate of each position", xlabel="column", ylabel="row")
    _draw_bars(below, mc)


def _draw_bars(axes: Axes, mc: Array) -> None:
    from matplotlib.ticker import MaxNLocator

    gates = mc.ravel()
    width = 0.8 if gates.size <= 32 else 1.0  # gaps between many would hide the bars
    axes.bar(range(gates.size), gates, color="0.45", width=width)
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle="--")  # σ(0): no opinion
    axes.set(title="Mc: the gate of each channel", xlabel="channel", ylabel="gate", ylim=(0, 1))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _maps(cbam: CBAM, x: Array) -> tuple[Array, Array | None]:
    if cbam.spatial is None:
        return cbam.channel(x), None
    if cbam.order == "channel-first":
        mc = cbam.channel(x)
        return mc, cbam.spatial(mc * x)
    ms = cbam.spatial(x)
    return cbam.channel(ms * x if cbam.order == "spatial-first" else x), ms
