"""An object and all that it holds: places in it, and copies with other arrays in those places."""

from __future__ import annotations

import contextlib
import copy
import io
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam.arguments import Array

# What is never copied: modules, and what belongs to the process.
KEPT = (
    types.ModuleType,
    types.GeneratorType,
    io.IOBase,
    type(threading.Lock()),
    type(threading.RLock()),
)
# What holds no arrays of a layer, or must not be copied.
CLOSED = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type, str, bytes)
MOST = 20_000  # objects that are looked at


@dataclass(frozen=True)
class Place:
    """A way from an object to something that it holds, as in `layers.0.W`."""

    steps: tuple[tuple[str, Any], ...] = ()

    def then(self, how: str, key: Any) -> Place:
        """Return the place one step further: an "attribute", an "item", or what a "call" gives."""
        return Place((*self.steps, (how, key)))

    def of(self, obj: Any) -> Any:
        """Return what lies there in `obj`; raise LookupError or AttributeError if nothing does."""
        for how, key in self.steps:
            if how == "attribute":
                obj = getattr(obj, key)
            elif how == "item":
                obj = obj[key]
            else:
                obj = getattr(obj, key)()
                obj = list(obj) if isinstance(obj, types.GeneratorType) else obj
        return obj

    def get(self, obj: Any) -> Any:
        """Return what lies there in `obj`, or None."""
        try:
            return self.of(obj)
        except (LookupError, AttributeError, TypeError):
            return None

    def __str__(self) -> str:
        return ".".join(str(key) for _, key in self.steps)


def place(obj: Any, path: str) -> Place:
    """Return the place that `path` names, whose parts are attributes, keys or numbers.

    Raises
    ------
    LookupError
        There is no such thing; the message is the part that is missing.
    """
    found = Place()
    for part in path.split("."):
        here = found.of(obj)
        if isinstance(here, Mapping) and part in here:
            found = found.then("item", part)
        elif part.isdigit() and isinstance(here, Sequence) and int(part) < len(here):
            found = found.then("item", int(part))
        elif hasattr(here, part):
            found = found.then("attribute", part)
        else:
            raise LookupError(part)
    return found


def walk(obj: Any) -> Iterator[tuple[Place, Any]]:
    """Yield everything that `obj` holds, each thing once, the object itself first."""
    seen: dict[int, Any] = {}
    todo = [(Place(), obj)]
    while todo and len(seen) < MOST:
        where, thing = todo.pop(0)
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        yield where, thing
        todo += [(where.then(how, key), child) for how, key, child in _children(thing)]


def parts(thing: Any) -> dict[Any, Any]:
    """Return the attributes of an object, or the items of a dict."""
    return {key: child for _, key, child in _children(thing)}


def _children(thing: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(thing, (*CLOSED, np.ndarray, np.generic)):
        return []
    if isinstance(thing, dict):
        return [("item", key, child) for key, child in thing.items()]
    if isinstance(thing, list | tuple):
        return [("item", i, child) for i, child in enumerate(thing)]
    if isinstance(thing, types.MethodType):
        return [("attribute", "__self__", thing.__self__)]
    names = dict.fromkeys(getattr(thing, "__dict__", ()))
    slots = (getattr(kind, "__slots__", ()) for kind in type(thing).__mro__)
    for slot in slots:
        names |= dict.fromkeys((slot,) if isinstance(slot, str) else slot)
    found = [(name, getattr(thing, name, None)) for name in names if name != "__dict__"]
    return [("attribute", name, child) for name, child in found]


def copied(obj: Any, arrays: Callable[[Any], list[tuple[Array, Array]]] | None = None) -> Any:
    """Return a copy of an object in which arrays are replaced, wherever they are held.

    `arrays` gives, for the object, pairs of an array that it holds and the values to put there,
    which may be of another dtype. Arrays that share memory do so in the copy.
    """
    held = [thing for _, thing in walk(obj)]
    memo: dict[int, Any] = {id(t): t for t in held if isinstance(t, KEPT)}
    pairs = arrays(obj) if arrays else []
    memo.update(_replaced([t for t in held if isinstance(t, np.ndarray)], pairs))
    return copy.deepcopy(obj, memo)


def captured(obj: Any) -> list[tuple[Place, Any]]:
    """Return the functions inside of an object that refer to it, or to what it holds."""
    held = [*walk(obj)]
    own = {
        id(t) for _, t in held if hasattr(t, "__dict__") or isinstance(t, np.ndarray | dict | list)
    }
    own -= {id(t) for _, t in held if isinstance(t, CLOSED)}
    functions = [(w, t) for w, t in held if isinstance(t, types.FunctionType)]
    return [(w, t) for w, t in functions if any(id(c) in own for c in _closed_over(t))]


def _closed_over(function: types.FunctionType) -> list[Any]:
    cells = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # it is still empty
            cells.append(cell.cell_contents)
    return [*cells, *(function.__defaults__ or ())]


def _replaced(held: list[Array], pairs: list[tuple[Array, Array]]) -> dict[int, Array]:
    """Return what stands for each array of `pairs`, and for all that are views of others."""
    dtypes = {id(_root(old)): new.dtype for old, new in pairs}
    views = [array for array in held if _root(array) is not array]
    fresh: dict[int, Array] = {}
    found: dict[int, Array] = {}
    for array in [*(old for old, _ in pairs), *views, *held]:
        root = _root(array)
        if array.dtype != root.dtype or (root is array and id(root) not in {*fresh, *dtypes}):
            continue  # a copy of its own will do
        if id(root) not in fresh:
            fresh[id(root)] = root.astype(dtypes.get(id(root), root.dtype), order="K")
        found[id(array)] = _view(array, root, fresh[id(root)])
    for old, new in pairs:
        found[id(old)][...] = new
    return found


def _root(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _view(array: Array, root: Array, fresh: Array) -> Array:
    """Return the view of `fresh` that `array` is of `root`."""
    if array is root:
        return fresh
    size, wide = root.itemsize, fresh.itemsize
    first = (array.__array_interface__["data"][0] - root.__array_interface__["data"][0]) // size
    strides = [step // size * wide for step in array.strides]
    flat = fresh.ravel(order="K")
    return np.ndarray(array.shape, fresh.dtype, flat, first * wide, strides)
