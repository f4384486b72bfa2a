"""CBAM, Eq. 1: F' = Mc(F) ⊗ F, then F'' = Ms(F') ⊗ F'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from npcbam import arguments, presets, tree
from npcbam.arguments import Array
from npcbam.channel_attention import ChannelAttention
from npcbam.drawing import generator, uniform
from npcbam.norm import BatchNorm
from npcbam.pointwise import scale_vjp, sigmoid_vjp
from npcbam.spatial_attention import SpatialAttention
from npcbam.types import LayerPullback, Stepped

A = TypeVar("A", ChannelAttention, SpatialAttention)
ORDERS = ("channel-first", "spatial-first", "parallel")


@dataclass(frozen=True, eq=False)
class CBAM:
    """The Convolutional Block Attention Module.

    Parameters
    ----------
    channel : the channel attention
    spatial : the spatial attention, or None for the channel gate alone
    order : "channel-first" as in Eq. 1, "spatial-first", or "parallel", in which both read the
        input and their logits are added before one sigmoid
    residual : add the input to the output

    Raises
    ------
    TypeError, ValueError
        `channel` or `spatial` is no such layer, the two have different dtypes, or `order` or
        `residual` is unknown.

    Source: Eq. 1 of Woo et al. 2018 and its ablations of the order, Sec. 4.1.

    >>> cbam = CBAM.init(0, channels=32)
    >>> x = np.random.default_rng(1).normal(size=(2, 32, 8, 6))
    >>> y, pullback = cbam.vjp(x)
    >>> dcbam, dx = pullback(np.ones_like(y))
    >>> y.shape, dx.shape, dcbam.channel.mlp.w0.shape
    ((2, 32, 8, 6), (2, 32, 8, 6), (2, 32))
    """

    channel: ChannelAttention
    spatial: SpatialAttention | None = None
    order: str = "channel-first"
    residual: bool = False

    def __post_init__(self) -> None:
        arguments.layer("channel", self.channel, ChannelAttention)
        if self.spatial is not None:
            arguments.layer("spatial", self.spatial, SpatialAttention)
        arguments.choice("order", self.order, ORDERS)
        arguments.choice("residual", self.residual, (False, True))
        arguments.same_dtype(tree.leaves(self))

    @classmethod
    def init(
        cls,
        rng: np.random.Generator | int,
        channels: int,
        reduction_ratio: int = 16,
        kernel_size: int = 7,
        preset: str = "paper",
        *,
        dtype: npt.DTypeLike = np.float64,
        spatial_axes: int = 2,
    ) -> Self:
        """Draw the weights of a new CBAM as PyTorch does, and `official` as its authors do.

        Every weight and bias is uniform within ±1/√fan_in, with fan_in = C for w0 and b0, C/r for
        w1 and b1, and planes × kernel_size ** spatial_axes for the convolution. Norms start with
        gamma = 1, beta = 0, mean = 0, var = 1. In `official` the MLP's biases are 0, the kernel is
        normal with variance 2 / kernel_size ** spatial_axes, and the norm's gamma is 0.

        Parameters
        ----------
        rng : a Generator, or the seed of one
        channels, reduction_ratio : C and r
        kernel_size : odd
        preset : a key of `presets.PRESETS`
        dtype : float32, float64, longdouble or complex128; all are drawn in float64, then cast
        spatial_axes : 1, 2 or 3

        Raises
        ------
        TypeError, ValueError
            An argument is out of range; the message names it.

        >>> cbam = CBAM.init(0, channels=64, preset="official")
        >>> cbam.channel.mlp.b0, cbam.spatial.norm.gamma
        (array([0., 0., 0., 0.]), array([0.]))
        """
        rng, how = generator(rng), presets.preset(preset)
        hidden = presets.hidden_units(channels, reduction_ratio, preset)
        arguments.odd("kernel_size", kernel_size)
        arguments.choice("spatial_axes", spatial_axes, (1, 2, 3))
        arguments.dtype("dtype", dtype)
        channel = ChannelAttention.init(
            rng,
            channels,
            hidden,
            pools=how.pools,
            blend=how.blend,
            bias=how.first_mlp_bias if how.mlp_bias else None,
            dtype=dtype,
        )
        if how.planes is None:
            return cls(channel, residual=how.residual)
        norm = None
        if how.norm_momentum is not None:
            norm = BatchNorm.init(1, gamma=how.first_gamma, momentum=how.norm_momentum, dtype=dtype)
        spatial = SpatialAttention.init(
            rng,
            (kernel_size,) * spatial_axes,
            pools=how.planes,
            norm=norm,
            blend=how.blend,
            weight=how.first_kernel,
            bias=uniform if how.conv_bias else None,
            dtype=dtype,
        )
        return cls(channel, spatial, residual=how.residual)

    @classmethod
    def build(cls, preset: str, arrays: Mapping[str, Array]) -> Self:
        """Assemble a CBAM of a preset.

        Parameters
        ----------
        preset : a key of `presets.PRESETS`
        arrays : the array of each leaf under its path, as in `presets.shapes`; not copied

        Raises
        ------
        TypeError, ValueError
            The paths are not those of the preset, or an array does not fit.

        >>> sizes = presets.shapes("se", channels=8, hidden=2, kernel=())
        >>> se = CBAM.build("se", {path: np.ones(shape) for path, shape in sizes.items()})
        >>> [pool.name for pool in se.channel.pools], se.spatial
        (['avg'], None)
        """
        paths = list(presets.shapes(preset, 1, 1, ()))
        if sorted(arrays) != sorted(paths):
            raise ValueError(f"arrays: expected {', '.join(paths)}, got {', '.join(arrays)}")
        for path in paths:
            arguments.array(path, arrays[path])
        smallest = cls.init(0, 1, 1, 1, preset)  # of which the structure alone is taken
        return tree.replace_leaves(smallest, (arrays[path] for path, _ in tree.leaves(smallest)))

    def __call__(self, x: Array) -> Array:
        """Return the refined `x`; see `vjp`."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Refine a feature map.

        Parameters
        ----------
        x : (N, C, *S), of the dtype of the parameters; N may be 0

        Saved for backward: x, F' and both maps, and what the attentions save. `x` is not copied:
        leave it as it is until the last pullback.

        Returns
        -------
        y, pullback : y is (N, C, *S); `dcbam, dx = pullback(dy)`

        Raises
        ------
        TypeError
            `x` or `dy` is no array, or not of the dtype of the parameters.
        ValueError
            `x` has another rank or channels, or an empty spatial axis; `dy` is not shaped as y.
        """
        x = self._checked(x)
        y, walk_pullback = self._walk_vjp(x)
        if self.residual:
            y = y + x

        def cbam_pullback(dy: Array) -> tuple[Self, Array]:
            dy = arguments.cotangent(dy, y)
            dcbam, dx = walk_pullback(dy)
            return dcbam, dx + dy if self.residual else dx

        return y, cbam_pullback

    def train_vjp(self, x: Array) -> Stepped[Self]:
        """Refine with the batch's own statistics in the norm; see `BatchNorm.train_vjp`.

        Returns
        -------
        y, pullback, stepped : `stepped` is this CBAM with the running statistics stepped
        """
        if self.spatial is None or self.spatial.norm is None:
            return *self.vjp(x), self
        x = self._checked(x)
        f = self.channel(x) * x if self.order == "channel-first" else x
        stepped = replace(self, spatial=self.spatial.stepped(f))
        return *replace(self, spatial=self.spatial.in_training()).vjp(x), stepped

    def _checked(self, x: Array) -> Array:
        # The channels are known to the MLP alone, which spatial-first would reach last.
        w0 = self.channel.mlp.w0
        return arguments.feature_map(x, ("w0", w0), w0.shape[1])

    def _walk_vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        if self.spatial is not None and self.order == "parallel":
            return self._parallel_vjp(x, self.spatial)
        names = ["channel", "spatial"] if self.spatial is not None else ["channel"]
        if self.order == "spatial-first":
            names.reverse()
        walked, f = [], x
        for name in names:
            f, refine_pullback = refine_vjp(getattr(self, name), f)  # F', then F''
            walked.append((name, refine_pullback))

        def walk_pullback(dy: Array) -> tuple[Self, Array]:
            dattentions, df = {}, dy
            for name, refine_pullback in reversed(walked):
                dattentions[name], df = refine_pullback(df)
            return replace(self, **dattentions), df

        return f, walk_pullback

    def _parallel_vjp(
        self, x: Array, spatial: SpatialAttention
    ) -> tuple[Array, LayerPullback[Self]]:
        zc, channel_pullback = self.channel.logits_vjp(x)  # (N, C, 1, ...)
        zs, spatial_pullback = spatial.logits_vjp(x)  # (N, 1, *S)
        gate, sigmoid_pullback = sigmoid_vjp(zc + zs)  # (N, C, *S)
        y, scale_pullback = scale_vjp(gate, x)

        def parallel_pullback(dy: Array) -> tuple[Self, Array]:
            dgate, dx = scale_pullback(dy)
            dz = sigmoid_pullback(dgate)
            # zc was broadcast over positions and zs over channels: each gets the sum over those.
            dspatial, dx_spatial = spatial_pullback(dz.sum(axis=1, keepdims=True))
            space = tuple(range(2, x.ndim))
            dchannel, dx_channel = channel_pullback(dz.sum(axis=space, keepdims=True))
            return replace(self, channel=dchannel, spatial=dspatial), dx + dx_spatial + dx_channel

        return y, parallel_pullback


def refine_vjp(attention: A, x: Array) -> tuple[Array, LayerPullback[A]]:
    """Apply one attention to the features that it reads: y = A(x) ⊗ x.

    Parameters
    ----------
    attention : `ChannelAttention` or `SpatialAttention`
    x : (N, C, *S)

    Saved for backward: x, the map, and what the attention saves.

    Returns
    -------
    y, pullback : y is (N, C, *S); `dattention, dx = pullback(dy)`

    Source: either half of Eq. 1.

    >>> cbam = CBAM.init(0, channels=16)
    >>> x = np.random.default_rng(1).normal(size=(2, 16, 4, 3))
    >>> y, pullback = refine_vjp(cbam.channel, x)
    >>> bool((y == cbam.channel(x) * x).all())
    True
    >>> dchannel, dx = pullback(np.ones_like(y))
    >>> dchannel.mlp.w0.shape, dx.shape
    ((1, 16), (2, 16, 4, 3))
    """
    arguments.layer("attention", attention, ChannelAttention, SpatialAttention)
    gate, gate_pullback = attention.vjp(x)
    y, scale_pullback = scale_vjp(gate, x)

    def refine_pullback(dy: Array) -> tuple[A, Array]:
        # x reaches y by two routes, as the factor and through the map: its cotangents add.
        dgate, dx_factor = scale_pullback(dy)
        dattention, dx_map = gate_pullback(dgate)
        return dattention, dx_factor + dx_map

    return y, refine_pullback
