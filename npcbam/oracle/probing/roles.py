"""Which parameter of the candidate is which of a CBAM's: every way that the shapes allow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from npcbam.arguments import Array

# How many ways are listed, and how many are looked at for that: a few arrays of one element, as
# small blocks have, already allow thousands.
MOST, LOOKED_AT = 64, 4000
# How W0 and W1 may be stored: most often both in the same way.
LAID = (((0, 1), (0, 1)), ((1, 0), (1, 0)), ((0, 1), (1, 0)), ((1, 0), (0, 1)))
# What a spatial gate has that is told to have too many planes.
MORE_PLANES = {3: "three", 4: "four"}
PARTS = {"gamma": "spatial.norm.gamma", "beta": "spatial.norm.beta"}
STATISTICS = {"mean": "spatial.norm.mean", "var": "spatial.norm.var"}
# What the tables of hypotheses call each; a prime is the second of two MLPs.
KEYS = {
    **{f"channel.mlp.{leaf}": leaf for leaf in ("w0", "w1", "b0", "b1")},
    **{f"channel.other.{leaf}": f"{leaf}'" for leaf in ("w0", "w1", "b0", "b1")},
    **{"spatial.conv.w": "k", "spatial.conv.b": "kb"},
    **{path: key for key, path in (PARTS | STATISTICS).items()},
}


@dataclass(frozen=True)
class Role:
    """The candidate's array `name` is the reference's leaf `path`, in another layout.

    `shape` is what it is reshaped to, `axes` how it is then transposed.
    """

    path: str
    name: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def key(self) -> str:
        """What the tables of hypotheses call it."""
        return KEYS[self.path]

    def carry(self, value: Array) -> Array:
        """Lay the candidate's array as the reference has it."""
        return np.ascontiguousarray(value.reshape(self.shape).transpose(self.axes))

    def back(self, dvalue: Array, like: Array) -> Array:
        """Lay the reference's gradient as the candidate has it: the way back of `carry`."""
        return dvalue.transpose(np.argsort(self.axes)).reshape(like.shape)


Roles: TypeAlias = tuple[Role, ...]


def assignments(
    parameters: Mapping[str, Array],
    buffers: Mapping[str, Array],
    dead: Collection[str] = (),
    sizes: tuple[int, int] | None = None,
    part: str = "whole",
) -> list[Roles]:
    """Return the ways to see the arrays as a CBAM's, or as those of its `part`.

    The ways that place the most arrays which have an effect come first, then those that place the
    most of the others, `dead` by name; at most `MOST`, and all of the same `sizes`, by default
    those of the first. Where shapes leave a choice (a hidden layer as wide as the input, two MLPs,
    several arrays of one element) the order in which the arrays come is tried first. Buffers may be
    weights too, which are not learnt.
    """
    parameters = {**parameters, **{k: v for k, v in buffers.items() if is_weight(v)}}
    width = sizes[0] if sizes else 0
    found = [*itertools.islice(_every(parameters, buffers, part, width), LOOKED_AT)]
    found.sort(key=lambda roles: (-sum(role.name not in dead for role in roles), -len(roles)))
    wanted = sizes or (sizes_of(found[0]) if found else None)
    return [roles for roles in found if sizes_of(roles) == wanted][:MOST]


def every_size(
    parameters: Mapping[str, Array], buffers: Mapping[str, Array], part: str = "whole"
) -> list[tuple[int, int]]:
    """Return all `sizes_of` that the shapes allow, the likeliest first.

    A hidden layer is seldom wider than the input; where it is, W0 and W1 have each other's shapes.
    """
    parameters = {**parameters, **{k: v for k, v in buffers.items() if is_weight(v)}}
    hidden = [role.shape[role.axes[0]] for role, _ in _pairs(parameters)]
    widths = dict.fromkeys((0, *hidden))
    ways = (_every(parameters, buffers, part, width) for width in widths)
    found = (sizes_of(roles) for way in ways for roles in itertools.islice(way, LOOKED_AT))
    return [*dict.fromkeys(found)]


