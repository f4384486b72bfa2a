"""A right CBAM of given weights, as the axes of both stages say: what a mistake is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.channel import CHANNEL_PAPER, channel_logits, channel_map
from npcbam.oracle.rules.composition import Maps
from npcbam.oracle.rules.rule import Axes, Weights
from npcbam.oracle.rules.spatial import SPATIAL_PAPER, spatial_logits, spatial_map
from npcbam.presets import Preset

# What the stages call the leaves of a CBAM.
KEYS = {
    **{f"channel.mlp.{leaf}": leaf for leaf in ("w0", "w1", "b0", "b1")},
    **{"spatial.conv.w": "k", "spatial.conv.b": "kb"},
    **{f"spatial.norm.{leaf}": leaf for leaf in ("gamma", "beta", "mean", "var")},
}


@dataclass(frozen=True)
class RightBlock:
    """A CBAM as the rules have it.

    Attributes
    ----------
    channel, spatial : the axes of both stages
    compose : y of x and both maps
    residual : whether x is added in the end
    weights : by the keys of the stages; without "k" there is no spatial gate
    """

    channel: Axes
    spatial: Axes
    compose: Callable[[Array, Maps], Array]
    residual: bool
    weights: Weights

    def __call__(self, x: Array) -> Array:
        """Return y of x (N, C, *S)."""
        return self.of(self.stages(), x)

    def of(self, maps: Maps, x: Array) -> Array:
        """Return y where these are the maps."""
        y = self.compose(x, maps)
        return y + x if self.residual else y

    def stages(self) -> Maps:
        """Return the maps as functions; without a spatial gate its map is 1."""
        channel, spatial, weights = self.channel, self.spatial, self.weights

        def ones(f: Array) -> Array:
            return np.ones((len(f), *[1] * (f.ndim - 1)), f.dtype)

        return Maps(
            mc=lambda f: channel_map(channel, weights, f),
            ms=(lambda f: spatial_map(spatial, weights, f)) if "k" in weights else ones,
            zc=lambda f: channel_logits(channel, weights, f),
            zs=lambda f: spatial_logits(spatial, weights, f),
        )


def right_block(weights: Mapping[str, Array], how: Preset) -> RightBlock:
    """Return the right block of a preset; `weights` are under the paths of `presets.shapes`."""
    pools, planes = (tuple(pool.name for pool in each or ()) for each in (how.pools, how.planes))
    channel = {**CHANNEL_PAPER, "pools": pools, "merge": "mean" if how.blend else "logits"}
    spatial = dict(SPATIAL_PAPER)
    if planes:
        spatial["pools"] = ("blend",) if how.blend else planes
    keyed = {KEYS[path]: value for path, value in weights.items()}
    return RightBlock(channel, spatial, lambda x, maps: maps.both(x), how.residual, keyed)
