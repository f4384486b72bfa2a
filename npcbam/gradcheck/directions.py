"""Directions to differentiate along: random, in units of what they move."""

from __future__ import annotations

import numpy as np

from npcbam.checks import Array
from npcbam.gradcheck import kinks
from npcbam.gradcheck.contract import Trial


class Directions:
    """Draws directions in the space of all arguments, laid end to end."""

    def __init__(self, trial: Trial) -> None:
        """Draw from the randomness of `trial`."""
        self._trial = trial

    def along(self, i: int | None = None, own: bool = False) -> Array:
        """Return a random direction in leaf i, or in all.

        It is in units of each leaf's scale, or of each element's `own`, where that is not 0.
        """
        v = np.zeros(self._trial.size)
        for k, part in enumerate(self._trial.parts):
            if i in (None, k):
                sizes = np.abs(self._trial.leaves[k].ravel().astype(np.float64))
                units = np.where(sizes > 0, sizes, self.scale(k)) if own else self.scale(k)
                v[part] = units * kinks.spread(self._trial.rng, part.stop - part.start)
        return v

    def together(self, i: int, still: float | None = None) -> Array:
        """Return a random direction in leaf i in which equal values move equally."""
        leaf, v = self._trial.leaves[i], np.zeros(self._trial.size)
        moves = self.scale(i) * kinks.together(self._trial.rng, leaf)
        v[self._trial.parts[i]] = np.where(leaf == still, 0, moves).ravel()
        return v

    def blocks(self, i: int, v: Array, count: int) -> list[Array]:
        """Split a direction in leaf i into those in `count` blocks of about one size."""
        inside = np.arange(v.size)[self._trial.parts[i]]
        return [only(v, block) for block in np.array_split(inside, count)]

    def scale(self, i: int) -> float:
        """Return the largest magnitude in leaf i, and 1 where all is 0."""
        return self._trial.largest(i) or 1.0

    def scales(self) -> Array:
        """Return the scale of its leaf for each element of all arguments."""
        sizes = [leaf.size for leaf in self._trial.leaves]
        return np.repeat([self.scale(i) for i in range(len(sizes))], sizes)


def only(v: Array, inside: Array) -> Array:
    """Return `v` where it is `inside`, and 0 elsewhere."""
    part = np.zeros_like(v)
    part[inside] = v[inside]
    return part
