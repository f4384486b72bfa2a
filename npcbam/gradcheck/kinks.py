"""Ties and kinks: the rules that resolve them, and what the derivative is beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.differences import Differences
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.findings import Entry
from npcbam.gradcheck.reference import Reference

ROUNDINGS = 4  # of the arguments, within which a tie may fall either way


class Near:
    """Looks at the derivative beside the point."""

    PLACES = 12

    def __init__(
        self, reference: Reference, directions: Directions, rng: np.random.Generator
    ) -> None:
        """Look with a reference."""
        self._reference, self._directions, self.rng = reference, directions, rng

    def excuse(self, i: int, entry: Entry, dy: Array) -> Entry:
        """Let an entry at a kink that does not fit count by the derivatives beside the point.

        One kink has two slopes. Where several meet in one entry its value need not lie between left
        and right, and what a rule gives at each of them may add up to what no place nearby has.
        """
        if entry.ok or entry.index is None or not np.isfinite(entry.got):
            return entry
        leaf = self._reference.forward.layout.leaves[i]
        e = leaf.part.start + int(np.ravel_multi_index(entry.index, leaf.value.shape))
        if not entry.at_kink:
            return self._within_rounding(i, e, entry, dy)
        found = [entry.left, entry.right]
        quantiles = np.repeat(1 - 0.5 ** np.arange(self.PLACES / 2), 2)
        found += [slope for q in quantiles if np.isfinite(slope := self._slope(i, e, float(q), dy))]
        slack = 1e-5 * max(abs(entry.left), abs(entry.right), abs(entry.got)) + entry.allowed
        around = entry.but(left=min(found) - slack, right=max(found) + slack)
        if around.ok:
            return around
        several = (np.diff(np.sort(found)) > slack).sum() > 1
        return entry.but(doubt="several kinks meet in one element") if several else entry

    def _within_rounding(self, i: int, e: int, entry: Entry, dy: Array) -> Entry:
        """Let an entry count by the slopes some roundings away, where a tie may fall otherwise."""
        if not self._reference.exact[i]:
            return entry
        v, x = self._directions.one(e), self._reference.forward.x
        found = [entry.left, entry.right]
        near = ROUNDINGS * np.finfo(np.float64).eps * np.abs(x).astype(np.float64)
        for sign in (1, -1, 1, -1):  # it wins its ties, and loses them
            away = -sign * near * self.rng.uniform(0.5, 1, x.size)
            away[e] = sign * near[e]
            value = self._reference.exactly(v, away)
            found.append(float((dy * value).sum()) / (float(v[e]) or 1.0))
        around = entry.but(left=min(found), right=max(found))
        return around if around.ok else entry

    def _slope(self, i: int, e: int, quantile: float, dy: Array) -> float:
        """Return the derivative by entry e at a random place nearby.

        Few of the others move as far up as e does at a high `quantile`, so that it wins its ties.
        """
        size = 2.0**-24 * self._directions.units
        away = size * self.rng.uniform(-1, 1, size.size)
        away[e] = size[e] * (2 * quantile - 1)
        v = self._directions.one(e)
        forward = self._reference.forward
        if self._reference.exact[i]:
            value = self._reference.exactly(v, away)
        else:
            beside = Differences(
                lambda by: forward.moved(by + away), forward.moved(away), self._reference.noise
            )
            slopes = beside.along(v * 2.0**-20).times(2.0**20)
            if (slopes.kinked & (dy != 0)).any():  # on a kink itself
                return float("nan")
            value = slopes.middle
        return float((dy * value).sum()) / (float(v[e]) or 1.0)


def rule(entries: Sequence[Entry]) -> str | None:
    """Name how the pullback resolves the ties and kinks of one leaf.

    Parameters
    ----------
    entries : those whose left and right derivatives differ

    An element of a tied maximum has a step between its left derivative, where another is the
    maximum, and its right one, where it is. Elements of one tie share the size of that step.
    """
    names: dict[str, int] = {}
    for tie in _ties(entries):
        name = _rule_of(tie)
        names[name] = names.get(name, 0) + 1
    if not names:
        return None
    return "; ".join(
        f"{name}{f' (in {count} places)' if count > 1 else ''}" for name, count in names.items()
    )


def members(entries: Sequence[Entry]) -> str | None:
    """Say which elements switch at this very point."""
    ties = _ties(entries)
    if not ties:
        return None
    listed = [f"{e.leaf}{list(e.index or ())}" for e in ties[0][:4]]
    more = f" and {len(ties[0]) - 4} more" if len(ties[0]) > 4 else ""
    what = "are tied" if len(ties[0]) > 1 else "sits on a kink"
    others = f"; {len(ties) - 1} more such places" if len(ties) > 1 else ""
    return f"{', '.join(listed)}{more} {what}{others}"


def _ties(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Group entries of one value by the size of their step from left to right."""
    groups: list[list[Entry]] = []
    for entry in entries:
        step = abs(entry.right - entry.left)
        for group in groups:
            size = abs(group[0].right - group[0].left)
            alike = group[0].leaf == entry.leaf and _equal(group[0].value, entry.value)
            if alike and abs(step - size) <= 1e-6 * size:
                group.append(entry)
                break
        else:
            groups.append([entry])
    return sorted(groups, key=len, reverse=True)


def _equal(one: float, two: float) -> bool:
    return abs(one - two) <= 1e-6 * abs(one)


def _rule_of(tie: list[Entry]) -> str:
    shares = np.array([(e.got - e.left) / (e.right - e.left) for e in tie])
    count = len(tie)

    def like(*pattern: float) -> bool:
        return bool(np.allclose(shares, pattern, atol=1e-3))

    if count == 1:
        known = {0.0: "the left derivative", 0.5: "the middle", 1.0: "the right derivative"}
        for share, name in known.items():
            if like(share):
                return f"{name} at a kink"
        return "a value between left and right at a kink"
    rest = [0.0] * (count - 1)
    if like(1.0, *rest):
        return "the first tied element takes all"
    if like(*rest, 1.0):
        return "the last tied element takes all"
    if like(*[1 / count] * count):
        return "tied elements share evenly"
    if like(*[1.0] * count):
        return "every tied element gets all of it, so that the sum is too large"
    if like(*[0.0] * count):
        return "no tied element gets any of it"
    if like(*np.eye(count)[shares.argmax()]):
        return "one tied element takes all, neither the first nor the last"
    return "tied elements share unevenly"
