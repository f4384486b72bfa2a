"""The arrays by which a wrong one may be explained: the cotangents, results, arguments, others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis.wrong import Wrong


def at_hand(w: Wrong) -> dict[str, Array]:
    """Return all arrays by the names that a report has for them."""
    found = {cotangent_name(w, name): dy for name, dy in w.dy.items()}
    if w.argument is not None:
        found[w.name[1:]] = w.argument
    found |= {name: a for name, a in w.arguments.items() if name not in found}
    return found | dict(w.y)


def cotangent_name(w: Wrong, result: str) -> str:
    """Return the name of the cotangent of a result.

    >>> cotangent_name(Wrong("dx", np.ones(2), np.ones(2), 0.0), "y.0")
    'dy.0'
    """
    return f"d{result}"


def spread(a: Array, shape: tuple[int, ...]) -> Array | None:
    """Return an array as broadcast to a shape; None where it does not fit."""
    try:
        found: Array = np.broadcast_to(a, shape)
    except ValueError:
        return None
    return found


def summed(a: Array, shape: tuple[int, ...]) -> Array | None:
    """Return the sum of an array over the axes that broadcasting a shape to its own adds."""
    lead = a.ndim - len(shape)
    if lead < 0:
        return None
    pairs = list(zip(a.shape[lead:], shape, strict=True))
    if any(want not in (1, have) for have, want in pairs):
        return None
    axes = [*range(lead), *(lead + i for i, (have, want) in enumerate(pairs) if have != want)]
    total: Array = a.sum(axis=tuple(axes), keepdims=True)
    return total.reshape(shape)


def summed_anyhow(a: Array, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield the sums over axes that leave a shape, with the axes."""
    if len(shape) > a.ndim or a.ndim > 5:
        return
    for axes in itertools.combinations(range(a.ndim), a.ndim - len(shape)):
        total = a.sum(axis=axes)
        if total.shape == shape:
            yield axes, total


def lengths(w: Wrong) -> dict[str, float]:
    """Return the lengths of the axes of all arrays, by what a report calls them."""
    if w.sizes is not None:
        return dict(w.sizes)
    found: dict[str, float] = {}
    said: set[tuple[int, ...]] = set()
    for name, a in {**at_hand(w), w.name: w.want}.items():
        if a.shape in said:
            continue
        said.add(a.shape)
        for axis, size in enumerate(a.shape):
            found[f"the length of axis {axis} of {name}"] = size
        if name not in (w.name, w.name[1:]) and name[1:] not in w.y:
            continue
        if a.ndim > 1:
            found[f"the number of elements of {name}"] = a.size
        if a.ndim > 2:
            found[f"the number of positions of {name}, axes 2 on"] = math.prod(a.shape[2:])
            last = f"the last two axes of {name}"
            found[f"the number of elements in {last}"] = math.prod(a.shape[-2:])
    return found


def spell(shape: tuple[int, ...]) -> str:
    """Write a shape."""
    return str(tuple(int(n) for n in shape))


def joined(parts: list[str]) -> str:
    """Join as one does in speech: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
