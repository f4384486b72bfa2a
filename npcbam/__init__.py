"""npcbam: the Convolutional Block Attention Module in NumPy, forward and backward by hand.

Read it in this order: `pointwise`, `pooling`, `conv`, `norm`, `channel_attention`,
`spatial_attention`, `cbam`, `presets`. Every layer is a frozen dataclass of arrays with

    y, pullback = layer.vjp(x)
    dlayer, dx = pullback(dy)

and every function `f` of arrays has its `f_vjp`. `check` asks whether another CBAM is correct.
"""

import importlib
from typing import TYPE_CHECKING, Any

from npcbam.cbam import CBAM, refine_vjp
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.pointwise import relu, relu_vjp, scale, scale_vjp, sigmoid, sigmoid_vjp
from npcbam.spatial_attention import SpatialAttention

if TYPE_CHECKING:
    from npcbam.oracle import check

__version__ = "0.1.0"

__all__ = [
    "CBAM",
    "BatchNorm",
    "ChannelAttention",
    "Conv",
    "SharedMLP",
    "SpatialAttention",
    "check",
    "refine_vjp",
    "relu",
    "relu_vjp",
    "scale",
    "scale_vjp",
    "sigmoid",
    "sigmoid_vjp",
]


def __getattr__(name: str) -> Any:
    """Load the oracle when it is asked for: the layers alone are there at once."""
    if name in ("check", "oracle"):
        oracle = importlib.import_module("npcbam.oracle")
        return oracle.check if name == "check" else oracle
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
