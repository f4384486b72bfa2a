"""What lies around the point: kinks so near that they excuse an entry, and the next switch."""

from __future__ import annotations

import functools
import math

import numpy as np

from npcbam import tree
from npcbam.checks import Array
from npcbam.gradcheck import kinks
from npcbam.gradcheck.contract import Kept, Trial, flat
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.report import Entry
from npcbam.slopes import ComplexStep, Ridders


class Around:
    """Looks at the derivative and the pullback beside the point."""

    def __init__(self, trial: Trial, kept: Kept, reference: ComplexStep | Ridders) -> None:
        """Look with the derivative that `reference` takes."""
        self._trial, self._kept, self._reference = trial, kept, reference
        self._directions, self._rng = Directions(trial), trial.rng

    def excuse(self, e: int, entry: Entry) -> Entry:
        """Let an entry that does not fit count by what the derivative is right beside the point.

        Two roundings away, because a tie within rounding may fall either way; and at a kink at
        random places where it is resolved, because where several kinks meet in one element its
        value need not lie between left and right.
        """
        if math.isnan(entry.error):
            return entry
        if not self._reference.exact:
            jumps = self._pullback_jumps(e, entry.error)
            return entry.but(doubt="too near to a kink for finite differences") if jumps else entry
        rounding = 4 * self._trial.unit * np.abs(flat(self._trial.args))
        values = [self._slope_near(e, rounding) for _ in range(8)]
        if entry.at_kink:
            near = 2.0**-24 * self._directions.scales()
            quantiles = np.repeat(1 - 0.5 ** np.arange(12.0), 4)
            values += [self._slope_near(e, near, q) for q in quantiles]
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

    def _pullback_jumps(self, e: int, error: float) -> bool:
        """Tell whether the pullback itself jumps near the point, by as much as the error."""
        ts = [2.0**-k for k in range(8, 37, 4)]
        r = self._directions.along()
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

    def next_switch(self) -> str:
        """Say how near the next switch is along random lines, and what gives way to what."""
        found = []
        for _ in range(3):
            r, v = self._directions.along(), self._directions.along()
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
        i, index = self._trial.place(e)
        return f"{self._trial.names[i]}{list(index)}"
