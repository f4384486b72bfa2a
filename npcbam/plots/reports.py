"""The table of a report of `npcbam.check`: how far each tensor is off, on each input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from npcbam.oracle.findings import Row
from npcbam.oracle.reports.report import Report
from npcbam.plots.axes import COLOURS, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The colours: 10⁻³ of the allowed error to 10³ times it. The allowed one lies in the middle.
DECADES = 3


def plot_check(report: Report, *, ax: Axes | None = None) -> Axes:
    """Draw a report's largest errors, in units of the allowed one, by tensor and by input.

    The errors are those beside a block of the conventions that were found, so that a wrong CBAM
    whose mistake is known has small ones. A number above 1 is more than rounding explains; it
    stands in a frame. A cell that was not compared is empty.

    Parameters
    ----------
    report : what `npcbam.check` returns
    ax : Axes to draw on; by default those of a new figure

    Returns
    -------
    The Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError, ValueError
        `report` is no Report, or has no rows, because nothing could be compared.

    >>> import npcbam
    >>> from npcbam.oracle import examples
    >>> axes = plot_check(npcbam.check(examples.right))
    >>> axes.get_ylabel(), axes.get_xlabel()
    ('tensor', 'input')
    """
    if not isinstance(report, Report):
        raise TypeError(f"report: expected a Report of npcbam.check, got {type(report).__name__}")
    if not report.rows:
        raise ValueError(f"report: expected one with compared tensors, got none: {report.headline}")
    axes = axes_or_new(ax)
    _draw(axes, report.rows)
    axes.set(title=f"{report.verdict}: {report.target}", xlabel="input", ylabel="tensor")
    return axes


def _draw(axes: Axes, rows: Sequence[Row]) -> None:
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Rectangle

    tensors = list(dict.fromkeys(row.tensor for row in rows))
    inputs = list(dict.fromkeys(row.input for row in rows))
    low, high = 10.0**-DECADES, 10.0**DECADES
    times = np.full((len(tensors), len(inputs)), np.nan)
    for row in rows:
        at = tensors.index(row.tensor), inputs.index(row.input)
        times[at] = np.clip(row.times, low, high)
        ink = "black" if times[at] > 1 else "white"
        said = f"{row.times:.1g}" if row.ok else f"{row.times:.2g}"
        weight = "normal" if row.ok else "bold"
        axes.text(at[1], at[0], said, color=ink, weight=weight, ha="center", va="center")
        if not row.ok:
            corner = at[1] - 0.5, at[0] - 0.5
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=2))
    image = axes.imshow(times, cmap=COLOURS, norm=LogNorm(low, high), aspect="auto")
    axes.set_xticks(range(len(inputs)), inputs)
    axes.set_yticks(range(len(tensors)), tensors)
    axes.figure.colorbar(image, ax=axes, label="largest error / allowed error", extend="both")
