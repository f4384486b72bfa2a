"""Hypothesis strategies for CBAMs and what goes into them; needs the extra `hypothesis`.

Shapes, presets and rules are drawn by hypothesis, so that a failing example shrinks to a small
one. The numbers are drawn from a seed that hypothesis chooses: no entry is special, and none is 0
unless a tie asks for it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from npcbam import arguments, tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM, ORDERS
from npcbam.pooling import MAX, MAX_EVEN, POOLS, TIES, Pool
from npcbam.presets import PRESETS

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "npcbam.strategies needs hypothesis: pip install 'npcbam[hypothesis]'"
    ) from error

# No two entries of a map without ties, nor an entry far from kinks and 0, are nearer than
# GAP / size, where size is the number of entries.
GAP = 2.0


def dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    """Draw float32, float64, longdouble or complex128."""
    return st.sampled_from([np.dtype(dtype) for dtype in arguments.DTYPES])


@st.composite
def feature_maps(
    draw: st.DrawFn,
    *,
    ndim: int | None = None,
    dtype: Any = np.float64,
    channels: int | None = None,
    samples: int | None = None,
    min_size: int = 1,
    max_size: int = 5,
    ties: str = "any",
    far_from_kinks: bool = False,
) -> Array:
    """Draw an (N, C, L), (N, C, H, W) or (N, C, D, H, W) array with entries from -4 to 4.

    Parameters
    ----------
    ndim : 3, 4 or 5; None draws it
    dtype : a supported dtype; None draws it
    channels : C; None draws 1 to 6
    samples : N, which may be 0; None draws 1 to 3
    min_size, max_size : bounds of each spatial axis
    ties : "none": all entries differ, by at least `GAP` / size in their real parts, so that no
        maximum over any axes is tied; "some": small integers, and in one sample the largest entry
        stands twice in a channel and twice at a position, as far as there is room; "any": either
    far_from_kinks : keep the real parts `GAP` / size away from 0; not for maps with ties

    Raises
    ------
    TypeError, ValueError
        An argument is none of those named, or `ties` are asked far from kinks.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(feature_maps(ndim=4, channels=8, ties="none"))
    ... def test_no_entry_comes_twice(x):
    ...     assert x.shape[1] == 8 and np.unique(x).size == x.size
    >>> test_no_entry_comes_twice()
    """
    arguments.choice("ties", ties, ("none", "some", "any"))
    arguments.choice("ndim", ndim, (None, *arguments.AXES))
    if far_from_kinks and ties != "none":
        raise ValueError(f"far_from_kinks: expected ties='none' with it, got {ties!r}")
    if channels is not None:
        arguments.positive("channels", channels)
    if samples is not None and samples != 0:
        arguments.positive("samples", samples)
    arguments.positive("min_size", min_size)
    arguments.positive("max_size", max_size)
    if max_size < min_size:
        raise ValueError(f"max_size: expected at least min_size, {min_size}, got {max_size}")
    kind = _dtype(draw, dtype)
    axes = draw(st.sampled_from(list(arguments.AXES))) if ndim is None else ndim
    shape = (
        draw(st.integers(1, 3)) if samples is None else samples,
        draw(st.integers(1, 6)) if channels is None else channels,
        *(draw(st.integers(min_size, max_size)) for _ in range(axes - 2)),
    )
    rng = _rng(draw)
    tied = draw(st.booleans()) if ties == "any" else ties == "some"
    parts = 2 if kind.kind == "c" else 1
    if tied:
        real, *imag = (rng.integers(-3, 3, shape).astype(float) for _ in range(parts))
        if real.size:
            n, c, *at = (int(rng.integers(size)) for size in shape)
            beside = [(i + 1) % size for i, size in zip(at, shape[2:], strict=True)]
            for place in [(n, c, *at), (n, c, *beside), (n, (c + 1) % shape[1], *at)]:
                real[place] = 3
                for part in imag:
                    part[place] = 1
    else:
        real, *imag = (_distinct(rng, shape, far_from_kinks) for _ in range(parts))
    x: Array = real.astype(kind)
    return x + kind.type(1j) * imag[0] if imag else x


def layouts(x: Array) -> st.SearchStrategy[Array]:
    """Draw an array equal to `x`, entry by entry, that lies otherwise in memory.

    It is in C order, in Fortran order, spread with gaps, backwards (negative strides), with the
    axes shuffled, not aligned, read-only, or, along an axis on which `x` does not vary, broadcast
    from one entry.

    >>> from hypothesis import given, settings
    >>> x = np.arange(6.0).reshape(1, 2, 3)
    >>> @settings(max_examples=5)
    ... @given(layouts(x))
    ... def test_same_values(odd):
    ...     assert (odd == x).all()
    >>> test_same_values()
    """
    arguments.array("x", x)
    found: list[Callable[[Array], Array]] = [
        np.copy, _fortran, _spread, _backwards, _shuffled, _unaligned, _read_only
    ]  # fmt: skip
    for axis, size in enumerate(x.shape):
        # Bit for bit, because -0 == 0 and NaN != NaN.
        first = x[(slice(None),) * axis + (slice(0, 1),)]
        if size > 1 and np.broadcast_to(first, x.shape).tobytes() == x.tobytes():
            found.append(lambda x, first=first: np.broadcast_to(first, x.shape))  # type: ignore[misc]
    return st.sampled_from(found).map(lambda lay: lay(x))


@st.composite
def cotangents_like(draw: st.DrawFn, y: Array) -> Array:
    """Draw a cotangent of `y`: random signs times magnitudes from 0.5 to 1.5, all different.

    A cotangent of ones hides transposed and permuted gradients, and one with entries near 0
    hides the errors there. Complex entries have such real and imaginary parts.
    """
    arguments.array("y", y)
    rng = _rng(draw)
    parts = [_weights(rng, y.shape) for _ in range(2 if y.dtype.kind == "c" else 1)]
    dy: Array = parts[0].astype(y.dtype)
    return dy + y.dtype.type(1j) * parts[1] if len(parts) == 2 else dy


@st.composite
def cbams(
    draw: st.DrawFn,
    *,
    preset: str | None = None,
    channels: int | None = None,
    dtype: Any = np.float64,
    spatial_axes: int | None = None,
    kernel_size: int | None = None,
    order: str | None = None,
    residual: bool | None = None,
    ties: str | None = None,
    pools: str = "preset",
) -> CBAM:
    """Draw a CBAM of any preset, with weights of which none is 0.

    Where PyTorch or the authors start a parameter at 0 or 1, it is another number here, so that
    every gradient differs from 0: weights are ±[0.5, 1.5] / √fan_in, biases and running means
    ±[0.5, 1.5], gamma too, and running variances [0.5, 1.5].

    Parameters
    ----------
    preset : a key of `presets.PRESETS`
    channels : C; None draws 1 to 6
    dtype : a supported dtype
    spatial_axes : 1, 2 or 3
    kernel_size : odd; None draws 1 to 5, which may be larger than the map
    order, residual : as in `CBAM`, in place of the preset's own
    ties : the rule of the maximum, "first" or "even"
    pools : "preset" for those of the preset, "any" for any of avg, max, lp and lse in any order,
        in either attention

    None draws any allowed value.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5)
    ... @given(cbams(preset="official", channels=4, spatial_axes=2))
    ... def test_shape_is_kept(cbam):
    ...     assert cbam(np.ones((1, 4, 3, 2))).shape == (1, 4, 3, 2)
    >>> test_shape_is_kept()
    """
    arguments.choice("pools", pools, ("preset", "any"))
    arguments.choice("ties", ties, (None, *TIES))
    if channels is not None:
        arguments.positive("channels", channels)
    c = draw(st.integers(1, 6)) if channels is None else channels
    cbam = CBAM.init(
        rng=0,
        channels=c,
        reduction_ratio=draw(st.integers(1, c)),
        kernel_size=draw(st.sampled_from([1, 3, 5])) if kernel_size is None else kernel_size,
        preset=draw(st.sampled_from(list(PRESETS))) if preset is None else preset,
        spatial_axes=draw(st.integers(1, 3)) if spatial_axes is None else spatial_axes,
    )
    rule = draw(st.sampled_from(TIES)) if ties is None else ties
    any_pool = pools == "any"
    descriptors = _pools(draw) if any_pool else cbam.channel.pools
    channel = dataclasses.replace(cbam.channel, pools=_with_ties(descriptors, rule))
    spatial = cbam.spatial
    if spatial is not None:
        planes = _with_ties(_pools(draw) if any_pool else spatial.pools, rule)
        shape = (1, 1 if spatial.blend else len(planes), *spatial.conv.w.shape[2:])
        conv = dataclasses.replace(spatial.conv, w=np.ones(shape))
        spatial = dataclasses.replace(spatial, conv=conv, pools=planes)
    cbam = CBAM(
        channel,
        spatial,
        order=draw(st.sampled_from(ORDERS)) if order is None else order,
        residual=draw(st.booleans()) if residual is None else residual,
    )
    rng, kind = _rng(draw), _dtype(draw, dtype)
    drawn = [_parameter(rng, name, leaf).astype(kind) for name, leaf in tree.leaves(cbam)]
    return tree.replace_leaves(cbam, iter(drawn))


def _dtype(draw: st.DrawFn, dtype: Any) -> np.dtype[Any]:
    if dtype is not None:
        arguments.dtype("dtype", dtype)
    found: np.dtype[Any] = draw(dtypes()) if dtype is None else np.dtype(dtype)
    return found


def _rng(draw: st.DrawFn) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def _pools(draw: st.DrawFn) -> list[Pool]:
    names = draw(st.lists(st.sampled_from(list(POOLS)), min_size=1, unique=True))
    return [POOLS[name] for name in names]


def _with_ties(pools: Iterable[Pool], ties: str) -> tuple[Pool, ...]:
    top = MAX_EVEN if ties == "even" else MAX
    return tuple(top if pool.name == top.name else pool for pool in pools)


def _strata(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return shuffled numbers from 0 to 1, no two nearer than half of 1 / size."""
    size = math.prod(shape)
    places = rng.permutation(size) + rng.uniform(0.25, 0.75, size)
    shuffled: Array = (places / max(size, 1)).reshape(shape)
    return shuffled


