"""The planes that go into the spatial gate's convolution."""

from planted.base import Right
from planted.registry import wrong


@wrong("spatial: spatial-min-for-avg")
class MinForAverage(Right):
    def planes(self, f):
        return f.min(1, keepdim=True)[0], f.max(1, keepdim=True)[0]


@wrong("spatial: spatial-sum-for-avg")
class SumOverChannels(Right):
    def planes(self, f):
        return f.sum(1, keepdim=True), f.amax(1, keepdim=True)


@wrong("spatial: spatial-avg-twice")
class AverageTwicePlanes(Right):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.mean(1, keepdim=True)


@wrong("spatial: spatial-std-for-avg")
class DeviationPlane(Right):
    def planes(self, f):
        return f.std(1, keepdim=True, correction=0), f.amax(1, keepdim=True)


@wrong("spatial: spatial-median-for-max")
class MedianPlane(Right):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.median(1, keepdim=True)[0]


@wrong("spatial: spatial-abs-max")
class MagnitudePlane(Right):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.abs().amax(1, keepdim=True)


@wrong("spatial: spatial-reads-channels", says="no pool over all")
class EvenChannels(Right):
    def planes(self, f):
        return super().planes(f[:, ::2])


@wrong("spatial: spatial-unknown")
class MaximaOnly(Right):
    def planes(self, f):
        most = f.max(1, keepdim=True)[0]
        return most.sin(), most.cos()
