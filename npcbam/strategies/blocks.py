"""CBAMs of any preset, with weights of which none is 0."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from npcbam import arguments, tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM, ORDERS
from npcbam.pooling import MAX, MAX_EVEN, POOLS, TIES, Pool
from npcbam.presets import PRESETS
from npcbam.strategies.numbers import dtype_of, generator, weights


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
    rng, kind = generator(draw), dtype_of(draw, dtype)
    drawn = [_parameter(rng, name, leaf).astype(kind) for name, leaf in tree.leaves(cbam)]
    return tree.replace_leaves(cbam, iter(drawn))


def _pools(draw: st.DrawFn) -> list[Pool]:
    names = draw(st.lists(st.sampled_from(list(POOLS)), min_size=1, unique=True))
    return [POOLS[name] for name in names]


def _with_ties(pools: Iterable[Pool], ties: str) -> tuple[Pool, ...]:
    top = MAX_EVEN if ties == "even" else MAX
    return tuple(top if pool.name == top.name else pool for pool in pools)


def _parameter(rng: np.random.Generator, name: str, leaf: Array) -> Array:
    drawn = weights(rng, leaf.shape)
    if name.endswith(".var"):
        return np.abs(drawn)
    return drawn / math.sqrt(math.prod(leaf.shape[1:]))
