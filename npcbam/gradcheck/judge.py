"""Holding the cotangents against the derivative, entry by entry."""

from __future__ import annotations

import functools
import math

import numpy as np

from npcbam import tree
from npcbam.checks import Array
from npcbam.derivative import ComplexStep, Direction, Point, Ridders, Slope
from npcbam.gradcheck import kinks
from npcbam.gradcheck.contract import Kept, Trial, flat
from npcbam.gradcheck.report import Entry, GradReport, LeafCheck, Outcome

EVERY_ENTRY = 2048  # leaves up to this size are checked entry by entry,
DIRECTIONS = 4  # larger ones in blocks of that size, each along this many random directions,
MOST_BLOCKS = 16  # in larger blocks where there were more than these

# The allowed error is derived from the run itself. Each term is a rounding of the arguments' own
# precision, with the room that sums of many terms need:
SUM = 4  # of the terms |dy ∂y/∂x| that add up to the entry,
NOISE = 16  # of what the pullback's result moves by when its arguments move by some roundings,
FLOOR = 4  # and of the largest |dy y|, below which y itself cannot tell.
COARSE = 0.01  # a run that would pass a larger error than this, relative, can tell nothing


class Judge:
    """Compares what a pullback gave with the derivative of its forward."""

    def __init__(self, trial: Trial, kept: Kept) -> None:
        """Choose the derivative to judge by."""
        self._trial, self._kept, self._rng = trial, kept, trial.rng
        self._reference, self.doubt = self._choose(kept.dy)
        self._naturals: dict[int, float] = {}
        self._exact = isinstance(self._reference, ComplexStep)

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
        outcome, code, reason = _decide(seen, entries, kinky)
        switch = kinks.members(kinky)
        if self._exact and (outcome != "right" or kinky):
            switch = "; ".join(filter(None, [switch, self._next_switch()]))
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

    # The derivative to judge by

    def _choose(self, dy: list[Array]) -> tuple[ComplexStep | Ridders, str]:
        trial = self._trial
        ridders = Ridders(trial.f, self._real_point(), dy)
        try:
            step = ComplexStep(trial.f, Point(trial.args), dy)
            step.slope(np.zeros(trial.size))
        except Exception as error:  # whatever f raises on complex arguments
            ridders.listen(self._along())
            return ridders, f"f does not run on complex128: {type(error).__name__}"
        ridders.listen(self._along())
        if self._analytic(step, ridders):
            return step, ""
        return ridders, "on complex128 f has another derivative, as with abs, real and conj"

    def _real_point(self) -> Point:
        """Return the point in float64 or better where f takes that, else in its own dtype."""
        own = np.result_type(*(leaf.dtype for leaf in self._trial.leaves))
        wide = np.result_type(np.float64, own)
        try:
            point = Point(self._trial.args, wide)
            if all(leaf.dtype == wide for leaf in point.shifted(self._trial.f, {})):
                return point
        except Exception:  # f need not take a wider dtype
            pass
        return Point(self._trial.args, own)

    def _analytic(self, step: ComplexStep, ridders: Ridders) -> bool:
        """Hold the complex step against finite differences, away from the kinks of this point."""
        agreed = 0
        for shift in (2.0**-10, 2.0**-8, 2.0**-6):
            # Each element by a part of itself, so that none leaves the domain of a logarithm.
            away, v = (size * self._along(own=True) for size in (shift, 1))
            try:
                fine, rough = step.slope(v, away=away), ridders.slope(v, away=away)
            except Exception:  # f need not be defined there
                continue
            room = 20 * rough.error + 1e-7 * max(fine.scale, rough.scale)
            agreed += abs(fine.value - rough.value) <= room
        return agreed >= 2

    # Directions and their slopes

    def _along(self, i: int | None = None, own: bool = False) -> Array:
        """Return a random direction in leaf i, or in all.

        It is in units of each leaf's scale, or of each element's `own`, where that is not 0.
        """
        v = np.zeros(self._trial.size)
        for k, part in enumerate(self._trial.parts):
            if i in (None, k):
                sizes = np.abs(self._trial.leaves[k].ravel().astype(np.float64))
                units = np.where(sizes > 0, sizes, self._scale(k)) if own else self._scale(k)
                v[part] = units * kinks.spread(self._rng, part.stop - part.start)
        return v

    def _together(self, i: int, still: float | None = None) -> Array:
        """Return a random direction in leaf i in which equal values move equally."""
        leaf, v = self._trial.leaves[i], np.zeros(self._trial.size)
        moves = self._scale(i) * kinks.together(self._rng, leaf)
        v[self._trial.parts[i]] = np.where(leaf == still, 0, moves).ravel()
        return v

    def _scale(self, i: int) -> float:
        return self._trial.largest(i) or 1.0

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
            reached = self._reference.reach(self._along(i))
            terms = zip(self._kept.terms, reached, strict=True)
            largest = max((float(term[hit].max(initial=0)) for term, hit in terms), default=0.0)
            self._naturals[i] = largest / self._trial.span(i)
        return self._naturals[i]

    # One leaf

    def _leaf(self, i: int, directions: int | None) -> tuple[LeafCheck, list[Entry]]:
        part, leaf = self._trial.parts[i], self._trial.leaves[i]
        left, right = self._sides(self._along(i), both=True)
        kinked = left.apart(right)
        if directions is None and leaf.size <= EVERY_ENTRY:
            entries = [self._entry(i, e, kinked) for e in range(part.start, part.stop)]
            how, size = "every entry", [max(abs(e.left), abs(e.right)) for e in entries]
            size += [float(np.abs(self._kept.g[part]).max())]
            caught = 2 * max(e.allowed for e in entries)
        else:
            blocks = 1 if directions or kinked else min(MOST_BLOCKS, -(-leaf.size // EVERY_ENTRY))
            count = blocks * (directions or DIRECTIONS)
            entries = [self._direction(i, kinked, k % blocks, blocks) for k in range(count)]
            how = f"{count} direction{'s' * (count > 1)}"
            size = [float(np.abs(self._kept.g[part]).max())]
            # A direction has at least half of the leaf's scale in every entry.
            caught = 2 * max(e.allowed for e in entries) / (0.5 * self._scale(i))
        extra = self._joint(i) if kinked else []
        extra += self._other_cotangent(i)
        worst = max(entries + extra, key=lambda e: e.badness)
        seen = LeafCheck(
            leaf=self._trial.names[i],
            size=leaf.size,
            how=how,
            worst=worst,
            caught=caught,
            scale=max(size, default=0.0),
            quiet=self._quiet(i, max(left.error, right.error)),
        )
        return seen, entries + extra

    def _quiet(self, i: int, error: float) -> float:
        """Return the size up to which a gradient of leaf i is nothing but rounding."""
        known = error if error <= 1e-6 * self._natural(i) else 0.0
        return NOISE * self._kept.noise[i] + known

    def _entry(self, i: int, e: int, kinked: bool) -> Entry:
        # Finite differences step in units of the leaf; the complex step has no step to scale.
        unit = 1.0 if self._exact else self._scale(i)
        left, right = (s.times(1 / unit) for s in self._sides({e: unit}, kinked))
        allowed = max(self._allowed(i, left, 1), self._allowed(i, right, 1))
        entry = self._compare(i, e, float(self._kept.g[e]), left, right, allowed)
        return entry if entry.ok else self._look_around(e, entry)

    def _compare(
        self, i: int, e: int | None, got: float, left: Slope, right: Slope, allowed: float
    ) -> Entry:
        index = None
        if e is not None:
            offset = e - self._trial.parts[i].start
            index = tuple(int(k) for k in np.unravel_index(offset, self._trial.leaves[i].shape))
        at_kink = left.apart(right)
        name = self._trial.names[i]
        return Entry(name, index, got, left.value, right.value, allowed, at_kink=at_kink)

    def _direction(self, i: int, kinked: bool, block: int, blocks: int) -> Entry:
        v = self._together(i) if kinked else self._along(i)
        if blocks > 1:
            part = self._trial.parts[i]
            ends = np.linspace(part.start, part.stop, blocks + 1).astype(int)
            v[: ends[block]] = v[ends[block + 1] :] = 0
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
        return self._compare(
            i, None, math.fsum(g * v), left, right, self._allowed(i, right, length)
        )

    def _joint(self, i: int) -> list[Entry]:
        """Compare along directions in which tied elements move together, where those are smooth."""
        found = []
        for still in (None, 0.0, None, 0.0):
            entry = self._sum(i, self._together(i, still), self._reference, self._kept.g)
            if not entry.at_kink:
                found.append(entry)
        return found

    def _other_cotangent(self, i: int) -> list[Entry]:
        """Compare once more with another dy: a pullback must be linear in it."""
        dy = self._kept.other_dy
        reference = type(self._reference)(self._trial.f, self._reference.point, dy)
        v = self._together(i)
        entry = self._sum(i, v, reference, self._kept.other_g)
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
            inside = max(halves, key=lambda half: self._mismatch(half, v))
        entry = self._entry(i, int(inside[0]), kinked)
        # Errors that only add up to too much have no single place.
        return self._sum(i, v, self._reference, self._kept.g) if entry.ok else entry

    def _mismatch(self, half: Array, v: Array) -> float:
        only = np.zeros_like(v)
        only[half] = v[half]
        gap = abs(math.fsum(self._kept.g[half] * v[half]) - self._reference.slope(only).value)
        return math.inf if math.isnan(gap) else gap

    # What lies around the point

    def _look_around(self, e: int, entry: Entry) -> Entry:
        """Let an entry that does not fit count by what the derivative is right beside the point.

        Two roundings away, because a tie within rounding may fall either way; and at a kink at
        random places where it is resolved, because where several kinks meet in one element its
        value need not lie between left and right.
        """
        if math.isnan(entry.error):
            return entry
        if not self._exact:
            jumps = self._pullback_jumps(e, entry.error)
            return entry.but(doubt="too near to a kink for finite differences") if jumps else entry
        rounding = 4 * self._trial.unit * np.abs(flat(self._trial.args))
        values = [self._slope_near(e, rounding) for _ in range(8)]
        if entry.at_kink:
            quantiles = np.repeat(1 - 0.5 ** np.arange(12.0), 4)
            values += [self._slope_near(e, 2.0**-24 * self._scales(), q) for q in quantiles]
        slack = 1e-5 * max(abs(entry.left), abs(entry.right), abs(entry.got)) * entry.at_kink
        values += [entry.left, entry.right]
        around = entry.but(left=min(values) - slack, right=max(values) + slack)
        if around.ok:
            return around
        # One kink has two slopes. Where many meet, what a rule gives at each of them may add up to
        # what no place nearby has.
        steps = np.diff(np.sort(values)) > slack + entry.allowed
        many = entry.at_kink and steps.sum() > 1
        return entry.but(doubt="several kinks meet in one element") if many else entry

    def _slope_near(self, e: int, size: Array, quantile: float | None = None) -> float:
        away = size * self._rng.uniform(-1, 1, self._trial.size)
        if quantile is not None:  # few of the others reach as high, so that e wins some of its ties
            away[e] = size[e] * (2 * quantile - 1)
        return self._reference.slope({e: 1.0}, away=away).value

    def _scales(self) -> Array:
        sizes = [leaf.size for leaf in self._trial.leaves]
        return np.repeat([self._scale(i) for i in range(len(sizes))], sizes)

    def _pullback_jumps(self, e: int, error: float) -> bool:
        """Tell whether the pullback itself jumps near the point, by as much as the error."""
        ts = [2.0**-k for k in range(8, 37, 4)]
        r = self._along()
        moves = [abs(self._gradient(t * r)[e] - self._gradient(-t * r)[e]) for t in ts]
        for near, far in zip(moves[1:], moves, strict=False):
            # What is smooth shrinks by 16, as t does.
            steady, drops = far < 8 * near, near < far / 64
            if far >= error / 2 and (steady or drops):
                return True
        return False

    def _gradient(self, away: Array) -> Array:
        own = iter(
            (leaf + away[part].reshape(leaf.shape)).astype(leaf.dtype)
            for leaf, part in zip(self._trial.leaves, self._trial.parts, strict=True)
        )
        y, pullback = self._trial.run(tree.replace_leaves(self._trial.args, own))
        dy = tree.replace_leaves(y, iter([d.copy() for d in self._kept.dy]))
        return self._trial.cotangents(pullback(dy))

    def _next_switch(self) -> str | None:
        """Say how near the next switch is along random lines, and what gives way to what."""
        found = []
        for _ in range(3):
            r, v = self._along(), self._along()
            try:
                t = kinks.nearest_switch(functools.partial(self._slope_along, r, v))
                if t is not None:
                    near = [self._gradient(t * (1 + side) * r) for side in (1e-4, -1e-4)]
                    found.append((abs(t), np.argsort(-np.abs(near[0] - near[1]))[:2]))
            except Exception:  # f need not be defined there
                continue
        if not found:
            return "no other within half of the arguments' scale along three random lines"
        t, switched = min(found, key=lambda switch: switch[0])
        places = " and ".join(self._named(int(e)) for e in switched)
        return f"the next is {t:.2g} of the arguments' scale away on a random line, at {places}"

    def _slope_along(self, r: Array, v: Array, t: float) -> float:
        return self._reference.slope(v, away=t * r).value

    def _named(self, e: int) -> str:
        i = next(k for k, part in enumerate(self._trial.parts) if part.start <= e < part.stop)
        offset = e - self._trial.parts[i].start
        index = np.unravel_index(offset, self._trial.leaves[i].shape)
        return f"{self._trial.names[i]}{[int(k) for k in index]}"


def _decide(
    seen: list[LeafCheck], entries: list[Entry], kinky: list[Entry]
) -> tuple[Outcome, str, str]:
    """Return the outcome, its code and its sentence."""
    wrong = [e for e in entries if not e.ok and not e.doubt and math.isfinite(e.left + e.right)]
    if wrong:
        worst = max(wrong, key=lambda e: e.badness)
        if not math.isfinite(worst.got):
            return "wrong", "nan", str(worst)
        # Another cotangent counts only where the first one was right.
        first = [e for e in wrong if not e.other]
        if not first:
            return "wrong", "nonlinear", f"the pullback is not linear in dy: {worst}"
        rule = kinks.rule([e for e in kinky if e.leaf == worst.leaf])
        told = f"; {rule}" if rule else ""
        return "wrong", "mismatch", f"{max(first, key=lambda e: e.badness)}{told}"
    if not all(math.isfinite(e.left + e.right) for e in entries):
        return "cannot tell", "nonfinite", "the derivative is not finite at this point"
    doubtful = [e for e in entries if e.doubt]
    if doubtful:
        return "cannot tell", "kink", f"{doubtful[0].doubt}: {doubtful[0]}"
    for leaf in seen:
        if leaf.caught > COARSE * leaf.scale and leaf.scale > leaf.quiet:
            reason = (
                f"the derivative is too rough here: an error of {leaf.caught:.2g} in d{leaf.leaf}, "
                f"whose largest entry is {leaf.scale:.2g}, would have passed"
            )
            return "cannot tell", "resolution", reason
    at = " (this point sits on a kink)" if kinky else ""
    return "right", "right", f"all cotangents agree with the derivative{at}"
