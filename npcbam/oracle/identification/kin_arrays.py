"""Which array of a candidate is which of a kin's: all ways that the shapes allow, if they are few.

Where they are many, as with the norms of BAM, names and the order in which the arrays are listed
decide.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.kin_value import Kin, Weights

# How many ways to see the arrays are tried, and of how many they are the likeliest.
FEW, LOOKED_AT = 48, 3000
# The layers of what is most often listed second, moved to the front.
SECOND = ("reduce", "conv")


def placements(
    kin: Kin, values: Mapping[str, Array], channels: int
) -> Iterator[tuple[int, Weights]]:
    """Yield the number of channels, and the values under the keys of the kin, as it lays them."""
    if len(values) != len(kin.arrays):
        return
    dims = sorted({size for value in values.values() for size in value.shape}, reverse=True)
    classes = Counter(_class(value.shape) for value in values.values())
    letters = {size for shape in kin.arrays.values() for size in shape}
    widths = [channels, *(size for size in dims if size > 1)] if "C" in letters else [channels]
    hidden = dict.fromkeys([*dims, 1]) if "h" in letters else [0]
    kernels = [size for size in dims if size % 2 and size > 1] if "k" in letters else [0]
    for width, h, k in itertools.product(dict.fromkeys(widths), hidden, kernels):
        sizes = {"C": width, "h": h, "k": k}
        shapes = {
            key: tuple(sizes[size] if isinstance(size, str) else size for size in shape)
            for key, shape in kin.arrays.items()
        }
        if Counter(map(_class, shapes.values())) == classes:
            for weights in _placed(shapes, values):
                yield width, weights


def _class(shape: Sequence[int]) -> tuple[int, ...]:
    """Return what arrays have in common that may be laid as each other."""
    return tuple(sorted(size for size in shape if size != 1))


def _placed(
    shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, Array]
) -> Iterator[Weights]:
    tried: set[tuple[str, ...]] = set()
    for names in _orders(shapes, values):
        if names in tried:
            continue
        tried.add(names)
        pairs = [*zip(shapes.items(), names, strict=True)]
        usual, turned = (
            {key: _laid(values[name], shape, turn) for (key, shape), name in pairs}
            for turn in (False, True)
        )
        yield usual
        if any(not np.array_equal(usual[key], turned[key]) for key in shapes):
            yield turned


def _orders(
    shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, Array]
) -> Iterator[tuple[str, ...]]:
    """Yield the names of the arrays in the order of the keys, the likeliest first."""
    slots = _grouped({key: _class(shape) for key, shape in shapes.items()})
    arrays = _grouped({name: _class(value.shape) for name, value in values.items()})
    kinds = _kinds(values)
    if math.prod(math.factorial(len(keys)) for keys in slots.values()) <= LOOKED_AT:
        keys = [*itertools.chain(*slots.values())]
        every = itertools.product(*(itertools.permutations(arrays[c]) for c in slots))
        placed = [dict(zip(keys, itertools.chain(*each), strict=True)) for each in every]
        placed.sort(key=lambda names: _odd(names, shapes, values, kinds))
        yield from (tuple(names[key] for key in shapes) for names in placed[:FEW])
        return
    swapped = sorted(shapes, key=lambda key: not key.startswith(SECOND))
    orders = [[*shapes], swapped]
    # Norms may be listed in another order than the layers before them.
    parted = [
        [key for key in one if not _of_norm(key)] + [key for key in two if _of_norm(key)]
        for one, two in itertools.product(orders, repeat=2)
    ]
    tries = [*((order, kinds) for order in parted), *((order, {}) for order in orders)]
    for (order, known), turned in itertools.product(tries, (False, True)):
        by_key = _in_order(order, shapes, values, known, turned)
        if by_key is not None:
            yield tuple(by_key[key] for key in shapes)


def _grouped(classes: Mapping[str, tuple[int, ...]]) -> dict[tuple[int, ...], list[str]]:
    found: dict[tuple[int, ...], list[str]] = {}
    for name, which in classes.items():
        found.setdefault(which, []).append(name)
    return found


def _odd(
    names: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    values: Mapping[str, Array],
    kinds: Mapping[str, str],
) -> int:
    """Count what is odd: names that say something else, and matrices that lie across others."""
    said = sum(kinds.get(name, _kind(key)) != _kind(key) for key, name in names.items())
    across = {
        values[name].squeeze().shape == shapes[key]
        for key, name in names.items()
        if len(set(shapes[key]) - {1}) == 2
    }
    return said + (len(across) > 1)


def _in_order(
    keys: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
    values: Mapping[str, Array],
    kinds: Mapping[str, str],
    turned: bool,
) -> dict[str, str] | None:
    """Give each key the next array of its shape, and of its kind where names tell one.

    All matrices lie as torch has them, or all `turned`, as x @ w does.
    """
    left = _grouped({name: _lying(value.shape, turned) for name, value in values.items()})
    placed = {}
    for key in keys:
        rest = left.get(_lying(shapes[key], False), [])
        known = [n for n in rest if kinds.get(n) == _kind(key)]
        name = next(iter(known or [n for n in rest if n not in kinds]), None)
        if name is None:
            return None
        rest.remove(name)
        placed[key] = name
    return placed


def _lying(shape: tuple[int, ...], turned: bool) -> tuple[int, ...]:
    """Return the class of an array, with matrices as they lie, or across."""
    dims = tuple(size for size in shape if size != 1)
    if len(dims) != 2:
        return _class(shape)
    return dims[::-1] if turned else dims


def _of_norm(key: str) -> bool:
    return _kind(key) in ("gamma", "beta", "mean", "var")


def _kind(key: str) -> str:
    return key.rpartition(".")[2]


def _kinds(values: Mapping[str, Array]) -> dict[str, str]:
    """Return what names say: of a layer with a gamma, what is called bias is a beta."""
    found: dict[str, str] = {}
    for name, value in values.items():
        last = name.replace("/", ".").rpartition(".")[2].lower()
        vector = value.ndim < 2
        for kind, words in {
            "mean": ("mean",),
            "var": ("var",),
            "gamma": ("gamma", "scale", "weight") if vector else ("gamma", "scale"),
            "beta": ("beta", "offset"),
            "b": ("bias",),
        }.items():
            if any(word in last for word in words):
                found[name] = kind
                break
        else:
            if not vector:
                found[name] = "w"
    normed = {_layer(name) for name, kind in found.items() if kind == "gamma"}
    betas = {n: "beta" for n, kind in found.items() if kind == "b" and _layer(n) in normed}
    return found | betas


def _layer(name: str) -> str:
    return name.replace("/", ".").rpartition(".")[0]


def _laid(value: Array, shape: tuple[int, ...], turned: bool) -> Array:
    """Return the value in this shape: as torch lays it, or `turned`, as x @ w does, if both fit."""
    wanted = tuple(size for size in shape if size != 1)
    flat = value.reshape([size for size in value.shape if size != 1])
    ways = [flat]
    if flat.ndim in (2, 4):
        ways.append(flat.transpose((1, 0) if flat.ndim == 2 else (3, 2, 0, 1)))
    fits = [way.reshape(shape) for way in ways if way.shape == wanted]
    return fits[-1] if turned else fits[0]
