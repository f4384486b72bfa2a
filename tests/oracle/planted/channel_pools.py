"""What the channel gate pools."""

import torch
from torch.nn import functional as F  # noqa: N812, its usual name

from planted.base import Right
from planted.registry import variant, wrong
from planted.spellings import Frozen


@wrong("channel: channel-avg-twice")
class AverageTwice(Right):
    def top(self, x):
        return self.avg(x)


@wrong("channel: channel-avg-twice")
class FrozenAverageTwice(Frozen):
    def top(self, x):
        return self.avg(x)


@wrong("channel: channel-reads-positions", says="no global pool")
class FixedWindow(Right):
    def top(self, x):
        return x[:, :, :2, :2].amax((2, 3))


@wrong("channel: channel-reads-positions")
class WrongAxis(Right):
    def avg(self, x):
        return x.mean(1).flatten(1)[:, :1].expand(x.shape[:2])


@wrong("channel: channel-sum-for-avg")
class SumForMean(Right):
    def avg(self, x):
        return x.sum((2, 3))


@wrong("channel: channel-std-for-avg")
class DeviationForMean(Right):
    def avg(self, x):
        return x.std((2, 3), correction=0)


@wrong("channel: channel-median-for-avg")
class MedianForMean(Right):
    def avg(self, x):
        return x.flatten(2).median(2)[0]


@wrong("channel: channel-median-for-max")
class MedianForMax(Right):
    def top(self, x):
        return x.flatten(2).median(2)[0]


@wrong("channel: channel-abs-max")
class LargestMagnitude(Right):
    def top(self, x):
        return x.abs().amax((2, 3))


@wrong("channel: channel-reads-positions")
class MeanOfWindows(Right):
    def top(self, x):
        return F.max_pool2d(x, 2, ceil_mode=True).mean((2, 3))


@wrong("channel: channel-one-axis")
class MeanOverHeight(Right):
    def mc(self, x):
        z = self.mlp(x.mean(2).mT) + self.mlp(x.amax(2).mT)
        return torch.sigmoid(z).mT[:, :, None]


@wrong("effects: samples-mixed")
class MeanOverBatch(Right):
    def avg(self, x):
        return super().avg(x).mean(0, keepdim=True).expand(x.shape[:2])


@wrong("channel: channel-scrambled")
class ScrambledView(Right):
    def logits(self, x):
        return super().logits(x.reshape(len(x), -1, x.shape[1]).mT[..., None])


@wrong("channel: channel-square-for-avg")
class SquaredMean(Right):
    def avg(self, x):
        return x.square().mean((2, 3))


@wrong("channel: channel-reads-more", says="more than the average and the maximum")
class Magnitudes(Right):
    def logits(self, x):
        return super().logits(x.abs())


@wrong("channel: channel-unknown", says="no rule that is known")
class SecondLargest(Right):
    def top(self, x):
        return x.flatten(2).topk(min(2, x[0, 0].numel()))[0][..., -1]


@wrong("channel: channel-unknown", says="no rule")
class OwnChannel(Right):
    def logits(self, x):
        return 0 * super().logits(x) + self.top(x).sin()


@wrong("channel: channel-unknown")
class Halved(Right):
    def avg(self, x):
        return super().avg(x) / 3


@variant("channel: channel-avg-only", asked="channel-pools=avg")
class AverageOnly(Right):
    def logits(self, x):
        return self.mlp(self.avg(x))


@variant("channel: channel-max-only", asked="channel-pools=max")
class MaximumOnly(Right):
    def logits(self, x):
        return self.mlp(self.top(x))


@wrong("channel: channel-reads-positions", "effects: fails-on-small")
class NotSmall(Right):
    def top(self, x):
        return F.max_pool2d(x, 3).amax((2, 3))
