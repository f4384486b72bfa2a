"""What becomes of the channel gate's logits."""

import torch
from torch.nn import functional as F  # noqa: N812, its usual name

from planted.base import Right
from planted.registry import wrong


@wrong("channel: channel-two-sigmoids")
class TwoSigmoids(Right):
    def mc(self, x):
        gates = torch.sigmoid(self.mlp(self.avg(x))) + torch.sigmoid(self.mlp(self.top(x)))
        return gates[:, :, None, None]


@wrong("channel: channel-sigmoid-twice")
class SecondSigmoid(Right):
    def mc(self, x):
        return torch.sigmoid(super().mc(x))


@wrong("channel: channel-no-sigmoid")
class NoChannelSigmoid(Right):
    def mc(self, x):
        return self.logits(x)[:, :, None, None]


@wrong("channel: channel-softmax")
class SoftmaxOverChannels(Right):
    def mc(self, x):
        return self.logits(x).softmax(1)[:, :, None, None]


@wrong("channel: channel-hardsigmoid")
class HardSigmoidInChannel(Right):
    def mc(self, x):
        return F.hardsigmoid(self.logits(x))[:, :, None, None]


@wrong("channel: channel-tanh")
class TanhGate(Right):
    def mc(self, x):
        return torch.tanh(self.logits(x))[:, :, None, None]


@wrong("channel: channel-temperature")
class Temperature(Right):
    def mc(self, x):
        return torch.sigmoid(self.logits(x) / 4)[:, :, None, None]


@wrong("channel: channel-mean-of-logits")
class LogitsAveraged(Right):
    def logits(self, x):
        return super().logits(x) / 2


@wrong("channel: channel-one-plus")
class OnePlus(Right):
    def mc(self, x):
        return 1 + super().mc(x)


@wrong("channel: channel-doubled")
class Doubled(Right):
    def mc(self, x):
        return 2 * super().mc(x)


@wrong("channel: channel-one-minus")
class OneMinus(Right):
    def mc(self, x):
        return 1 - super().mc(x)


@wrong("channel: channel-max-of-logits")
class LargerLogit(Right):
    def logits(self, x):
        return torch.maximum(self.mlp(self.avg(x)), self.mlp(self.top(x)))


@wrong("channel: channel-clamp")
class Clamped(Right):
    def mc(self, x):
        return self.logits(x).clamp(0, 1)[:, :, None, None]


@wrong("effects: samples-mixed")
class SoftmaxOverBatch(Right):
    def mc(self, x):
        return self.logits(x).softmax(0)[:, :, None, None]


@wrong("compose: channel-gate-squared")
class GateTwice(Right):
    def mc(self, x):
        return super().mc(x).square()
