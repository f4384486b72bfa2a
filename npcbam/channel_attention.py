"""Channel attention, Eq. 2: Mc(F) = σ(MLP(AvgPool(F)) + MLP(MaxPool(F)))."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from npcbam import arguments, tree
from npcbam.arguments import Array
from npcbam.drawing import Draw, generator, uniform
from npcbam.pointwise import relu_vjp, sigmoid_vjp
from npcbam.pooling import AVG, MAX, Pool, as_pools, describe_vjp
from npcbam.types import LayerPullback


@dataclass(frozen=True, eq=False)
class SharedMLP:
    """Two linear layers with relu between them: W1 relu(W0 f + b0) + b1.

    Parameters
    ----------
    w0 : (C/r, C) weight into the hidden layer
    w1 : (C, C/r) weight out of it
    b0 : (C/r,) bias, or None
    b1 : (C,) bias, or None

    Raises
    ------
    TypeError
        A parameter is no array, of an unsupported dtype, or of another dtype than `w0`.
    ValueError
        A shape does not fit, or there is no hidden unit.

    Source: Eq. 2 of Woo et al. 2018, which has no biases; the authors' code has both.

    >>> mlp = SharedMLP(w0=np.array([[1.0, -1.0]]), w1=np.array([[2.0], [3.0]]))
    >>> z, pullback = mlp.vjp(np.array([[5.0, 1.0]]))
    >>> z
    array([[ 8., 12.]])
    >>> dmlp, df = pullback(np.array([[1.0, 10.0]]))
    >>> dmlp.w0, df
    (array([[160.,  32.]]), array([[ 32., -32.]]))
    """

    w0: Array
    w1: Array
    b0: Array | None = None
    b1: Array | None = None

    def __post_init__(self) -> None:
        w0 = arguments.shaped("w0", self.w0, ("C/r", "C"))
        hidden, channels = w0.shape
        if w0.size == 0:
            raise ValueError(f"w0: expected at least one hidden unit and channel, got {w0.shape}")
        arguments.shaped("w1", self.w1, (channels, hidden), like=("w0", w0))
        if self.b0 is not None:
            arguments.shaped("b0", self.b0, (hidden,), like=("w0", w0))
        if self.b1 is not None:
            arguments.shaped("b1", self.b1, (channels,), like=("w0", w0))

    @classmethod
    def init(
        cls,
        rng: np.random.Generator | int,
        channels: int,
        hidden: int,
        *,
        bias: Draw | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> Self:
        """Draw the weights as PyTorch does; `bias` draws both biases, which None leaves out."""
        rng = generator(rng)
        arguments.positive("channels", channels)
        arguments.positive("hidden", hidden)
        arguments.dtype("dtype", dtype)
        drawn = [
            uniform(rng, (hidden, channels), channels),
            uniform(rng, (channels, hidden), hidden),
        ]
        if bias is not None:
            # A bias has the fan_in of its weight.
            drawn += [bias(rng, (hidden,), channels), bias(rng, (channels,), hidden)]
        return cls(*(a.astype(dtype) for a in drawn))

    def __call__(self, f: Array) -> Array:
        """Return the logits of `f`; see `vjp`."""
        return self.vjp(f)[0]

    def vjp(self, f: Array) -> tuple[Array, LayerPullback[Self]]:
        """Map descriptors to logits.

        Parameters
        ----------
        f : (N, C)

        Saved for backward: f, the hidden layer after relu, and relu's mask.

        Returns
        -------
        z, pullback : z is (N, C); `dmlp, df = pullback(dz)`
        """
        f = arguments.shaped("f", f, ("N", self.w0.shape[1]), like=("w0", self.w0))
        w0, w1 = arguments.array("w0", self.w0), arguments.array("w1", self.w1)
        a = f @ w0.T  # (N, C/r)
        if self.b0 is not None:
            a = a + self.b0
        h, relu_pullback = relu_vjp(a)  # (N, C/r)
        z = h @ w1.T  # (N, C)
        if self.b1 is not None:
            z = z + self.b1

        def mlp_pullback(dz: Array) -> tuple[Self, Array]:
            dz = arguments.cotangent(dz, z)
            db1 = None if self.b1 is None else dz.sum(axis=0)
            # z[n,c] = Σ h[n,j] w1[c,j]: each factor gets dz times the other, summed.
            dw1, dh = dz.T @ h, dz @ w1
            da = relu_pullback(dh)
            db0 = None if self.b0 is None else da.sum(axis=0)
            dw0, df = da.T @ f, da @ w0
            return dataclasses.replace(self, w0=dw0, w1=dw1, b0=db0, b1=db1), df

        return z, mlp_pullback


@dataclass(frozen=True, eq=False)
class ChannelAttention:
    """The channel map Mc: one gate for each channel of each sample.

    Parameters
    ----------
    mlp : the MLP that all descriptors share
    pools : of `pooling`, or "avg", "max", "lp" and "lse" for these, each giving one descriptor
    blend : pass the mean of the descriptors through the MLP once, in place of each of them

    Raises
    ------
    TypeError, ValueError
        `mlp` is no SharedMLP, or `pools` or `blend` is none of those named.

    Source: Eq. 2 of Woo et al. 2018; lp and lse as in the authors' code, blend as in timm's
    LightCbamModule.

    >>> channel = ChannelAttention(SharedMLP(w0=np.ones((2, 8)), w1=np.ones((8, 2))))
    >>> x = np.random.default_rng(0).normal(size=(2, 8, 4, 3))
    >>> mc, pullback = channel.vjp(x)
    >>> dchannel, dx = pullback(np.ones_like(mc))
    >>> mc.shape, dx.shape, dchannel.mlp.w0.shape
    ((2, 8, 1, 1), (2, 8, 4, 3), (2, 8))
    """

    mlp: SharedMLP
    pools: tuple[Pool, ...] = (AVG, MAX)
    blend: bool = False

    def __post_init__(self) -> None:
        arguments.layer("mlp", self.mlp, SharedMLP)
        object.__setattr__(self, "pools", as_pools(self.pools))  # names become values
        arguments.choice("blend", self.blend, (False, True))

    @classmethod
    def init(
        cls,
        rng: np.random.Generator | int,
        channels: int,
        hidden: int,
        *,
        pools: tuple[Pool, ...] = (AVG, MAX),
        blend: bool = False,
        bias: Draw | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> Self:
        """Draw the weights; see `SharedMLP.init`."""
        return cls(SharedMLP.init(rng, channels, hidden, bias=bias, dtype=dtype), pools, blend)

    def __call__(self, x: Array) -> Array:
        """Return the map of `x`; see `vjp`."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Compute Mc = σ(Σ MLP(f)) over the descriptors f.

        Parameters
        ----------
        x : (N, C, *S)

        Saved for backward: what `logits_vjp` saves, and σ'.

        Returns
        -------
        mc, pullback : mc is (N, C, 1, ...); `dchannel, dx = pullback(dmc)`
        """
        z, logits_pullback = self.logits_vjp(x)  # (N, C, 1, ...)
        mc, sigmoid_pullback = sigmoid_vjp(z)

        def channel_pullback(dmc: Array) -> tuple[Self, Array]:
            dz = sigmoid_pullback(dmc)
            return logits_pullback(dz)

        return mc, channel_pullback

    def logits_vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Compute Σ MLP(f), which `vjp` squashes; shapes and saved values as there."""
        x = arguments.feature_map(x, ("w0", self.mlp.w0), self.mlp.w0.shape[1])
        space = tuple(range(2, x.ndim))
        fs, describe_pullback = describe_vjp(x, space, self.pools, self.blend)
        zs, mlp_pullbacks = zip(*(self.mlp.vjp(f.reshape(x.shape[:2])) for f in fs), strict=True)
        z = functools.reduce(np.add, zs).reshape(fs[0].shape)  # (N, C, 1, ...)

        def logits_pullback(dz: Array) -> tuple[Self, Array]:
            # Every pass through the MLP gets the whole dz: its cotangents add.
            flat = arguments.cotangent(dz, z, "dz").reshape(x.shape[:2])
            dmlps, dfs = zip(*(pullback(flat) for pullback in mlp_pullbacks), strict=True)
            dx = describe_pullback([df.reshape(z.shape) for df in dfs])
            return dataclasses.replace(self, mlp=functools.reduce(tree.add, dmlps)), dx

        return z, logits_pullback
