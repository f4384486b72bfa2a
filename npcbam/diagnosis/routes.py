"""Single ways from a result to an entry: lost, counted twice, or made up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.guesses import Said
from npcbam.diagnosis.jacobian import flat, usable
from npcbam.diagnosis.wrong import Wrong

# So many wrong entries, and results, are looked into.
ENTRIES, RESULTS = 24, 400
# What vouches for an entry: this many seen with different dy.
SEEN = 2


def rerouted(seen: Sequence[Wrong]) -> Said | None:
    """Explain each wrong entry by the results that it lacks, or has too much."""
    w = seen[0]
    if len(seen) < SEEN or not all(usable(v) for v in seen) or not _same_point(seen):
        return None
    wrong = np.flatnonzero(np.any([v.wrong for v in seen], axis=0))
    if len(wrong) > ENTRIES or len(flat(w)) > RESULTS:
        return None
    offs = np.array([(v.got - v.want).reshape(-1)[wrong] for v in seen])
    ds = np.array([flat(v) for v in seen])
    if not np.isfinite(offs).all():
        return None
    pieces = [_one(seen, int(k), off, ds) for k, off in zip(wrong, offs.T, strict=True)]
    found = [p for p in pieces if p is not None]
    if len(found) < len(pieces):
        return None
    return _said(w, [int(k) for k in wrong], found)


def _one(seen: Sequence[Wrong], k: int, off: Array, ds: Array) -> tuple[str, list[int]] | None:
    """Return what an entry has of which results: lacks them, has them twice, or made them up."""
    j = seen[0].slopes
    assert j is not None
    column = j[:, k]
    room = np.array([float(v.limit.reshape(-1)[k]) for v in seen]) + 1e-9 * np.abs(off)
    tries = [("lacks", -column, column != 0), ("twice", column, column != 0),
             ("made up", np.ones(len(column)), column == 0),
             ("made up, negative", -np.ones(len(column)), column == 0)]  # fmt: skip
    for what, times, among in tries:
        hit = (np.abs(ds * times - off[:, None]) <= room[:, None]).all(0) & among
        if hit.any():
            return what, [int(np.flatnonzero(hit)[0])]
    return _run(ds * column, np.flatnonzero(column), off, room)


def _run(parts: Array, reached: Array, off: Array, room: Array) -> tuple[str, list[int]] | None:
    """Return the results at one end of those that an entry reaches, if it lacks these."""
    sums = np.cumsum(parts[:, reached], axis=1)
    for count in range(2, len(reached)):
        for lost, rows in ((sums[:, count - 1], reached[:count]),
                           (sums[:, -1] - sums[:, -count - 1], reached[-count:])):  # fmt: skip
            if (np.abs(lost + off) <= room).all():
                return "lacks", [int(r) for r in rows]
    return None


def _said(w: Wrong, wrong: list[int], pieces: list[tuple[str, list[int]]]) -> Said:
    words = {
        "lacks": "lacks what comes from {}",
        "twice": "has what comes from {} twice",
        "made up": "gets d{}, which it does not reach",
        "made up, negative": "gets -d{}, which it does not reach",
    }
    said = [
        f"{_entry(w, k)} {words[what].format(_results(w, rows, 'made' in what))}"
        for k, (what, rows) in zip(wrong[:3], pieces, strict=False)
    ]
    more = f", and so on in {len(wrong)} entries" if len(wrong) > 3 else ""
    kinds = {what.split(",")[0] for what, _ in pieces}
    codes = {"lacks": "route-lost", "twice": "route-twice", "made up": "route-made-up"}
    code = codes[kinds.pop()] if len(kinds) == 1 else "rerouted"
    return code, "is routed wrongly: " + "; ".join(said) + more


def _entry(w: Wrong, k: int) -> str:
    return f"{w.name}{_at(k, w.want.shape)}"


def _at(k: int, shape: tuple[int, ...]) -> str:
    return str([int(i) for i in np.unravel_index(k, shape)]) if shape else ""


def _results(w: Wrong, rows: list[int], bare: bool) -> str:
    said = []
    for row in rows[:3]:
        start = 0
        for name, dy in w.dy.items():
            if start <= row < start + dy.size:
                said.append(f"{name}{_at(row - start, dy.shape)}")
            start += dy.size
    del bare
    return " and ".join(said) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")


def _same_point(seen: Sequence[Wrong]) -> bool:
    first = seen[0]
    return all(
        v.want.shape == first.want.shape
        and v.slopes is not None
        and first.slopes is not None
        and np.array_equal(v.slopes, first.slopes, equal_nan=True)
        for v in seen
    )
