"""Holding the cotangents against the derivative, leaf by leaf."""

from __future__ import annotations

import math

import numpy as np

from npcbam.checks import Array
from npcbam.gradcheck import kinks
from npcbam.gradcheck.around import Around
from npcbam.gradcheck.contract import Kept, Trial
from npcbam.gradcheck.directions import Directions, only
from npcbam.gradcheck.reference import choose
from npcbam.gradcheck.report import Entry, GradReport, LeafCheck
from npcbam.gradcheck.verdict import decide
from npcbam.slopes import ComplexStep, Direction, Ridders, Slope

EVERY_ENTRY = 2048  # leaves up to this size are checked entry by entry, unless they pass
BLOCK = 32  # along one random direction in each block of this size, by the complex step,
SHARP = 1e-6  # and no error above this part of the largest entry would have passed so.
DIRECTIONS = 4  # Larger leaves are checked along this many directions in blocks of EVERY_ENTRY,
MOST_BLOCKS = 16  # in larger blocks where there were more than these.

# The allowed error is derived from the run itself. Each term is a rounding of the arguments' own
# precision, with the room that sums of many terms need:
SUM = 4  # of the terms |dy ∂y/∂x| that add up to the entry,
NOISE = 16  # of what the pullback's result moves by when its arguments move by some roundings,
FLOOR = 4  # and of the largest |dy y|, below which y itself cannot tell.

# What was compared, how, and the least error of an entry that would have been caught.
Checked = tuple[list[Entry], str, float]


