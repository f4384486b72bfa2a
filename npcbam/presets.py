"""Named ways to build a CBAM: the paper's, its authors', and those of code in use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.pooling import AVG, MAX, MAX_EVEN, Pool
from npcbam.spatial_attention import SpatialAttention

Size = TypeVar("Size", bound=int | str)


@dataclass(frozen=True)
class Preset:
    """The conventions that the paper leaves open, as one implementation settles them."""

    source: str
    pools: tuple[Pool, ...] = (AVG, MAX)
    planes: tuple[Pool, ...] | None = (AVG, MAX)
    mlp_bias: bool = False
    conv_bias: bool = False
    norm_momentum: float | None = None
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
        planes=(MAX, AVG),
        mlp_bias=True,
        norm_momentum=0.01,
    ),
    "seed": Preset(
        "a common PyTorch block: planes [max, avg], a bias in the convolution, and x added back",
        planes=(MAX, AVG),
        conv_bias=True,
        residual=True,
    ),
    "timm": Preset(
        "timm's CbamModule: even ties, a norm in the spatial gate, C/r rounded half up",
        pools=(AVG, MAX_EVEN),
        planes=(AVG, MAX_EVEN),
        norm_momentum=0.1,
        round_hidden=True,
    ),
    "timm_light": Preset(
        "timm's LightCbamModule: one pass on the mean of both pools, in either attention",
        pools=(AVG, MAX_EVEN),
        planes=(AVG, MAX_EVEN),
        norm_momentum=0.1,
        blend=True,
        round_hidden=True,
    ),
    "se": Preset("squeeze and excitation: average only, no spatial gate", (AVG,), None),
}


def preset(name: str) -> Preset:
    """Return the preset called `name`; raise ValueError that lists them if there is none."""
    arguments.choice("preset", name, PRESETS)
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
    arguments.positive("channels", channels)
    arguments.positive("reduction_ratio", reduction_ratio)
    if preset(name).round_hidden:
        return max(1, math.floor(channels / reduction_ratio + 0.5))
    if channels < reduction_ratio:
        raise ValueError(
            f"reduction_ratio: expected at most channels, {channels}, "
            f"so that there is a hidden unit, got {reduction_ratio}"
        )
    return int(channels // reduction_ratio)


def shapes(
    name: str, channels: Size, hidden: Size, kernel: tuple[Size, ...]
) -> dict[str, tuple[int | Size, ...]]:
    """Return the shape of each array of a preset, under its path in `tree.leaves`, in that order.

    The sizes are numbers, or strings that stand for them.

    >>> shapes("paper", 32, 2, (7, 7))["spatial.conv.w"]
    (1, 2, 7, 7)
    """
    how = preset(name)
    found: dict[str, tuple[int | Size, ...]] = {
        "channel.mlp.w0": (hidden, channels),
        "channel.mlp.w1": (channels, hidden),
    }
    if how.mlp_bias:
        found |= {"channel.mlp.b0": (hidden,), "channel.mlp.b1": (channels,)}
    if how.planes is not None:
        found["spatial.conv.w"] = (1, 1 if how.blend else len(how.planes), *kernel)
        if how.conv_bias:
            found["spatial.conv.b"] = (1,)
        if how.norm_momentum is not None:
            found |= {f"spatial.norm.{part}": (1,) for part in ("gamma", "beta", "mean", "var")}
    return found


def build(name: str, arrays: Mapping[str, Array]) -> CBAM:
    """Assemble a CBAM of a preset.

    Parameters
    ----------
    name : a key of `PRESETS`
    arrays : the array of each leaf under its path, as in `shapes`; they are not copied

    Raises
    ------
    TypeError, ValueError
        The paths are not those of the preset, or an array does not fit.

    >>> sizes = shapes("se", channels=8, hidden=2, kernel=())
    >>> se = build("se", {path: np.ones(shape) for path, shape in sizes.items()})
    >>> [pool.name for pool in se.channel.pools], se.spatial
    (['avg'], None)
    """
    how, paths = preset(name), list(shapes(name, 1, 1, ()))
    if sorted(arrays) != sorted(paths):
        raise ValueError(f"arrays: expected {', '.join(paths)}, got {', '.join(arrays)}")
    parts: dict[str, dict[str, Any]] = {}
    for path in paths:
        part, _, field = path.rpartition(".")
        parts.setdefault(part, {})[field] = arrays[path]
    mlp = SharedMLP(**parts["channel.mlp"])
    channel = ChannelAttention(mlp, how.pools, how.blend)
    if how.planes is None:
        return CBAM(channel, residual=how.residual)
    norm = None
    if how.norm_momentum is not None:
        norm = BatchNorm(**parts["spatial.norm"], momentum=how.norm_momentum)
    conv = Conv(**parts["spatial.conv"])
    spatial = SpatialAttention(conv, how.planes, norm, how.blend)
    return CBAM(channel, spatial, residual=how.residual)


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

    >>> cbam = init(0, channels=64, name="official")
    >>> cbam.channel.mlp.b0, cbam.spatial.norm.gamma
    (array([0., 0., 0., 0.]), array([0.]))
    """
    if not isinstance(rng, np.random.Generator):
        arguments.seed("rng", rng)
        rng = np.random.default_rng(rng)
    hidden = hidden_units(channels, reduction_ratio, name)
    arguments.odd("kernel_size", kernel_size)
    arguments.choice("spatial_axes", spatial_axes, (1, 2, 3))
    arguments.dtype("dtype", dtype)
    sizes = shapes(name, channels, hidden, (kernel_size,) * spatial_axes)
    taps = math.prod(sizes.get("spatial.conv.w", ()))
    # A bias has the fan_in of its weight.
    fan_ins = {"w0": channels, "b0": channels, "w1": hidden, "b1": hidden, "w": taps, "b": taps}
    fixed = {"gamma": 1, "beta": 0, "mean": 0, "var": 1}
    if name == "official":
        fixed |= {"b0": 0, "b1": 0, "gamma": 0}
    arrays = {}
    for path, shape in sizes.items():
        leaf = path.rpartition(".")[2]
        if leaf in fixed:
            drawn = np.full(shape, float(fixed[leaf]))
        elif name == "official" and leaf == "w":
            drawn = rng.normal(0, math.sqrt(2 / kernel_size**spatial_axes), shape)
        else:
            drawn = rng.uniform(-1, 1, shape) / math.sqrt(fan_ins[leaf])
        arrays[path] = drawn.astype(dtype)
    return build(name, arrays)
