"""Spatial attention, Eq. 3: Ms(F) = σ(f([AvgPool(F); MaxPool(F)])), pooled over the channels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.conv import Conv
from npcbam.drawing import Draw, uniform
from npcbam.norm import BatchNorm
from npcbam.pointwise import sigmoid_vjp
from npcbam.pooling import AVG, MAX, Pool, as_pools, describe_vjp
from npcbam.types import LayerPullback, Stepped


@dataclass(frozen=True, eq=False)
class SpatialAttention:
    """The spatial map Ms: one gate for each position of each sample.

    Parameters
    ----------
    conv : kernel (1, P, *K) from the P pooled planes to one
    pools : of `pooling`, or "avg", "max", "lp" and "lse" for these, in the order of the planes
    norm : batch normalisation of the one plane, or None
    blend : convolve the mean of the pools, one plane, in place of all of them

    Raises
    ------
    TypeError, ValueError
        `conv` or `norm` is no such layer, or has another dtype or number of planes, or `pools` or
        `blend` is none of those named.

    Source: Eq. 3 of Woo et al. 2018, with K = 7 × 7; the norm as in the authors' code, blend as
    in timm's LightCbamModule.

    >>> spatial = SpatialAttention(Conv(w=np.ones((1, 2, 7, 7))))
    >>> x = np.random.default_rng(0).normal(size=(2, 8, 4, 3))
    >>> ms, pullback = spatial.vjp(x)
    >>> dspatial, dx = pullback(np.ones_like(ms))
    >>> ms.shape, dx.shape, dspatial.conv.w.shape
    ((2, 1, 4, 3), (2, 8, 4, 3), (1, 2, 7, 7))
    """

    conv: Conv
    pools: tuple[Pool, ...] = (AVG, MAX)
    norm: BatchNorm | None = None
    blend: bool = False

    def __post_init__(self) -> None:
        arguments.layer("conv", self.conv, Conv)
        object.__setattr__(self, "pools", as_pools(self.pools))  # names become values
        arguments.choice("blend", self.blend, (False, True))
        planes = 1 if self.blend else len(self.pools)
        arguments.shaped("conv.w", self.conv.w, (1, planes, *"KKK"[: self.conv.w.ndim - 2]))
        if self.norm is not None:
            arguments.layer("norm", self.norm, BatchNorm)
            arguments.shaped("norm.gamma", self.norm.gamma, (1,), like=("conv.w", self.conv.w))

    @classmethod
    def init(
        cls,
        rng: np.random.Generator | int,
        kernel: tuple[int, ...],
        *,
        pools: tuple[Pool, ...] = (AVG, MAX),
        norm: BatchNorm | None = None,
        blend: bool = False,
        weight: Draw = uniform,
        bias: Draw | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> Self:
        """Draw the weights of a kernel of these sizes; see `Conv.init`."""
        planes = (1 if blend else len(pools), 1)
        conv = Conv.init(rng, planes, kernel, weight=weight, bias=bias, dtype=dtype)
        return cls(conv, pools, norm, blend)

    def __call__(self, x: Array) -> Array:
        """Return the map of `x`; see `vjp`."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Compute Ms = σ(norm(conv(planes))).

        Parameters
        ----------
        x : (N, C, *S), with as many spatial axes as the kernel

        Saved for backward: what `logits_vjp` saves, and σ'.

        Returns
        -------
        ms, pullback : ms is (N, 1, *S); `dspatial, dx = pullback(dms)`
        """
        z, logits_pullback = self.logits_vjp(x)
        ms, sigmoid_pullback = sigmoid_vjp(z)

        def spatial_pullback(dms: Array) -> tuple[Self, Array]:
            dz = sigmoid_pullback(dms)
            return logits_pullback(dz)

        return ms, spatial_pullback

    def train_vjp(self, x: Array) -> Stepped[Self]:
        """Compute Ms with the batch's own statistics in the norm; see `BatchNorm.train_vjp`.

        Returns
        -------
        ms, pullback, stepped : `stepped` is this layer with the running statistics stepped
        """
        stepped = self.stepped(x)
        return *self.in_training().vjp(x), stepped

    def in_training(self) -> Self:
        """Return the layer that normalises by the batch's statistics, if it has a norm."""
        return replace(self, norm=self.norm and self.norm.in_training())

    def stepped(self, x: Array) -> Self:
        """Return this layer with the running statistics moved towards those of a batch."""
        x = arguments.feature_map(x, ("conv.w", self.conv.w), ndim=self.conv.w.ndim)
        if self.norm is None:
            return self
        arguments.batch(x)  # as the norm would of the plane, which the caller has not seen
        planes, _ = describe_vjp(x, (1,), self.pools, self.blend)
        return replace(self, norm=self.norm.stepped(self.conv(np.concatenate(planes, axis=1))))

    def logits_vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Compute norm(conv(planes)), which `vjp` squashes.

        Saved for backward: the planes, the normalised plane, and what each pool saves.
        """
        x = arguments.feature_map(x, ("conv.w", self.conv.w), ndim=self.conv.w.ndim)
        planes, describe_pullback = describe_vjp(x, (1,), self.pools, self.blend)
        z, conv_pullback = self.conv.vjp(np.concatenate(planes, axis=1))  # (N, 1, *S)
        if self.norm is not None:
            z, norm_pullback = self.norm.vjp(z)

        def logits_pullback(dz: Array) -> tuple[Self, Array]:
            dz = arguments.cotangent(dz, z, "dz")
            dnorm = None
            if self.norm is not None:
                dnorm, dz = norm_pullback(dz)
            dconv, dplanes = conv_pullback(dz)  # (N, P, *S)
            dx = describe_pullback(np.split(dplanes, dplanes.shape[1], axis=1))
            return replace(self, conv=dconv, norm=dnorm), dx

        return z, logits_pullback
