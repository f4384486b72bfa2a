"""What a point hides: places at which mistakes do not show, and how to draw others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.domain import Domain, bounds, domains
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.layout import Layout, Leaf


def hidden(layout: Layout) -> list[str]:
    """Say in one line which mistakes this point would not show."""
    found: dict[str, list[str]] = {}
    for leaf in layout.leaves:
        for said in _of_leaf(leaf):
            found.setdefault(said, []).append(leaf.name)
    for label in _of_indices(layout):
        found.setdefault("repeats no index", []).append(label)
    if not found:
        return []
    told = "; ".join(f"{_listed(names)} {said}" for said, names in found.items())
    return [f"this point hides mistakes: {told}"]


def unasked(layout: Layout, units: Array) -> list[str]:
    """Say which entries no direction moves, since they lie on a bound of their domain.

    Parameters
    ----------
    units : (n,) in what steps entries are moved
    """
    said = []
    for leaf in layout.leaves:
        still = np.flatnonzero(units[leaf.part] == 0)
        if still.size:
            place = [int(k) for k in np.unravel_index(still[0], leaf.value.shape)]
            which = f"{leaf.name}{place}" + f" and {still.size - 1} more" * (still.size > 1)
            said.append(f"on a bound of the domain, so that its cotangent is not judged: {which}")
    return said


def _listed(names: Sequence[str]) -> str:
    """Return some names, with a verb to follow in the singular."""
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"{names[0]}{more}"


def _of_leaf(leaf: Leaf) -> Iterator[str]:
    x = leaf.value.astype(np.float64)
    if not x.size:
        yield "has no entries"
    if x.size < 2:
        return
    if np.ptp(x) == 0:
        yield "has one value everywhere"
    if x.ndim > 1 and x.shape[0] == 1:
        yield "has length 1 along its first axis"
    if x.ndim == 2 and x.shape[0] == x.shape[1]:
        yield "is square, so that a transposition keeps the shape"
    if x.size > 3 and np.ptp(x) > 0 and (x >= 0).all():
        yield "has no negative entry"


def _of_indices(layout: Layout) -> Iterator[str]:
    for label, arg in zip(layout.labels, layout.args, strict=True):
        whole = isinstance(arg, np.ndarray) and arg.dtype.kind in "iu"
        if whole and arg.size > 1 and np.unique(arg).size == arg.size:
            yield label


def another_point(f: Any, layout: Layout, domain: Any, rng: np.random.Generator) -> Layout:
    """Return the layout of a random place around a point, where f is finite."""
    found = domains(domain, layout)
    for free in (True, True, False, False):
        moved = [
            _moved(leaf, kind, free, rng) for leaf, kind in zip(layout.leaves, found, strict=True)
        ]
        vector = np.concatenate([each.ravel() for each in moved])
        other = Layout(layout.build(vector), layout.labels, layout.fixed)
        try:
            with np.errstate(all="ignore"):
                if np.isfinite(Forward(f, other).y).all():
                    return other
        except Exception:  # f need not be defined there
            continue
    return layout


def _moved(leaf: Leaf, domain: Domain | None, free: bool, rng: np.random.Generator) -> Array:
    x = leaf.value.astype(np.float64)
    size = float(np.std(x)) or float(np.abs(x).max(initial=0)) or 1.0
    noise = rng.normal(size=x.shape)
    if domain == "simplex":
        parts = (x + 0.1 / max(x.shape[-1], 1)) * np.exp(0.5 * noise)
        return np.asarray(parts / parts.sum(axis=-1, keepdims=True))
    if domain == "symmetric":
        step = 0.1 * size * noise
        return np.asarray(x + 0.5 * (step + step.swapaxes(-1, -2)))
    low, high = bounds(domain)
    if free and not np.isfinite(low) and not np.isfinite(high):
        return np.asarray(x + size * noise)
    moved = x * np.exp(0.3 * noise)
    return np.asarray(np.clip(moved, low, high) if domain is not None else moved)