class Judge:
    """Compares what a pullback gave with the derivative of its forward."""

    def __init__(self, trial: Trial, kept: Kept) -> None:
        """Choose the derivative to judge by."""
        self._trial, self._kept = trial, kept
        self._directions = Directions(trial)
        self._reference, self.doubt = choose(trial, kept.dy)
        self._around = Around(trial, kept, self._reference)
        self._naturals: dict[int, float] = {}
        self._exact = self._reference.exact

    def verdict(self, directions: int | None, seed: int) -> GradReport:
        """Look at every leaf and say what was found."""
        seen: list[LeafCheck] = []
        entries: list[Entry] = []
        for i, leaf in enumerate(self._trial.leaves):
            if leaf.size:
                looked, checked = self._leaf(i, directions)
                entries += checked
                seen.append(looked)
        kinky = [e for e in entries if e.index is not None and e.at_kink]
        outcome, code, reason = decide(seen, entries, kinky)
        switch = kinks.members(kinky)
        if self._exact and (outcome != "right" or kinky):
            switch = "; ".join(filter(None, [switch, self._around.next_switch()]))
        doubt = f" ({self.doubt})" if self.doubt else ""
        return GradReport(
            outcome=outcome,
            code=code,
            reason=reason,
            seed=seed,
            reference=self._reference.name + doubt,
            leaves=tuple(seen),
            ties=kinks.rule(kinky),
            switch=switch or None,
        )

    # Slopes, and the error allowed to them

    def _sides(self, v: Direction, both: bool) -> tuple[Slope, Slope]:
        """Return the derivatives from the left and from the right."""
        if both:
            return self._reference.slope(v, -1), self._reference.slope(v, 1)
        slope = self._reference.slope(v)
        return slope, slope

    def _allowed(self, i: int, slope: Slope, length: float) -> float:
        """Return the error allowed to a cotangent of leaf i along a direction of this length."""
        rounding = SUM * self._trial.unit * slope.scale
        floor = FLOOR * self._trial.unit * self._natural(i)
        noise = NOISE * self._kept.noise[i]
        return rounding + (noise + floor + self._trial.tiny) * length + slope.error

    def _natural(self, i: int) -> float:
        """Return the derivative by which the range of leaf i would account for the largest |dy y|.

        Only results that the leaf reaches count: the roundings of others are not its own.
        """
        if i not in self._naturals:
            reached = self._reference.reach(self._directions.along(i))
            terms = zip(self._kept.terms, reached, strict=True)
            largest = max((float(term[hit].max(initial=0)) for term, hit in terms), default=0.0)
            self._naturals[i] = largest / self._trial.span(i)
        return self._naturals[i]

    # One leaf

    def _leaf(self, i: int, directions: int | None) -> tuple[LeafCheck, list[Entry]]:
        left, right = self._sides(self._directions.along(i), both=True)
        kinked = left.apart(right)
        if directions or self._trial.leaves[i].size > EVERY_ENTRY:
            entries, how, caught = self._at_random(i, directions, kinked)
        else:
            entries, how, caught = self._in_blocks(i, kinked) or self._every_entry(i, kinked)
        size = [max(abs(e.left), abs(e.right)) for e in entries if e.index is not None]
        extra = self._joint(i) if kinked else []
        extra += self._other_cotangent(i)
        seen = LeafCheck(
            leaf=self._trial.names[i],
            size=self._trial.leaves[i].size,
            how=how,
            worst=max(entries + extra, key=lambda e: e.badness),
            caught=caught,
            scale=max([self._largest(i), *size]),
            quiet=self._quiet(i, max(left.error, right.error)),
        )
        return seen, entries + extra

    def _every_entry(self, i: int, kinked: bool) -> Checked:
        part = self._trial.parts[i]
        entries = [self._entry(i, e, kinked) for e in range(part.start, part.stop)]
        return entries, "every entry", 2 * max(e.allowed for e in entries)

    def _in_blocks(self, i: int, kinked: bool) -> Checked | None:
        """Compare in small blocks; None if that leaves anything open.

        The complex step is exact along any direction, so that no entry's error can hide but
        behind those of others, to all digits and by chance.
        """
        size = self._trial.leaves[i].size
        if kinked or not self._exact or size <= BLOCK:
            return None
        moves = self._directions.blocks(i, self._directions.along(i), -(-size // BLOCK))
        entries = []
        for v in moves:
            slope = self._reference.slope(v)
            allowed = self._allowed(i, slope, float(np.linalg.norm(v)))
            entries.append(self._compare(i, None, _dot(self._kept.g, v), slope, slope, allowed))
        caught = self._caught(i, entries)
        settled = all(e.ok for e in entries) and caught <= SHARP * self._largest(i)
        return (entries, _directions(len(entries)), caught) if settled else None

    def _at_random(self, i: int, directions: int | None, kinked: bool) -> Checked:
        size = self._trial.leaves[i].size
        blocks = 1 if directions or kinked else min(MOST_BLOCKS, -(-size // EVERY_ENTRY))
        count = blocks * (directions or DIRECTIONS)
        entries = [self._direction(i, kinked, k % blocks, blocks) for k in range(count)]
        return entries, _directions(count), self._caught(i, entries)

    def _caught(self, i: int, entries: list[Entry]) -> float:
        """Return the least error of one entry that no direction lets pass."""
        # A direction has at least half of the leaf's scale in every entry.
        return 2 * max(e.allowed for e in entries) / (0.5 * self._directions.scale(i))

    def _largest(self, i: int) -> float:
        return float(np.abs(self._kept.g[self._trial.parts[i]]).max())

    def _quiet(self, i: int, error: float) -> float:
        """Return the size up to which a gradient of leaf i is nothing but rounding."""
        known = error if error <= 1e-6 * self._natural(i) else 0.0
        return NOISE * self._kept.noise[i] + known

    # One comparison

    def _entry(self, i: int, e: int, kinked: bool) -> Entry:
        # Finite differences step in units of the leaf; the complex step has no step to scale.
        unit = 1.0 if self._exact else self._directions.scale(i)
        left, right = (s.times(1 / unit) for s in self._sides({e: unit}, kinked))
        allowed = max(self._allowed(i, left, 1), self._allowed(i, right, 1))
        entry = self._compare(i, e, float(self._kept.g[e]), left, right, allowed)
        return entry if entry.ok else self._around.excuse(e, entry)

    def _compare(
        self, i: int, e: int | None, got: float, left: Slope, right: Slope, allowed: float
    ) -> Entry:
        index = None if e is None else self._trial.place(e)[1]
        at_kink = left.apart(right)
        name = self._trial.names[i]
        return Entry(name, index, got, left.value, right.value, allowed, at_kink=at_kink)

    def _direction(self, i: int, kinked: bool, block: int, blocks: int) -> Entry:
        whole = self._directions.together(i) if kinked else self._directions.along(i)
        v = self._directions.blocks(i, whole, blocks)[block]
        entry = self._sum(i, v, self._reference, self._kept.g)
        if entry.at_kink:
            return entry.but(doubt="at a kink that no joint move of equal elements avoids")
        return entry if entry.ok else self._localise(i, v, kinked)

    def _sum(self, i: int, v: Array, reference: ComplexStep | Ridders, g: Array) -> Entry:
        """Compare ⟨g, v⟩ with the derivative along v."""
        left, right = reference.slope(v, -1), reference.slope(v, 1)
        if not self._exact and not left.apart(right):
            left = right = reference.slope(v)
        length = float(np.linalg.norm(v))
        return self._compare(i, None, _dot(g, v), left, right, self._allowed(i, right, length))

    def _joint(self, i: int) -> list[Entry]:
        """Compare along directions in which tied elements move together, where those are smooth."""
        found = []
        for still in (None, 0.0, None, 0.0):
            v = self._directions.together(i, still)
            entry = self._sum(i, v, self._reference, self._kept.g)
            if not entry.at_kink:
                found.append(entry)
        return found

    def _other_cotangent(self, i: int) -> list[Entry]:
        """Compare once more with another dy: a pullback must be linear in it."""
        dy = self._kept.other_dy
        reference = type(self._reference)(self._trial.f, self._reference.point, dy)
        entry = self._sum(i, self._directions.together(i), reference, self._kept.other_g)
        if entry.at_kink:
            return []
        growth = max(float(np.abs(d).max(initial=0)) for d in dy)
        return [entry.but(allowed=entry.allowed * max(1.0, growth), other=True)]

    def _localise(self, i: int, v: Array, kinked: bool) -> Entry:
        """Find an entry that the mismatch along v comes from, halving the leaf."""
        part = self._trial.parts[i]
        inside = np.arange(part.start, part.stop)
        while inside.size > 1:
            halves = np.array_split(inside, 2)
            inside = max(halves, key=lambda half: self._mismatch(only(v, half)))
        entry = self._entry(i, int(inside[0]), kinked)
        # Errors that only add up to too much have no single place.
        return self._sum(i, v, self._reference, self._kept.g) if entry.ok else entry

    def _mismatch(self, v: Array) -> float:
        gap = abs(_dot(self._kept.g, v) - self._reference.slope(v).value)
        return math.inf if math.isnan(gap) else gap


def _dot(g: Array, v: Array) -> float:
    """Return ⟨g, v⟩; NaN where g is not finite somewhere that v goes."""
    terms = g[v != 0] * v[v != 0]
    return math.fsum(terms) if np.isfinite(terms).all() else math.nan


def _directions(count: int) -> str:
    return f"{count} direction{'s' * (count > 1)}"