def is_weight(buffer: Array) -> bool:
    """Tell whether a buffer may be a weight that is frozen, and not the statistics of a norm."""
    return buffer.size > max(buffer.shape, default=1)


def sizes_of(roles: Roles) -> tuple[int, int]:
    """Return the channels (0 without an MLP) and the spatial axes (2 without a kernel)."""
    by_path = {role.path: role for role in roles}
    w0, kernel = by_path.get("channel.mlp.w0"), by_path.get("spatial.conv.w")
    return w0.shape[w0.axes[1]] if w0 else 0, len(kernel.axes) - 2 if kernel else 2


def _every(
    parameters: Mapping[str, Array], buffers: Mapping[str, Array], part: str, width: int = 0
) -> Iterator[Roles]:
    """Yield every way; with `width`, those in which that is the number of channels."""
    for mlps in [()] if part == "spatial" else _mlps(parameters, width):
        sizes: dict[str, int] = {}
        for role in mlps:
            out, kind = role.shape[role.axes[0]], "b" + role.path[-1]
            sizes[role.path[:-2] + kind] = out
        rest = _without(parameters, *(role.name for role in mlps))
        kernels = _of_kernel(rest, part)
        if not mlps and kernels[:1] == [None]:
            return  # Vectors alone are nothing.
        for kernel in kernels:
            fixed, vectors, slots = mlps, rest, sizes
            if kernel is not None:
                fixed, vectors = (*mlps, kernel), _without(rest, kernel.name)
                slots = sizes | dict.fromkeys(["spatial.conv.b", *PARTS.values()], 1)
            for placed in _vectors(slots, vectors):
                for norm in _norms(placed, kernel, buffers):
                    yield (*fixed, *placed, *norm)


def _of_kernel(arrays: Mapping[str, Array], part: str) -> list[Role | None]:
    """Return what may be the kernel; None, for none, comes before what is sooner a bias."""
    if part == "channel":
        return [None]
    found = [role for name, v in arrays.items() for role in _kernels(name, v)]
    if found:
        return [*found]
    stored = [role for name, v in arrays.items() for role in _in_order(name, v)]
    return [*stored] if part == "spatial" else [None, *stored]


def _mlps(parameters: Mapping[str, Array], width: int) -> Iterator[Roles]:
    """Yield two MLPs, one, a single layer, or none where there is no matrix."""
    pairs = [*_pairs(parameters, width)]
    for (w0, w1), (v0, v1) in itertools.permutations(pairs, 2):
        names = {w0.name, w1.name, v0.name, v1.name}
        # Which of the two comes first is a row of the table, and no matter of roles.
        if len(names) == 4 and w0.name < v0.name and _alike(w0, v0) and _alike(w1, v1):
            yield w0, w1, _other(v0), _other(v1)
    yield from pairs
    shapes = {name: shape for name, v in parameters.items() if (shape := _matrix(v.shape))}
    for axes, (name, shape) in itertools.product([(0, 1), (1, 0)], shapes.items()):
        if shape[0] == shape[1] > 0:
            yield (Role("channel.mlp.w0", name, shape, axes),)
    if not shapes:
        yield ()


def _pairs(parameters: Mapping[str, Array], width: int = 0) -> Iterator[tuple[Role, Role]]:
    """Yield (w0, w1), each as torch has it, (C/r, C) and (C, C/r), or as x @ w has it.

    Without a `width` the hidden layer is not the wider one.
    """
    shapes = {name: shape for name, v in parameters.items() if (shape := _matrix(v.shape))}
    pairs = [*itertools.permutations(shapes.items(), 2)]
    for (one, two), ((a, shape), (b, other)) in itertools.product(LAID, pairs):
        hidden, channels = (shape[axis] for axis in one)
        fits = channels == width if width else hidden <= channels
        if fits and hidden > 0 and [other[axis] for axis in two] == [channels, hidden]:
            yield Role("channel.mlp.w0", a, shape, one), Role("channel.mlp.w1", b, other, two)


