"""The MLP of the channel gate."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

from planted.base import Right, WithBiases
from planted.registry import wrong
from planted.spellings import Hidden


@wrong("channel: channel-merged-before-mlp")
class PoolsMerged(Right):
    def logits(self, x):
        return self.mlp(self.avg(x) + self.top(x))


@wrong("channel: channel-relu-after")
class ReluAfterSecond(Right):
    def mlp(self, f):
        return F.relu(super().mlp(f))


@wrong("channel: channel-relu-after")
class WideReluAfter(Hidden):
    def mlp(self, f):
        return F.relu(super().mlp(f))


@wrong("channel: channel-separate-mlps")
class SeparateMLPs(Right):
    def __init__(self, channels=64, reduction=16):
        super().__init__(channels, reduction)
        self.other = Right(channels, reduction)
        del self.other.conv

    def logits(self, x):
        return self.mlp(self.avg(x)) + self.other.mlp(self.top(x))


@wrong("channel: channel-single-layer")
class OneLayer(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.fc1, self.fc2 = nn.Linear(channels, channels, bias=False), nn.Identity()

    act = staticmethod(lambda h: h)


@wrong("channel: channel-no-mlp")
class NoMLP(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.fc1, self.fc2 = nn.Identity(), nn.Identity()

    act = staticmethod(lambda h: h)


@wrong("channel: channel-silu")
class Silu(Right):
    act = staticmethod(F.silu)


@wrong("channel: channel-elu")
class Elu(Right):
    act = staticmethod(F.elu)


@wrong("channel: channel-leaky-relu")
class LeakyRelu(Right):
    act = staticmethod(F.leaky_relu)


@wrong("channel: channel-gelu")
class Gelu(Right):
    act = staticmethod(F.gelu)


@wrong("channel: channel-tanh-hidden")
class TanhInside(Right):
    act = staticmethod(torch.tanh)


@wrong("channel: channel-hardswish")
class Hardswish(Right):
    act = staticmethod(F.hardswish)


@wrong("channel: channel-softplus")
class Softplus(Right):
    act = staticmethod(F.softplus)


@wrong("channel: channel-mish")
class Mish(Right):
    act = staticmethod(F.mish)


@wrong("channel: channel-linear")
class NoRelu(Right):
    act = staticmethod(lambda h: h)


@wrong("channel: channel-relu-before")
class ReluBeforeFirst(Right):
    act = staticmethod(lambda h: h)

    def mlp(self, f):
        return super().mlp(F.relu(f))


@wrong("channel: channel-relu-on-pools")
class ReluBeforeToo(Right):
    def mlp(self, f):
        return super().mlp(F.relu(f))


@wrong("channel: channel-bias-twice")
class BiasTwice(WithBiases):
    def mlp(self, f):
        return super().mlp(f) + self.fc2.bias


@wrong("channel: channel-bias-once")
class BiasAfterSum(WithBiases):
    def logits(self, x):
        return super().logits(x) - self.fc2.bias


@wrong("channel: channel-unknown")
class UnitLength(Right):
    def mlp(self, f):
        return super().mlp(F.normalize(f, dim=1))
