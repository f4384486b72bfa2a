"""Where an argument may lie, and which of its directions may be asked about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.layout import Layout

Domain: TypeAlias = str | tuple[float, float]
NAMED = ("positive", "symmetric", "simplex")
# An entry is moved by half of the typical one at least, unless a bound is nearer.
LEAST = 0.5


def domains(given: Any, layout: Layout) -> list[Domain | None]:
    """Return the domain of each leaf; raise unless `given` names domains of arguments."""
    if isinstance(given, Mapping):
        for name in given:
            if not any(_under(leaf.name, name) for leaf in layout.leaves):
                known = ", ".join(layout.labels)
                raise ValueError(f"domain: expected names of arguments ({known}), got {name!r}")
        pairs = [(name, _known(value)) for name, value in given.items()]
    else:
        pairs = [] if given is None else [("", _known(given))]
    found: list[Domain | None] = []
    for leaf in layout.leaves:
        own = [value for name, value in pairs if not name or _under(leaf.name, name)]
        found.append(own[-1] if own else None)
        if found[-1] is not None:
            _inside(leaf.name, leaf.value.astype(np.float64), found[-1])
    return found


def _under(leaf: str, name: object) -> bool:
    return isinstance(name, str) and (leaf == name or leaf.startswith(f"{name}."))


def _known(value: Any) -> Domain:
    if isinstance(value, str) and value in NAMED:
        return value
    try:
        low, high = (float(bound) for bound in value)
    except (TypeError, ValueError):
        low = high = math.nan
    if not low < high:
        raise ValueError(
            f"domain: expected 'positive', 'symmetric', 'simplex' or (low, high), got {value!r}"
        )
    return low, high


def _inside(name: str, x: Array, domain: Domain) -> None:
    """Raise unless x lies in its domain."""
    if domain == "symmetric":
        square = x.ndim >= 2 and x.shape[-1] == x.shape[-2]
        if not square or not np.allclose(x, x.swapaxes(-1, -2), rtol=1e-6, atol=0):
            got = "some that are not" if square else f"shape {x.shape}"
            raise ValueError(f"{name}: expected symmetric matrices, as domain says, got {got}")
    elif domain == "simplex":
        total = x.sum(axis=-1) if x.ndim else x
        if (x < 0).any() or not np.allclose(total, 1, rtol=1e-3):
            got = "some below 0" if (x < 0).any() else f"{np.ravel(total)[0]:.3g}"
            raise ValueError(
                f"{name}: expected parts that add up to 1 along the last axis, as domain says, "
                f"got {got}"
            )
    else:
        low, high = bounds(domain)
        if not ((x >= low) & (x <= high)).all():
            got = f"{x.min():.3g} to {x.max():.3g}"
            raise ValueError(
                f"{name}: expected values from {low:g} to {high:g}, as domain says, got {got}"
            )


def bounds(domain: Domain | None) -> tuple[float, float]:
    """Return between what an argument may lie."""
    if domain == "positive":
        return 0.0, math.inf
    return domain if isinstance(domain, tuple) else (-math.inf, math.inf)


def units(x: Array, domain: Domain | None) -> Array:
    """Return in what steps to move the entries of one leaf: each in parts of its own size."""
    size = np.abs(x)
    spread = float(np.ptp(x)) if x.size else 0.0
    own = np.minimum(size, spread) if spread > 0 else size
    some = own[own > 0]
    typical = float(np.median(some)) if some.size else float(np.max(size, initial=0)) or 1.0
    found = np.where(own > 0, np.maximum(own, LEAST * typical), typical)
    if domain == "simplex":
        return size
    low, high = bounds(domain)
    room = np.minimum(x - low, high - x)
    return np.asarray(np.where(np.isfinite(room), np.minimum(found, room), found))


def projected(v: Array, x: Array, domain: Domain | None) -> Array:
    """Return a direction of one leaf with what the domain forbids taken out."""
    if domain == "symmetric":
        return np.asarray(0.5 * (v + v.swapaxes(-1, -2)))
    if domain == "simplex":
        total = x.sum(axis=-1, keepdims=True)
        return np.asarray(v - x * v.sum(axis=-1, keepdims=True) / total)
    return v
