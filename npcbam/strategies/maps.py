"""Feature maps, and cotangents of results."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.strategies.numbers import distinct, dtype_of, generator, weights


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
    kind = dtype_of(draw, dtype)
    axes = draw(st.sampled_from(list(arguments.AXES))) if ndim is None else ndim
    shape = (
        draw(st.integers(1, 3)) if samples is None else samples,
        draw(st.integers(1, 6)) if channels is None else channels,
        *(draw(st.integers(min_size, max_size)) for _ in range(axes - 2)),
    )
    rng = generator(draw)
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
        real, *imag = (distinct(rng, shape, far_from_kinks) for _ in range(parts))
    x: Array = real.astype(kind)
    return x + kind.type(1j) * imag[0] if imag else x


@st.composite
def cotangents_like(draw: st.DrawFn, y: Array) -> Array:
    """Draw a cotangent of `y`: random signs times magnitudes from 0.5 to 1.5, all different.

    A cotangent of ones hides transposed and permuted gradients, and one with entries near 0
    hides the errors there. Complex entries have such real and imaginary parts.
    """
    arguments.array("y", y)
    rng = generator(draw)
    parts = [weights(rng, y.shape) for _ in range(2 if y.dtype.kind == "c" else 1)]
    dy: Array = parts[0].astype(y.dtype)
    return dy + y.dtype.type(1j) * parts[1] if len(parts) == 2 else dy
