"""The arguments of a function as one vector: what has a gradient, what is passed by, and back."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam.arguments import Array

IMMUTABLE = (type(None), bool, int, float, complex, str, bytes, np.generic, type, np.dtype)
Path = tuple[Any, ...]


def floating(value: object) -> bool:
    """Tell whether a value is an array of real floating numbers, of any precision."""
    return isinstance(value, np.ndarray) and _real(value.dtype)


def _real(dtype: np.dtype[Any]) -> bool:
    # bfloat16 and its kin are no kind of NumPy's own.
    return dtype.kind == "f" or (dtype.kind == "V" and dtype.name in ("bfloat16", "float8_e5m2"))


def plain(name: str, value: object) -> None:
    """Raise TypeError for arrays that calculate in another way than their copies would."""
    if isinstance(value, np.ma.MaskedArray | np.matrix):
        kind = type(value).__name__
        raise TypeError(f"{name}: expected a NumPy array, got {kind}; np.asarray({name}) makes one")


def number(value: object) -> bool:
    """Tell whether a value is a real floating number, of Python or of NumPy."""
    return isinstance(value, float) or (isinstance(value, np.generic) and _real(value.dtype))


@dataclass(frozen=True)
class Leaf:
    """One array of the arguments that is asked about: its name, its value, and where it lies."""

    name: str
    value: Array
    path: Path
    part: slice
    plain: bool  # a bare number, which need have no cotangent

    @property
    def size(self) -> int:
        """The number of its entries."""
        return int(self.value.size)


class Layout:
    """The floating arrays among some arguments, end to end.

    Arguments nest: dicts, lists, tuples and dataclasses. Integers, booleans, strings, generators
    and whatever else are passed by, as copies.
    """

    def __init__(
        self, args: tuple[Any, ...], labels: Sequence[str], fixed: Sequence[str] = ()
    ) -> None:
        """Find the leaves of `args`; those under a name of `fixed` are not asked about."""
        self.args, self.labels, self.fixed = args, tuple(labels), tuple(fixed)
        self.leaves: list[Leaf] = []
        start = 0
        for path, name, value in self.found():
            if any(name == f or name.startswith(f"{f}.") for f in fixed):
                continue
            if isinstance(value, np.ndarray) and value.dtype.kind == "c":
                raise TypeError(f"{name}: expected a real dtype, got {value.dtype}")
            if not (floating(value) or number(value)):
                continue
            plain(name, value)
            array = np.asarray(value)
            part = slice(start, start + array.size)
            self.leaves.append(Leaf(name, array, path, part, not isinstance(value, np.ndarray)))
            start += array.size
        self.size = start

    def found(self) -> Iterator[tuple[Path, str, Any]]:
        """Yield whatever hangs at the ends of the arguments: its path, its name and itself."""
        for i, (label, arg) in enumerate(zip(self.labels, self.args, strict=True)):
            for path, value in _walk(arg):
                yield (i, *path), ".".join([label, *map(str, path)]), value

    def vector(self, dtype: Any) -> Array:
        """Return all leaves as one vector of `dtype`."""
        flat = [leaf.value.astype(dtype).ravel() for leaf in self.leaves]
        return np.concatenate(flat) if flat else np.zeros(0, dtype)

    def dtypes(self) -> list[np.dtype[Any]]:
        """Return the dtype of each leaf."""
        return [leaf.value.dtype for leaf in self.leaves]

    def build(self, vector: Array | None = None, dtype: Any = None) -> tuple[Any, ...]:
        """Return the arguments as copies, with the leaves of `vector` if given.

        Each leaf has its own dtype, or `dtype`.
        """
        placed: dict[Path, Any] = {}
        for leaf in self.leaves:
            value = leaf.value if vector is None else vector[leaf.part].reshape(leaf.value.shape)
            new = value.astype(dtype or leaf.value.dtype)
            placed[leaf.path] = _bare(new) if leaf.plain else new
        return tuple(_rebuilt(arg, (i,), placed) for i, arg in enumerate(self.args))

    def place(self, e: int) -> tuple[int, tuple[int, ...]]:
        """Return the leaf in which entry e of the vector lies, and its index there."""
        i = next(k for k, leaf in enumerate(self.leaves) if leaf.part.start <= e < leaf.part.stop)
        index = np.unravel_index(e - self.leaves[i].part.start, self.leaves[i].value.shape)
        return i, tuple(int(k) for k in index)

    def has_gradient(self, i: int, plain: bool = False) -> bool:
        """Tell whether argument i has a leaf, bare numbers counting only if `plain`."""
        return any(leaf.path[0] == i and (plain or not leaf.plain) for leaf in self.leaves)


def _bare(value: Array) -> Any:
    return float(value) if value.dtype == np.float64 else value[()]


def _walk(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    children = branches(tree)
    if children is None:
        yield path, tree
        return
    for key, child in children.items():
        yield from _walk(child, (*path, key))


def leaves(tree: Any) -> Iterator[Any]:
    """Yield what hangs at the ends of a tree."""
    return (value for _, value in _walk(tree))


def branches(tree: Any) -> Mapping[Any, Any] | None:
    """Return what hangs below a branch, by key; None for what is no branch."""
    if isinstance(tree, dict):
        return tree
    if isinstance(tree, list | tuple):
        return dict(enumerate(tree))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}
    return None


def _rebuilt(tree: Any, path: Path, placed: Mapping[Path, Any]) -> Any:
    if path in placed:
        return placed[path]
    children = branches(tree)
    if children is None:
        return _copied(tree)
    new = {key: _rebuilt(child, (*path, key), placed) for key, child in children.items()}
    return rebranched(tree, new)


def rebranched(tree: Any, children: Mapping[Any, Any]) -> Any:
    """Return a branch like `tree` with other children."""
    if isinstance(tree, dict):
        return {key: children[key] for key in tree}
    if isinstance(tree, list | tuple):
        # A namedtuple takes its fields apart.
        return getattr(tree, "_make", type(tree))(children[i] for i in range(len(tree)))
    try:
        return dataclasses.replace(tree, **children)
    except (TypeError, ValueError):  # fields that are made, not given
        other = copy.copy(tree)
        for name, child in children.items():
            object.__setattr__(other, name, child)
        return other


def _copied(value: Any) -> Any:
    if isinstance(value, IMMUTABLE):
        return value
    if isinstance(value, np.ndarray):
        return value.copy()
    try:
        return copy.deepcopy(value)
    except Exception:  # modules, handles: passed as they are
        return value


class Results:
    """What a function gives as one vector; integers and the like are passed by."""

    def __init__(self, y: Any) -> None:
        """Take the shape of a result from its first value."""
        self.y = y
        self.names, self.leaves, self._paths = [], [], []
        start = 0
        self.parts: list[slice] = []
        for path, value in _walk(y):
            if floating(value) or number(value):
                array = np.asarray(value)
                self.names.append(".".join(["y", *map(str, path)]))
                self.leaves.append(array.copy())
                self._paths.append(path)
                self.parts.append(slice(start, start + array.size))
                start += array.size
        self.size = start

    def read(self, y: Any, dtype: Any) -> Array | None:
        """Return a result as a vector, a copy; None if it is of another form than the first."""
        found = [np.asarray(v) for _, v in _walk(y) if _numeric(v)]
        if [leaf.shape for leaf in found] != [leaf.shape for leaf in self.leaves]:
            return None
        if any(leaf.dtype.kind == "c" for leaf in found) and np.dtype(dtype).kind != "c":
            return None
        flat = [leaf.ravel() for leaf in found]
        return np.concatenate(flat).astype(dtype) if flat else np.zeros(0, dtype)

    def rounded(self, vector: Array) -> Array:
        """Return a vector of cotangents in the precision of the results."""
        parts = [
            vector[part].astype(leaf.dtype).astype(np.float64)
            for leaf, part in zip(self.leaves, self.parts, strict=True)
        ]
        return np.concatenate(parts) if parts else vector

    def cotangent(self, vector: Array, arrange: Callable[[Array], Array] = np.array) -> Any:
        """Return a vector in the form of the result, each leaf in its own dtype.

        What has no gradient gets zeros, or None where it is no array; `arrange` lays out memory.
        """
        placed = {}
        for leaf, part, path in zip(self.leaves, self.parts, self._paths, strict=True):
            new = arrange(vector[part].reshape(leaf.shape).astype(leaf.dtype))
            placed[path] = new
        return _cotangent(self.y, (), placed)


def _numeric(value: Any) -> bool:
    complex_ = isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "c"
    return floating(value) or number(value) or complex_ or isinstance(value, complex)


def _cotangent(tree: Any, path: Path, placed: Mapping[Path, Array]) -> Any:
    if path in placed:
        value = placed[path]
        if isinstance(tree, np.ndarray):
            return value
        return float(value) if type(tree) is float else value[()]
    children = branches(tree)
    if children is None:
        return np.zeros(tree.shape) if isinstance(tree, np.ndarray) else None
    return rebranched(tree, {k: _cotangent(c, (*path, k), placed) for k, c in children.items()})


def spell(value: Any) -> str:
    """Say in a word or two what a value is."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return type(value).__name__
