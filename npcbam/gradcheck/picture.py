"""A picture of where the wrong entries of a cotangent lie.

Every entry is a cell, the darker the further it is off. More than two axes are folded onto the two
of the picture, an image for each index of the others; large arrays are pooled, the worst entry of
a block standing for all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.pages import text

# What a cell can be: 4 where it is off by a tenth of the worst or more, one less for each power of
# ten less, down to 0, and then:
NAN, UNKNOWN, NOTHING = 5, 6, 7
LEGEND = (
    (4, "off by a tenth of the worst or more"),
    (3, "by a hundredth"),
    (2, "by a thousandth"),
    (1, "by a ten-thousandth"),
    (0, "equal, or nearly"),
    (NAN, "not finite"),
    (UNKNOWN, "not looked at"),
)
MOST = 64  # cells along a side
WIDTH, LARGEST = 336, 28  # of a picture, and of a cell, in pixels
MARGIN = 20  # for the names of the axes

STYLE = """\
:root { --mark: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --mark: #ff8a80; } }
.e1, .e2, .e3, .e4, .e5 { fill: var(--mark); }
.e1 { fill-opacity: 0.2; } .e2 { fill-opacity: 0.4; } .e3 { fill-opacity: 0.7; }
.e6 { fill: var(--ink); fill-opacity: 0.18; }
.x, .lines { stroke: var(--back); fill: none; } .x { stroke-width: 2; }
.lines { stroke: var(--line); }
.heat text { fill: var(--soft); font-size: 12px; }
.heat { max-width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; padding: 0; margin: 0.5rem 0;
  list-style: none; font-size: 0.8125rem; color: var(--soft); }
.legend svg { display: inline-block; vertical-align: -2px; margin-right: 0.35rem; }
"""


@dataclass(frozen=True)
class Fold:
    """How the axes of an array lie on a picture's two sides."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def lay(self, array: Array) -> Array:
        """Return the array with two axes."""
        size = math.prod(array.shape[axis] for axis in self.rows)
        return array.transpose(*self.rows, *self.columns).reshape(size, -1)

    def said(self, axes: tuple[int, ...], shape: tuple[int, ...]) -> str:
        """Say which axes lie along a side, and how long they are."""
        parts = [f"axis {axis}: {shape[axis]}" for axis in axes]
        return " × ".join(parts)


def fold(ndim: int) -> Fold:
    """Lay the last two axes down and across, and those before them in turn.

    >>> fold(4)
    Fold(rows=(0, 2), columns=(1, 3))
    """
    last = range(ndim - 2, ndim) if ndim > 1 else range(ndim)
    rows = [last[0]] if ndim > 1 else []
    columns = [last[-1]] if ndim else []
    for i, axis in enumerate(reversed(range(max(ndim - 2, 0)))):
        (columns, rows)[i % 2].insert(0, axis)
    return Fold(tuple(rows), tuple(columns))


def grades(got: Array, want: Array) -> Array:
    """Return for each entry how far it is off, 0 to 4, or that it is NAN or UNKNOWN."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        off = np.abs(np.asarray(got, np.float64) - want)
        known, finite = ~np.isnan(want), np.isfinite(off)
        most = off[known & finite].max(initial=0.0)
        powers = np.ceil(np.log10(off / most)) if most else np.full(off.shape, -np.inf)
    grade = np.clip(np.nan_to_num(powers, nan=-4.0) + 4, 0, 4)
    grade = np.where(finite, grade, NAN)
    return np.where(known, grade, UNKNOWN).astype(int)


def picture(got: Array, want: Array, name: str) -> str:
    """Return a figure: a cell for each entry, the darker the further `got` is from `want`."""
    shape = want.shape
    folded = fold(len(shape))
    cells, across, down = _grid(grades(got, want), folded)
    pooled, block = _pool(cells)
    rows, columns = pooled.shape
    side = min(LARGEST, (WIDTH - MARGIN) / max(rows, columns))
    body = "".join(_cell(i, j, side, int(grade)) for (i, j), grade in np.ndenumerate(pooled))
    lines = _lines(folded, shape, cells.shape, (rows, columns), side)
    width, height = columns * side, rows * side
    words = (
        f'<text x="{MARGIN}" y="14">{text(across)}</text>'
        f'<text transform="translate(5 {MARGIN}) rotate(90)">{text(down)}</text>'
    )
    wide = max(width + MARGIN, MARGIN + 7 * len(across)) + 1
    tall = max(height, 7 * len(down)) + MARGIN + 1
    said = _caption(got, want, name, block)
    return (
        f'<figure><svg class="heat" role="img" aria-label="{text(said)}" width="{wide:.0f}" '
        f'height="{tall:.0f}" viewBox="0 0 {wide:.0f} {tall:.0f}">{words}'
        f'<g shape-rendering="crispEdges" transform="translate({MARGIN} {MARGIN})">'
        f"{body}{lines}</g></svg>"
        f"<figcaption>{text(said)}</figcaption></figure>"
    )


def legend() -> str:
    """Return what the shades say."""
    items = [
        f'<li><svg width="14" height="14">{_cell(0, 0, 14, grade)}'
        f'<rect class="lines" width="14" height="14"/></svg>{text(said)}</li>'
        for grade, said in LEGEND
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _grid(grade: Array, folded: Fold) -> tuple[Array, str, str]:
    """Return the cells of a picture, and what stands beside its two sides."""
    shape = grade.shape
    if len(shape) < 2 and grade.size > MOST:
        # A long vector is read like a page, its last line filled up.
        width = math.ceil(math.sqrt(grade.size))
        lines = math.ceil(grade.size / width)
        cells = np.full(lines * width, NOTHING)
        cells[: grade.size] = grade
        return cells.reshape(lines, width), f"axis 0: {grade.size}, in lines of {width}", ""
    across = folded.said(folded.columns, shape) or "one number"
    return folded.lay(grade), across, folded.said(folded.rows, shape)


def _pool(cells: Array) -> tuple[Array, tuple[int, int]]:
    """Let the worst entry of a block stand for it, so that no side has more than MOST cells."""
    by = (math.ceil(cells.shape[0] / MOST), math.ceil(cells.shape[1] / MOST))
    full = [math.ceil(n / b) * b for n, b in zip(cells.shape, by, strict=True)]
    rank = np.array([2, 3, 4, 5, 6, 7, 1, 0])  # of the grades, nothing and unknown last
    grade = np.argsort(rank)
    padded = np.zeros(full, int)
    padded[: cells.shape[0], : cells.shape[1]] = rank[cells]
    blocks = padded.reshape(full[0] // by[0], by[0], full[1] // by[1], by[1])
    return grade[blocks.max((1, 3))], by


def _cell(i: int, j: int, side: float, grade: int) -> str:
    """Draw one cell; one that is equal is left blank, one that is not finite crossed out."""
    if grade in (0, NOTHING):
        return ""
    x, y = f"{j * side:.2f}", f"{i * side:.2f}"
    drawn = f'<rect class="e{grade}" x="{x}" y="{y}" width="{side:.2f}" height="{side:.2f}"/>'
    if grade == NAN:
        way = f"M{x} {y}l{side:.2f} {side:.2f}m0 {-side:.2f}l{-side:.2f} {side:.2f}"
        drawn += f'<path class="x" d="{way}"/>'
    return drawn


def _lines(
    folded: Fold,
    shape: tuple[int, ...],
    cells: tuple[int, ...],
    drawn: tuple[int, int],
    side: float,
) -> str:
    """Draw the frame, and a line between the images that a fold puts side by side."""
    rows, columns = drawn
    width, height = columns * side, rows * side
    way = f"M0 0H{width:.2f}V{height:.2f}H0Z"
    down = shape[folded.rows[-1]] if len(folded.rows) > 1 else 0
    right = shape[folded.columns[-1]] if len(folded.columns) > 1 else 0
    if down and cells[0] // down <= MOST // 2:
        way += "".join(
            f"M0 {at * height / cells[0]:.2f}H{width:.2f}" for at in range(down, cells[0], down)
        )
    if right and cells[1] // right <= MOST // 2:
        way += "".join(
            f"M{at * width / cells[1]:.2f} 0V{height:.2f}" for at in range(right, cells[1], right)
        )
    return f'<path class="lines" d="{way}"/>'


def _caption(got: Array, want: Array, name: str, block: tuple[int, int]) -> str:
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(np.asarray(got, np.float64) - want)
    most = off[np.isfinite(off)].max(initial=0.0)
    said = f"|d{name} - derivative|: at most {most:.3g}"
    if block != (1, 1):
        said += f"; a cell is the worst of {block[0]} × {block[1]} entries"
    return said
