"""Spatial gates of three planes and four, each of which is to be named."""

import torch
from torch import nn

from planted.base import Right
from planted.registry import wrong


def least(f):
    return f.amin(1, keepdim=True)


def deviation(f):
    return f.std(1, keepdim=True)


def cubes(f):
    return (f**3).mean(1, keepdim=True)


@wrong("spatial: more-planes", says="[avg, max, min], where Eq. 3")
class ThreePlanes(Right):
    """Average and maximum, and others after them."""

    others = (least,)

    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = nn.Conv2d(2 + len(self.others), 1, 7, padding=3)

    def planes(self, f):
        return *super().planes(f), *(other(f) for other in self.others)


@wrong("spatial: more-planes", says="[avg, max, std], where Eq. 3 has two")
class DeviationPlaneToo(ThreePlanes):
    others = (deviation,)


@wrong("spatial: more-planes", says="[avg, max, min, std], where Eq. 3 has two")
class FourPlanes(ThreePlanes):
    others = (least, deviation)


@wrong("spatial: more-planes", says="[avg, max, ?] (? is no pool that is known), where Eq. 3")
class CubesToo(ThreePlanes):
    others = (cubes,)


@wrong("spatial: more-planes", says="[min, max, avg], where Eq. 3 has two")
class ThreePlanesReversed(ThreePlanes):
    def planes(self, f):
        return super().planes(f)[::-1]


@wrong("spatial: more-planes", "compose: residual", says="[avg, max, min], where Eq. 3")
class ThreePlanesAddedBack(ThreePlanes):
    def forward(self, x):
        return super().forward(x) + x


@wrong("spatial: more-planes", "compose: spatial-first", says="[avg, max, min], where Eq. 3")
class ThreePlanesFirst(ThreePlanes):
    def forward(self, x):
        f = self.ms(x) * x
        return self.mc(f) * f


@wrong("spatial: more-planes", says="[avg, max, min], where Eq. 3")
class ThreePlanesNormed(ThreePlanes):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1, eps=1e-3)

    def squash(self, z):
        return torch.sigmoid(self.norm(z))


@wrong("spatial: more-planes", says="[avg, max, ?] (? is no pool that is known)")
class OfAnotherConvolution(ThreePlanes):
    """The third plane has weights of its own, in an array that could be a bias."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.third = nn.Conv2d(channels, 1, 1, bias=False)
        self.others = (self.third,)


@wrong("spatial: more-planes", says="[?, ?, ?] (? is no pool that is known)")
class NoSigmoidToo(ThreePlanes):
    """Two mistakes: as long as the map is no sigmoid's, no plane can be told."""

    squash = staticmethod(torch.tanh)


@wrong(
    "spatial: more-planes",
    "channel: channel-avg-twice",
    says="[avg, max, min], where Eq. 3 has two",
)
class PooledWrong(ThreePlanes):
    """Two mistakes in two stages."""

    def top(self, x):
        return self.avg(x)
