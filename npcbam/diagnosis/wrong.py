"""A wrong array beside the right one, and when an explanation accounts for it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from npcbam.arguments import Array

# What an explanation may leave of the error of an entry. Explained numbers come from the right
# ones by a few operations, and agree to all digits that these have; others to one or two by chance.
LEFT = 1e-6
# Units of the largest entry: what sums of a few hundred terms round to where an entry should be 0.
ROUNDING = 32
# Of its error, what an explanation may leave of a wrong entry at most, however much is allowed.
MOST = 0.1
# Of all wrong entries together, each in units of the error allowed, what it may leave.
NEARER = 0.1
# So many wrong entries, and as many right ones, are looked at first.
SAMPLE = 64


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong.

    Attributes
    ----------
    code : of the kind, a stable word
    sentence : in words
    names : of the arrays that it explains
    """

    code: str
    sentence: str
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Wrong:
    """One wrong array seen at one place: at one point, with one cotangent dy.

    Attributes
    ----------
    name : of the array, "dw"
    got, want : what came and what is right, NaN where it is not known
    allowed : the error allowed, by entry
    argument : the argument whose cotangent this is, named `name` without its d
    arguments : all arguments by name
    y, dy : the results and their cotangents, by the names of the results
    others : the other right cotangents by name
    jacobian : (m, n), of every entry of the results, flat and in the order of `y`, by every entry
        of the argument; NaN in the columns that are not known
    sizes : numbers with a name, such as {"N": 4}, which may be a factor; by default the lengths
        of the axes of all arrays
    """

    name: str
    got: Array
    want: Array
    allowed: Array | float
    argument: Array | None = None
    arguments: Mapping[str, Array] = field(default_factory=dict)
    y: Mapping[str, Array] = field(default_factory=dict)
    dy: Mapping[str, Array] = field(default_factory=dict)
    others: Mapping[str, Array] = field(default_factory=dict)
    jacobian: Array | None = None
    sizes: Mapping[str, float] | None = None

    @functools.cached_property
    def known(self) -> Array:
        """Where the right value is known."""
        return np.asarray(np.isfinite(self.want))

    @functools.cached_property
    def off(self) -> Array:
        """By how much each entry is off: 0 where it is not known, infinite where it is NaN."""
        with np.errstate(all="ignore"):
            off = np.where(self.known, np.abs(self.got - self.want), 0.0)
        return np.where(np.isnan(off), np.inf, off)

    @functools.cached_property
    def wrong(self) -> Array:
        """Which entries are wrong."""
        return np.asarray(self.off > self.limit)

    @functools.cached_property
    def limit(self) -> Array:
        """The error allowed, by entry; where it is not known, the same share as elsewhere."""
        limit = np.broadcast_to(np.asarray(self.allowed, dtype=float), self.want.shape)
        if self.known.all() and not np.isnan(limit).any():
            return limit
        largest, size = np.nanmax(limit, initial=0), self.scale
        share = largest / size if size else 0.0
        came = np.abs(self.got) if self.got.shape == self.want.shape else size
        return np.where(np.isnan(limit) | ~self.known, share * came, limit)

    @functools.cached_property
    def slopes(self) -> Array | None:
        """The Jacobian, with zeros where it holds no more than the rounding of its column."""
        if self.jacobian is None or not self.jacobian.size:
            return self.jacobian
        size = np.abs(self.jacobian)
        return np.where(size <= 1e-10 * size.max(0, keepdims=True), 0.0, self.jacobian)

    @functools.cached_property
    def scale(self) -> float:
        """The largest right entry."""
        return float(np.abs(self.want[self.known]).max(initial=0))

    @functools.cached_property
    def axes(self) -> tuple[int, ...]:
        """The axes along which there is more than one index."""
        return tuple(axis for axis, size in enumerate(self.want.shape) if size > 1)

    def fits(self, made: Array, grown: Array | float = 1.0, among: Array | None = None) -> bool:
        """Tell whether numbers that a mistake would have made are those that came.

        Parameters
        ----------
        made : NaN where nothing is said; a wrong entry of which nothing is said is not explained
        grown : how many times the error allowed grows by the mistake, or the error that it makes
        among : look at these entries alone
        """
        if made.shape != self.got.shape:
            return False
        if among is None and self.want.size > 4 * SAMPLE and not self._fits_sample(made, grown):
            return False
        said = np.isfinite(made)
        if among is not None:
            said = said & among
        must = self.wrong if among is None else self.wrong & among
        if (must & ~said).any() or not said.any():
            return False
        if not np.isfinite(self.got[said]).all():
            return False
        room = self.limit * np.maximum(1.0, np.abs(grown)) + LEFT * self.off
        room = room + ROUNDING * np.finfo(float).eps * max(self.scale, _largest(made))
        # A wrong entry has to come right, by more than its own rounding would excuse.
        most = np.maximum(self.limit, MOST * self.off)
        room = np.where(self.wrong, np.minimum(room, most), room)
        gap = np.abs(self.got - made)
        touched = must | (said & self.known & (np.abs(made - self.want) > 0.1 * self.limit))
        return bool((gap <= room)[said].all()) and self._nearer(gap, touched)

    @functools.cached_property
    def sample(self) -> tuple[tuple[Array, ...], Array, Array, Array]:
        """Where some entries are, as many wrong ones as right ones, and their got, off, limit."""
        chosen = []
        for mask in (self.wrong, self.known & ~self.wrong):
            at = np.flatnonzero(mask)
            chosen.append(at[:: max(1, len(at) // SAMPLE)][:SAMPLE])
        index = np.unravel_index(np.concatenate(chosen), self.want.shape)
        limit = np.minimum(self.limit[index], np.inf)
        return index, self.got[index], self.off[index], limit

    def may_be(self, made: Array) -> bool:
        """Tell, of a few entries and whatever their rounding, whether a guess may fit."""
        index, got, off, limit = self.sample
        with np.errstate(all="ignore"):
            gap = np.abs(got - made[index])
            return bool((np.isnan(gap) | (gap <= 0.5 * off + 4 * limit.max(initial=0))).all())

    def _fits_sample(self, made: Array, grown: Array | float) -> bool:
        """Tell, of a few entries, whether a guess may fit: most are thrown out here."""
        index, got, off, limit = self.sample
        grown = np.abs(np.broadcast_to(np.asarray(grown), self.want.shape)[index])
        with np.errstate(all="ignore"):
            gap = np.abs(got - made[index])
            largest = max(self.scale, float(np.abs(got).max(initial=0)))
            room = limit * np.maximum(1.0, grown) + LEFT * off
            room = room + ROUNDING * np.finfo(float).eps * max(largest, _largest(made[index]))
            # Where nothing is said all is open; a sum of millions may round more.
            return bool((np.isnan(gap) | (gap <= 2 * room)).all())

    def _nearer(self, gap: Array, must: Array) -> bool:
        """Tell whether the entries that a mistake changes are much nearer to it than to right."""
        off, gap = self.off[must], gap[must]
        if not off.size or np.isinf(off).any():
            return not off.size
        size = np.maximum(self.limit[must], 1e-12 * np.maximum(off, gap))
        size[size == 0] = 1
        left, was = np.square(gap / size).sum(), np.square(off / size).sum()
        return bool(left <= NEARER**2 * was)


def _largest(a: Array) -> float:
    return float(np.abs(a[np.isfinite(a)]).max(initial=0))
