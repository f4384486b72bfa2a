"""Where to draw, and what: the Axes, and one sample of two spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.cbam import CBAM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = "cividis"  # from dark to light, also in grey and to the colour-blind


def axes_or_new(ax: Axes | None) -> Axes:
    """Return `ax`, or the Axes of a new figure; raise ImportError without matplotlib."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'npcbam[plots]'") from None
    return pyplot.subplots(layout="constrained")[1]


def one_sample(cbam: CBAM, x: Array, name: str = "x") -> Array:
    """Return `x` as (1, C, H, W): features (C, H, W) or (1, C, H, W), or an image (H, W, C)."""
    arguments.layer("cbam", cbam, CBAM)
    x, channels = arguments.array(name, x), cbam.channel.mlp.w0.shape[1]
    if x.ndim == 3 and x.shape[0] != channels and x.shape[2] == channels:
        x = np.moveaxis(x, 2, 0)
    x = x[None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[:2] != (1, channels):
        raise ValueError(
            f"{name}: expected one sample, (1, {channels}, H, W), ({channels}, H, W) or "
            f"(H, W, {channels}), got {x.shape}"
        )
    return x
