"""What a pullback gave, as one vector, and how it departs from the form that is owed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.findings import Finding
from npcbam.gradcheck.layout import Layout, Leaf, Path, branches, floating, leaves, number, spell
from npcbam.gradcheck.outcomes import Stop


@dataclass(frozen=True, eq=False)
class Reading:
    """Cotangents as one vector.

    Attributes
    ----------
    g : (n,) float64 or better; NaN where a leaf could not be read, 0 where there is none
    given : by leaf, the array that came
    none : leaves for which the pullback gave None or nothing
    unread : leaves whose cotangent has another shape, or is none
    faults : what is wrong with the form
    """

    g: Array
    given: dict[int, Array] = field(default_factory=dict)
    none: set[int] = field(default_factory=set)
    unread: set[int] = field(default_factory=set)
    faults: list[Finding] = field(default_factory=list)


def read(layout: Layout, result: Any) -> Reading:
    """Return what a pullback gave; stop if it cannot be told which cotangent belongs to what."""
    wide = np.result_type(np.float64, *_known(layout))
    reading = Reading(np.zeros(layout.size, wide))
    found = dict(_cotangents(layout, result))
    for i, leaf in enumerate(layout.leaves):
        part, fault = _leaf_of(leaf, found, layout)
        if fault is not None:
            reading.faults.append(fault)
        if part is None:
            (reading.unread if fault else reading.none).add(i)
            reading.g[leaf.part] = np.nan if fault else 0.0
            if fault is not None and fault.code == "shape":
                reading.given[i] = np.asarray(found[leaf.path[0]][leaf.path[1:]])
            continue
        reading.given[i] = part
        reading.g[leaf.part] = part.astype(wide).ravel()
    return reading


def _known(layout: Layout) -> list[Any]:
    return [d for d in layout.dtypes() if d.kind == "f"]


class _Given:
    """The cotangent of one argument, entered by path."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree

    def __getitem__(self, path: Path) -> Any:
        tree = self._tree
        for key in path:
            if tree is None:
                return None
            below = branches(tree)
            if below is None:
                raise KeyError(key)
            tree = below[key]
        return tree


def _cotangents(layout: Layout, result: Any) -> Iterator[tuple[int, _Given]]:
    """Tell which cotangent belongs to which argument."""
    count = len(layout.args)
    arrays = [i for i in range(count) if layout.has_gradient(i)]
    numbers = [i for i in range(count) if layout.has_gradient(i, plain=True)]
    every = [i for i, arg in enumerate(layout.args) if any(floating(v) for v in leaves(arg))]
    wanted = [list(range(count)), arrays, every, numbers]
    if count == 1 or len(arrays) == 1:
        lone = (arrays or numbers or [0])[0]
        own = count == 1 and _alike(layout.args[lone], result)
        if not isinstance(result, tuple | list) or own:
            wanted, result = [[lone]], (result,)
    if not isinstance(result, tuple | list):
        raise _count(arrays if len(arrays) < count else range(count), spell(result), layout)
    fitting = [places for places in wanted if len(places) == len(result)]
    shaped = [p for p in fitting if all(map(_may_be, (layout.args[i] for i in p), result))]
    for places in (shaped or fitting)[:1]:
        yield from zip(places, map(_Given, result), strict=True)
        return
    raise _count(range(count), str(len(result)), layout)


def _may_be(arg: Any, cotangent: Any) -> bool:
    """Tell whether a cotangent has the shape of an argument, where that is an array."""
    if cotangent is None or not isinstance(arg, np.ndarray | np.generic | float):
        return True
    return isinstance(cotangent, np.ndarray | np.generic | float) and (
        np.shape(cotangent) == np.shape(arg)
    )


def _alike(arg: Any, result: Any) -> bool:
    """Tell whether a tuple is the cotangent of an argument that is a tuple itself."""
    if not isinstance(arg, tuple | list) or not isinstance(result, tuple | list):
        return False
    inner = isinstance(arg[0], tuple | list) if len(arg) == 1 else False
    wrapped = len(result) == 1 and isinstance(result[0], tuple | list) and not inner
    return len(arg) == len(result) and not wrapped


def _count(places: Sequence[int], got: str, layout: Layout) -> Stop:
    names = ", ".join(layout.labels[i] for i in places)
    many = f"{len(places)} cotangent{'s' * (len(places) != 1)}"
    reason = f"the pullback must return {many}, one an argument ({names}); "
    return Stop("wrong", "count", reason + f"it gave {got}")


def _leaf_of(
    leaf: Leaf, found: dict[int, _Given], layout: Layout
) -> tuple[Array | None, Finding | None]:
    """Return the cotangent of one leaf, or None, and what is wrong with it."""
    if leaf.path[0] not in found:
        return None, None
    label = layout.labels[leaf.path[0]]
    try:
        value = found[leaf.path[0]][leaf.path[1:]]
    except (KeyError, IndexError):
        said = f"d{label}: expected a cotangent like {label}, with a part for {leaf.name}"
        return None, Finding("structure", leaf.name, said)
    if value is None:
        return None, None
    if not isinstance(value, np.ndarray) and not number(value):
        said = f"d{leaf.name}: expected an array like {leaf.name}, got {spell(value)}"
        return None, Finding("structure", leaf.name, said)
    array = np.asarray(value)
    if array.shape != leaf.value.shape:
        want = leaf.value.shape
        said = f"d{leaf.name}: expected shape {want} like {leaf.name}, got {array.shape}"
        return None, Finding("shape", leaf.name, said)
    plain = type(value) is float or leaf.plain
    if array.dtype != leaf.value.dtype and not plain:
        said = f"d{leaf.name}: expected dtype {leaf.value.dtype} like {leaf.name}, got "
        wrong = Finding("dtype", leaf.name, said + str(array.dtype))
        return (array if floating(array) or array.dtype.kind in "iub" else None), wrong
    return array, None
