"""Looking at entries one by one, and asking twice about those that are off."""

from __future__ import annotations

import math

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.columns import Columns, Move
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.kinks import Near
from npcbam.gradcheck.numbers import Numbers
from npcbam.gradcheck.reference import Reference
from npcbam.gradcheck.seen import Seen

# So many entries that are off are shown to the second reference, until it agrees on one.
CONFIRMED = 12


class Singly:
    """Compares entries by themselves.

    Attributes
    ----------
    columns : what moves them
    wrong : for each leaf, the entries that are off by the first reference
    certain : leaves of which one entry at least is off by both
    """

    def __init__(
        self, numbers: Numbers, reference: Reference, directions: Directions, near: Near
    ) -> None:
        """Compare with a reference."""
        self._numbers, self._reference, self._directions = numbers, reference, directions
        self._near, self._rng = near, near.rng
        self._layout = numbers.forward.layout
        self.columns = Columns(reference, directions)
        self.wrong: dict[int, set[int]] = {}
        self.certain: set[int] = set()

    def entries(self, i: int, entries: Array, both: bool) -> Seen:
        """Look at some entries of leaf i, from `both` sides where they may sit on a kink."""
        seen = Seen(looked=int(entries.size))
        waiting: list[Array] = []
        for move in self.columns.moves(i, entries, both):
            alone = not self._directions.bound(i)
            compared = self._numbers.compare(i, move, alone=True)
            steps = np.abs(move.v[move.entries]) if alone else np.ones(1)
            seen.allowed = max(seen.allowed, float((compared.allowed / steps).max(initial=0)))
            seen.jumps |= bool(move.slopes.jumps.any())
            off, worst = compared.off, compared.worst
            if off.any():
                seen.wrong += int(off.sum())
                waiting.append(self._worst_first(move, off))
                self.wrong.setdefault(i, set()).update(map(int, move.entries[off]))
                worst = [entry for entry in worst if entry.ok]
            seen.entries += worst
            seen.kinked += self._on_kinks(move)
        if waiting and i not in self.certain:
            seen.take(self._confirmed(i, np.concatenate(waiting), both))
        return seen

    def _worst_first(self, move: Move, off: Array) -> Array:
        """Return the entries that are off; those that sit on no kink before the others."""
        sums = move.sums(self._numbers.asked[0].dy)
        kinked = sums.high - sums.low > 2 * sums.error
        entries = move.entries[off]
        return np.concatenate([entries[~kinked[off]], entries[kinked[off]]])

    def _on_kinks(self, move: Move) -> list[Array]:
        sums = move.sums(self._numbers.asked[0].dy)
        at = sums.high - sums.low > 2 * sums.error
        return [move.entries[at]] if at.any() else []

    def _confirmed(self, i: int, entries: Array, both: bool) -> Seen:
        """Ask the second reference about entries that are off, until it says so of one too."""
        seen = Seen()
        for e in entries[:CONFIRMED]:
            (move,) = self.columns.moves(i, np.array([e]), both, second=True)
            compared = self._numbers.compare(i, move, alone=True)
            if not all(math.isfinite(each.left + each.right) for each in compared.worst):
                doubt = "no second reference has a value"
                seen.entries.append(compared.worst[0].but(left=0.0, right=0.0, doubt=doubt))
                continue
            pairs = zip(compared.worst, self._numbers.asked, strict=True)
            seen.entries += [self._near.excuse(i, each, asked.dy) for each, asked in pairs]
            if any(not each.ok and not each.doubt for each in seen.entries):
                self.certain.add(i)
                return seen
            step = float(np.abs(move.v[e])) or 1.0
            seen.allowed = max(seen.allowed, float(compared.allowed.max()) / step)
        if entries.size > CONFIRMED:
            first = seen.entries[0]
            seen.entries.append(first.but(doubt=f"{entries.size} entries are off by one reference"))
        return seen

    def entries_for(self, i: int, calls: int) -> Array:
        """Return as many entries of leaf i as can be had for some calls of f, wrong ones first."""
        leaf = self._layout.leaves[i]
        inside = np.arange(leaf.part.start, leaf.part.stop)
        each = 1 if self._reference.exact[i] else 10
        found = self.columns.apart(i)
        moves = inside.size if found is None else len(found.groups)
        if moves * each <= calls:
            return inside
        if found is not None:
            return found.groups[0]
        first = np.array(sorted(self.wrong.get(i, ())), int)[: calls // each]
        rest = np.setdiff1d(inside, first)
        count = max(calls // each - first.size, 0)
        drawn = self._rng.choice(rest, min(count, rest.size), replace=False)
        return np.sort(np.concatenate([first, drawn]))
