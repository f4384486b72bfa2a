"""Named ways to build a CBAM: the paper's, its authors', and those of code in use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam import checks, tree
from npcbam.cbam import CBAM
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.checks import Array
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.spatial_attention import SpatialAttention


@dataclass(frozen=True)
class Preset:
    """The conventions that the paper leaves open, as one implementation settles them."""

    source: str
    pools: tuple[str, ...] = ("avg", "max")
    planes: tuple[str, ...] | None = ("avg", "max")
    mlp_bias: bool = False
    conv_bias: bool = False
    norm_momentum: float | None = None
    ties: str = "first"
    blend: bool = False
    residual: bool = False
    round_hidden: bool = False


PRESETS = {
    "paper": Preset("Eqs. 1 to 3 to the letter: no biases, no norm"),
    "paper_biased": Preset(
        "Eqs. 1 to 3 with a bias in every linear map", mlp_bias=True, conv_bias=True
    ),
    "official": Preset(
        "the authors' code: MLP biases, planes [max, avg], a norm in the spatial gate",
        planes=("max", "avg"),
        mlp_bias=True,
        norm_momentum=0.01,
    ),
    "seed": Preset(
        "a common PyTorch block: planes [max, avg], a bias in the convolution, and x added back",
        planes=("max", "avg"),
        conv_bias=True,
        residual=True,
    ),
    "timm": Preset(
        "timm's CbamModule: even ties, a norm in the spatial gate, C/r rounded half up",
        norm_momentum=0.1,
        ties="even",
        round_hidden=True,
    ),
    "timm_light": Preset(
        "timm's LightCbamModule: one pass on the mean of both pools, in either attention",
        norm_momentum=0.1,
        ties="even",
        blend=True,
        round_hidden=True,
    ),
    "se": Preset("squeeze and excitation: average only, no spatial gate", ("avg",), None),
}


def preset(name: str) -> Preset:
    """Return the preset called `name`; raise ValueError that lists them if there is none."""
    checks.choice("preset", name, PRESETS)
    return PRESETS[name]


def hidden_units(channels: int, reduction_ratio: int, name: str = "paper") -> int:
    """Return the width of the hidden layer: C // r, or in timm C / r rounded half up, at least 1.

    Raises
    ------
    ValueError
        No hidden unit is left.

    >>> hidden_units(24, 16), hidden_units(24, 16, "timm")
    (1, 2)
    """
    checks.positive("channels", channels)
    checks.positive("reduction_ratio", reduction_ratio)
    if preset(name).round_hidden:
        return max(1, math.floor(channels / reduction_ratio + 0.5))
    if channels < reduction_ratio:
        raise ValueError(
            f"reduction_ratio: expected at most channels, {channels}, "
            f"so that there is a hidden unit, got {reduction_ratio}"
        )
    return int(channels // reduction_ratio)


def init(
    rng: np.random.Generator | int,
    channels: int,
    reduction_ratio: int = 16,
    kernel_size: int = 7,
    name: str = "paper",
    dtype: Any = np.float64,
    spatial_axes: int = 2,
) -> CBAM:
    """Draw the weights of a new CBAM as PyTorch does, and `official` as its authors do.

    Every weight and bias is uniform within ±1/√fan_in, with fan_in = C for w0 and b0, C/r for w1
    and b1, and planes × kernel_size ** spatial_axes for the convolution. Norms start with
    gamma = 1, beta = 0, mean = 0, var = 1. In `official` the MLP's biases are 0, the kernel is
    normal with variance 2 / kernel_size ** spatial_axes, and the norm's gamma is 0, so that Ms is
    ½ everywhere and the kernel's gradient 0 until the first step.

    Parameters
    ----------
    rng : a Generator, or the seed of one
    channels, reduction_ratio : C and r
    kernel_size : odd
    name : a key of `PRESETS`
    dtype : float32, float64, longdouble or complex128; all are drawn in float64, then cast
    spatial_axes : 1, 2 or 3

    Raises
    ------
    TypeError, ValueError
        An argument is out of range; the message names it.
    """
    if not isinstance(rng, np.random.Generator):
        checks.seed("rng", rng)
        rng = np.random.default_rng(rng)
    how = preset(name)
    hidden = hidden_units(channels, reduction_ratio, name)
    checks.odd("kernel_size", kernel_size)
    checks.choice("spatial_axes", spatial_axes, (1, 2, 3))
    checks.dtype("dtype", dtype)

    def uniform(fan_in: int, *shape: int) -> Array:
        return rng.uniform(-1, 1, shape) / math.sqrt(fan_in)

    official = name == "official"
    w0, w1 = uniform(channels, hidden, channels), uniform(hidden, channels, hidden)
    b0 = b1 = None
    if how.mlp_bias:
        b0 = np.zeros(hidden) if official else uniform(channels, hidden)
        b1 = np.zeros(channels) if official else uniform(hidden, channels)
    channel = ChannelAttention(SharedMLP(w0, w1, b0, b1), how.pools, how.ties, how.blend)
    spatial = None
    if how.planes is not None:
        shape = (1, 1 if how.blend else len(how.planes), *[kernel_size] * spatial_axes)
        taps = kernel_size**spatial_axes
        w = uniform(math.prod(shape), *shape)
        if official:
            w = rng.normal(0, math.sqrt(2 / taps), shape)
        b = uniform(math.prod(shape), 1) if how.conv_bias else None
        norm = None
        if how.norm_momentum is not None:
            gamma = np.zeros(1) if official else np.ones(1)
            fixed = (np.zeros(1), np.zeros(1), np.ones(1))
            norm = BatchNorm(gamma, *fixed, momentum=how.norm_momentum)
        spatial = SpatialAttention(Conv(w, b), how.planes, norm, how.ties, how.blend)
    drawn = CBAM(channel, spatial, residual=how.residual)
    return tree.map(lambda leaf: leaf.astype(dtype), drawn)