def _distinct(rng: np.random.Generator, shape: tuple[int, ...], far_from_kinks: bool) -> Array:
    # Strata of width 4 / size keep 2 / size = GAP / size between any two of -2 to 2.
    x: Array = 2 * GAP * _strata(rng, shape) - GAP
    if far_from_kinks:
        x = x + np.where(x < 0, -GAP, GAP) / max(x.size, 1)
    return x


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    signs: Array = rng.choice([-1.0, 1.0], shape)
    return signs * (0.5 + _strata(rng, shape))


def _parameter(rng: np.random.Generator, name: str, leaf: Array) -> Array:
    drawn = _weights(rng, leaf.shape)
    if name.endswith(".var"):
        return np.abs(drawn)
    return drawn / math.sqrt(math.prod(leaf.shape[1:]))


def _fortran(x: Array) -> Array:
    return np.array(x, order="F")


def _spread(x: Array) -> Array:
    wide = np.zeros([2 * size for size in x.shape], x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


def _backwards(x: Array) -> Array:
    back = (slice(None, None, -1),) * x.ndim
    return x[back].copy()[back]


def _shuffled(x: Array) -> Array:
    rolled = (*range(1, x.ndim), 0)
    return x.transpose(rolled).copy().transpose(np.argsort(rolled))


def _unaligned(x: Array) -> Array:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def _read_only(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x
