"""Named ways to settle what the paper leaves open: its authors', and those of code in use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from npcbam import arguments
from npcbam.drawing import Draw, he_normal, uniform, zeros
from npcbam.pooling import AVG, MAX, MAX_EVEN, Pool

Size = TypeVar("Size", bound=int | str)


@dataclass(frozen=True)
class Preset:
    """The conventions that the paper leaves open, as one implementation settles them.

    Parameters
    ----------
    source : whose they are
    pools, planes : of the channel gate and of the spatial one, which is not there if None
    mlp_bias, conv_bias : whether there are biases
    norm_momentum : of the norm in the spatial gate; None for no norm
    blend, residual : as in the layers
    round_hidden : round C/r half up, and to at least 1
    first_mlp_bias, first_kernel, first_gamma : what these weights start with
    """

    source: str
    pools: tuple[Pool, ...] = (AVG, MAX)
    planes: tuple[Pool, ...] | None = (AVG, MAX)
    mlp_bias: bool = False
    conv_bias: bool = False
    norm_momentum: float | None = None
    blend: bool = False
    residual: bool = False
    round_hidden: bool = False
    first_mlp_bias: Draw = uniform
    first_kernel: Draw = uniform
    first_gamma: float = 1.0


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
        # gamma = 0: Ms is ½ everywhere, and the kernel's gradient 0, until the first step.
        first_mlp_bias=zeros,
        first_kernel=he_normal,
        first_gamma=0.0,
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
