"""Directions to differentiate along: random, in units of what they move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.cotangents import spread
from npcbam.gradcheck.domain import Domain, projected, units
from npcbam.gradcheck.layout import Layout
from npcbam.gradcheck.noise import together


class Directions:
    """Draws directions in the space of all arguments, laid end to end.

    Attributes
    ----------
    units : (n,) in what steps each entry is moved; 0 where its domain has no room
    """

    def __init__(
        self, layout: Layout, domains: Sequence[Domain | None], rng: np.random.Generator
    ) -> None:
        """Measure the entries of all leaves."""
        self._layout, self._domains, self._rng = layout, domains, rng
        self._x = layout.vector(np.float64)
        self.units = np.zeros(layout.size)
        for leaf, domain in zip(layout.leaves, domains, strict=True):
            x = self._x[leaf.part].reshape(leaf.value.shape)
            self.units[leaf.part] = units(x, domain).ravel()

    def along(self, entries: Array | slice) -> Array:
        """Return a random direction in these entries."""
        v = np.zeros(self._layout.size)
        v[entries] = self.units[entries]
        return self._allowed(v * spread(self._rng, v.size))

    def one(self, entries: Array | int) -> Array:
        """Return the direction that moves these entries, each by its unit."""
        v = np.zeros(self._layout.size)
        v[entries] = self.units[entries]
        return self._allowed(v)

    def shorter(self, v: Array) -> Array:
        """Return a direction in which no entry moves by more than its own size.

        Where f ends near an entry that is much smaller than others, the probes stay inside so.
        """
        size = np.abs(self._x)
        return v * np.where((v != 0) & (size > 0), np.minimum(1.0, size / np.abs(v)), 1.0)

    def bound(self, i: int) -> bool:
        """Tell whether moving one entry of leaf i moves others with it."""
        return self._domains[i] in ("symmetric", "simplex")

    def joint(self, i: int | None = None, still: float | None = None) -> Array:
        """Return a random direction in leaf i, or in all, in which equal values move equally.

        What equals `still` stays. Leaves that are bound to a domain stay too where they are joined
        with others.
        """
        leaves = self._layout.leaves if i is None else [self._layout.leaves[i]]
        v = np.zeros(self._layout.size)
        inside = np.concatenate([np.arange(leaf.part.start, leaf.part.stop) for leaf in leaves])
        x = self._x[inside]
        sizes = np.abs(x)
        typical = float(np.median(sizes[sizes > 0])) if sizes.any() else 1.0
        far = np.where(sizes > 0, sizes, typical) * (self.units[inside] > 0)
        if i is not None and self._domains[i] is not None:
            far = np.minimum(far, self.units[inside])  # which are equal for equal values
        v[inside] = far * together(self._rng, x)
        if still is not None:
            v[inside] = np.where(x == still, 0, v[inside])
        for leaf, domain in zip(self._layout.leaves, self._domains, strict=True):
            if i is None and domain is not None:
                v[leaf.part] = 0
        return self._allowed(v)

    def _allowed(self, v: Array) -> Array:
        for leaf, domain in zip(self._layout.leaves, self._domains, strict=True):
            if domain is not None and v[leaf.part].any():
                shape = leaf.value.shape
                part, x = v[leaf.part].reshape(shape), self._x[leaf.part].reshape(shape)
                v[leaf.part] = projected(part, x, domain).ravel()
        return v
