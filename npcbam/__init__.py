"""npcbam: the Convolutional Block Attention Module in NumPy, forward and backward by hand.

Read it in this order: `pointwise`, `pooling`, `conv`, `norm`, `channel_attention`,
`spatial_attention`, `presets`, `cbam`. Every layer is a frozen dataclass of arrays with

    y, pullback = layer.vjp(x)
    dlayer, dx = pullback(dy)

and every function `f` of arrays has its `f_vjp`. `check` asks whether another CBAM is correct.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npcbam.cbam import CBAM, refine_vjp
    from npcbam.channel_attention import ChannelAttention, SharedMLP
    from npcbam.conv import Conv
    from npcbam.norm import BatchNorm
    from npcbam.oracle.check import check
    from npcbam.pointwise import relu, relu_vjp, scale, scale_vjp, sigmoid, sigmoid_vjp
    from npcbam.spatial_attention import SpatialAttention

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


# The module of each name. All are loaded when they are asked for: a command line or a plugin of
# pytest that needs none of them starts at once.
_HOMES = {
    "CBAM": "cbam",
    "BatchNorm": "norm",
    "ChannelAttention": "channel_attention",
    "Conv": "conv",
    "SharedMLP": "channel_attention",
    "SpatialAttention": "spatial_attention",
    "check": "oracle",
    "refine_vjp": "cbam",
    "relu": "pointwise",
    "relu_vjp": "pointwise",
    "scale": "pointwise",
    "scale_vjp": "pointwise",
    "sigmoid": "pointwise",
    "sigmoid_vjp": "pointwise",
}


def __getattr__(name: str) -> Any:
    """Load a name of `__all__`, or a module of this package, when it is asked for."""
    if name in _HOMES:
        found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return what is there, loaded or not."""
    return sorted({*globals(), *__all__})
