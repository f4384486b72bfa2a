"""A reference of one gate alone: its map, its map over all features, or the features it refines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.channel_attention import ChannelAttention
from npcbam.pointwise import scale_vjp, sigmoid_vjp
from npcbam.routes import Cotangents, Gains, through
from npcbam.spatial_attention import SpatialAttention
from npcbam.types import LayerPullback


@dataclass(frozen=True, eq=False)
class OneGate:
    """One half of a CBAM, as people write it.

    Parameters
    ----------
    channel, spatial : the gate; the other is None
    residual : add the input to the output, which must be features
    gives : "map" for Mc (N, C, 1, ...) or Ms (N, 1, *S), "spread" for the map broadcast to x, and
        "features" for the map times x

    >>> from npcbam.conv import Conv
    >>> gate = OneGate(spatial=SpatialAttention(Conv(w=np.ones((1, 2, 7, 7)))), gives="map")
    >>> y, pullback = gate.vjp(np.ones((2, 8, 4, 3)))
    >>> dgate, dx = pullback(np.ones_like(y))
    >>> y.shape, dx.shape, [path for path, _ in tree.leaves(dgate)]
    ((2, 1, 4, 3), (2, 8, 4, 3), ['spatial.conv.w'])
    """

    channel: ChannelAttention | None = None
    spatial: SpatialAttention | None = None
    residual: bool = False
    gives: str = "features"

    def __post_init__(self) -> None:
        if (self.channel is None) == (self.spatial is None):
            raise ValueError("channel, spatial: expected one of them, and None for the other")

    @property
    def name(self) -> str:
        """Which gate it is, "channel" or "spatial"."""
        return "spatial" if self.channel is None else "channel"

    @property
    def attention(self) -> ChannelAttention | SpatialAttention:
        """The gate."""
        return next(gate for gate in (self.channel, self.spatial) if gate is not None)

    def __call__(self, x: Array) -> Array:
        """Return what the gate gives for `x`; see `vjp`."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Apply the gate to x (N, C, *S): `dgate, dx = pullback(dy)`."""
        gate = self.attention(x)
        y = gate * self._factor(gate, x)

        def one_gate_pullback(dy: Array) -> tuple[Self, Array]:
            leaves, dx = self.pulled(x, dy, {})
            return tree.replace_leaves(self, iter(leaves.values())), dx

        return y + x if self.residual else y, one_gate_pullback

    def pulled(self, x: Array, dy: Array, gains: Gains) -> Cotangents:
        """Return the gradients, by leaf, and dx; see `routes.pulled`."""
        dattention, dx = through(self.name, self.attention, x, self.at_logits(x, dy), gains)
        if self.gives == "features":
            dx = dx + gains.get(f"{self.name} features", 1.0) * (self.attention(x) * dy)
        if self.residual:
            dx = dx + gains.get("residual", 1.0) * dy
        return dict(tree.leaves(dattention, self.name)), dx

    def at_logits(self, x: Array, dy: Array) -> Array:
        """Return the cotangent of the gate's logits."""
        gate, sigmoid_pullback = sigmoid_vjp(self.attention.logits_vjp(x)[0])
        return sigmoid_pullback(scale_vjp(gate, self._factor(gate, x))[1](dy)[0])

    def _factor(self, gate: Array, x: Array) -> Array:
        """Return what the map is multiplied by."""
        return {"map": np.ones_like(gate), "spread": np.ones_like(x), "features": x}[self.gives]


# What a candidate is held against.
Reference: TypeAlias = CBAM | OneGate
