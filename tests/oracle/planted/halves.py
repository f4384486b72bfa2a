"""Channel and spatial modules alone in PyTorch, right and with mistakes."""

from torch import nn

from planted.backwards import GateDetached
from planted.base import Right
from planted.channel_gates import TwoSigmoids
from planted.registry import right, variant, wrong


class Half(nn.Module):
    """One half of a block of PyTorch; `gives` is what its forward returns."""

    block, gives, drops = Right, "map", ()

    def __init__(self, channels=64):
        super().__init__()
        self.inner = self.block(channels)
        for name in self.drops:
            delattr(self.inner, name)

    def map(self, x):
        raise NotImplementedError

    def forward(self, x):
        m = self.map(x)
        return {
            "map": lambda: m,
            "flat": lambda: m[:, :, 0, 0],
            "spread": lambda: m.expand_as(x),
            "features": lambda: m * x,
            "sum": lambda: m * x + x,
        }[self.gives]()


@right(stage="channel")
class Channel(Half):
    drops = ("conv",)

    def map(self, x):
        return self.inner.mc(x)


@right(stage="spatial")
class Spatial(Half):
    drops = ("fc1", "fc2")

    def map(self, x):
        return self.inner.ms(x)


def half(kind, block=Right, gives="map"):
    """Return a class of halves of another block, which give something else."""
    name = f"{block.__name__}{kind.__name__}{gives.title()}"
    return type(name, (kind,), {"block": block, "gives": gives, "__module__": __name__})


Gate = wrong("channel: channel-two-sigmoids", stage="channel")(half(Channel, TwoSigmoids))
GateWithoutGradient = wrong("gradient: channel-map-detached", stage="channel")(
    half(Channel, GateDetached, "features")
)
ChannelAddedBack = variant("compose: residual", stage="channel")(half(Channel, gives="sum"))
SpatialAddedBack = variant("compose: residual", stage="spatial")(half(Spatial, gives="sum"))