def _alike(one: Role, two: Role) -> bool:
    return (one.axes, one.shape) == (two.axes, two.shape)


def _other(role: Role) -> Role:
    return Role(role.path.replace("mlp", "other"), role.name, role.shape, role.axes)


def _matrix(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the two sizes of a linear map, or of a convolution with a kernel of size 1."""
    if len(shape) < 2:
        return ()
    if math.prod(shape[2:]) == 1:
        return shape[:2]
    return shape[-2:] if math.prod(shape[:-2]) == 1 else ()


def _kernels(name: str, value: Array) -> Iterator[Role]:
    """Yield the array as the kernel (1, P, *K): from (1, P, *K), (P, *K) or (*K, P, 1).

    The planes may also be an axis of the kernel, (1, 1, P, *K).
    """
    shape, ndim = value.shape, value.ndim
    inner = tuple(range(ndim - 2))
    laid = [(shape, tuple(range(ndim))), (shape, (ndim - 1, ndim - 2, *inner))]
    if ndim > 2:
        # Two axes are a matrix, sooner than the planes of a kernel over one axis.
        laid.append(((1, *shape), tuple(range(ndim + 1))))
    if shape[:2] == (1, 1):
        laid.append((shape[1:], tuple(range(ndim - 1))))
    for full, axes in laid:
        sizes = [full[axis] for axis in axes if 3 <= len(full) <= 5]
        if sizes[:1] == [1] and all(size % 2 for size in sizes[2:]):
            if sizes[1] in (1, 2):
                yield Role("spatial.conv.w", name, full, axes)
                return
            # With one axis they are sooner the rows of a kernel with two; with one tap, a matrix.
            if sizes[1] in MORE_PLANES and len(sizes) > 3 and math.prod(sizes[2:]) > 1:
                yield Role("spatial.conv.w", name, full, axes)


def may_be_kernel(name: str, value: Array) -> bool:
    """Tell whether an array has the shape of a spatial kernel."""
    return any(True for _ in _kernels(name, value))


def _in_order(name: str, value: Array) -> Iterator[Role]:
    """Yield the array as a square kernel, read entry by entry with the planes first, or last."""
    for planes in (1, 2):
        side = math.isqrt(value.size // planes)
        if side >= 3 and side % 2 and planes * side**2 == value.size:
            yield Role("spatial.conv.w", name, (1, planes, side, side), (0, 1, 2, 3))
            yield Role("spatial.conv.w", name, (1, side, side, planes), (0, 3, 1, 2))


def _vectors(sizes: Mapping[str, int], pool: Mapping[str, Array]) -> Iterator[Roles]:
    """Yield every way to give the slots arrays of their sizes, each array once, or none."""
    if not sizes:
        yield ()
        return
    path, size = next(iter(sizes.items()))
    rest = _without(sizes, path)
    for name in [key for key, v in pool.items() if v.size == size == max(v.shape, default=1)]:
        for roles in _vectors(rest, _without(pool, name)):
            yield (Role(path, name, (size,), (0,)), *roles)
    yield from _vectors(rest, pool)


def _norms(placed: Roles, kernel: Role | None, buffers: Mapping[str, Array]) -> Iterator[Roles]:
    """Yield the running statistics that complete `placed`; nothing if they do not fit it."""
    parts = sum(role.path in PARTS.values() for role in placed)
    # Likeliest are those of the module that holds gamma and beta.
    homes = {role.name.rpartition(".")[0] for role in placed if role.path in PARTS.values()}
    single = [key for key, value in buffers.items() if value.size == 1]
    single.sort(key=lambda key: key.rpartition(".")[0] not in homes)
    # A norm that keeps no statistics has gamma and beta all the same.
    if parts == 0 or (parts == 2 and len(single) < 2):
        yield ()
    if parts in (0, 2) and kernel is not None:
        for names in itertools.permutations(single, 2):
            pairs = zip(STATISTICS.values(), names, strict=True)
            yield tuple(Role(path, name, (1,), (0,)) for path, name in pairs)


def _without(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {k: v for k, v in mapping.items() if k not in keys}
