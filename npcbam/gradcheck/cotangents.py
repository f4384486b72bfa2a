"""Which cotangents a pullback is asked for: a random one first, then those that show more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array

# A pullback is linear, so that no size may matter; what clips, or has a dead zone, shows here.
FAR = 1e6


@dataclass(frozen=True, eq=False)
class Cotangent:
    """One cotangent of all results.

    Attributes
    ----------
    dy : (m,) its entries
    size : of its largest entries, that of the first being 1
    name : what it is, for the report; empty for the first
    """

    dy: Array
    size: float
    name: str


def spread(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Array:
    """Return random signs times magnitudes from 0.5 to 1.5: nothing hides, nothing repeats."""
    return rng.choice([-1.0, 1.0], size=shape) * rng.uniform(0.5, 1.5, size=shape)


def draw(
    rng: np.random.Generator, size: int, rounded: Callable[[Array], Array], largest: float
) -> list[Cotangent]:
    """Return the cotangents to ask for.

    `rounded` brings them to the precision of the results, which ends at `largest`.
    """
    far = min(FAR, 2.0 ** int(np.log2(largest) / 4))
    first, other = spread(rng, size), 4 * spread(rng, size)
    holes = np.where(rng.random(size) < 0.5, spread(rng, size), 0.0)
    asked = [
        Cotangent(first, 1.0, ""),
        Cotangent(other, 4.0, "another dy"),
        Cotangent(far * spread(rng, size), far, f"a dy {far:.3g} times as large"),
        Cotangent(spread(rng, size) / far, 1 / far, f"a dy {1 / far:.3g} times as large"),
    ]
    if size > 1 and not holes.all() and holes.any():
        asked.append(Cotangent(holes, 1.0, "a dy with zeros in it"))
    return [Cotangent(rounded(each.dy), each.size, each.name) for each in asked]


def in_other_order(array: Array) -> Array:
    """Return an equal array that lies in memory in another order."""
    if array.ndim > 1 and min(array.shape) > 1:
        return np.array(array, order="F")
    if array.size < 2:
        return array.copy()
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    view: Array = wide[..., ::2]
    return view
