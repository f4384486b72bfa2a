"""The spatial gate's convolution."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name
from torch.nn.utils import parametrizations

from planted.base import Right
from planted.registry import undecided, variant, wrong
from planted.spellings import TwoConvolutions, TwoConvolutionsBiased, Unfolded


@wrong("spatial: spatial-flipped-kernel")
class FlippedKernel(Right):
    def ms(self, f):
        z = F.conv2d(torch.cat(self.planes(f), 1), self.conv.weight.flip(2, 3), padding=3)
        return torch.sigmoid(z)


@wrong("spatial: spatial-flipped-kernel")
class WeightNormFlipped(FlippedKernel):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = parametrizations.weight_norm(self.conv)


@wrong("spatial: spatial-flipped-kernel")
class UnfoldedFlipped(Unfolded):
    def patches(self, f):
        return super().patches(f).unflatten(2, (2, 49)).flip(3).flatten(2)


@wrong("spatial: spatial-transposed-kernel")
class TransposedKernel(Right):
    def ms(self, f):
        return torch.sigmoid(F.conv2d(torch.cat(self.planes(f), 1), self.conv.weight.mT, padding=3))


@wrong("spatial: spatial-replicate-padding")
class ReplicatePadding(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (3, 3, 3, 3), "replicate")
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


@wrong("spatial: spatial-circular-padding", "effects: fails-on-small")
class CircularPadding(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (3, 3, 3, 3), "circular")
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


@wrong("spatial: spatial-reflect-padding", "effects: fails-on-small")
class ReflectPadding(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (3, 3, 3, 3), "reflect")
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


@wrong("spatial: spatial-shifted")
class PaddedOnOneSide(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (2, 4, 2, 4))
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


@wrong("spatial: spatial-shifted")
class PaddedOnOneSideMore(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (6, 0, 6, 0))
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


@wrong("spatial: spatial-dilated")
class Dilated(Right):
    def ms(self, f):
        planes = torch.cat(self.planes(f), 1)
        return torch.sigmoid(F.conv2d(planes, self.conv.weight, padding=6, dilation=2))


@wrong("spatial: spatial-avg-twice")
class TwoConvolutionsOfAverage(TwoConvolutionsBiased):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.mean(1, keepdim=True)


@wrong("spatial: spatial-unknown")
class TwoSpatialSigmoids(TwoConvolutions):
    def ms(self, f):
        avg, top = self.planes(f)
        return torch.sigmoid(self.of_avg(avg)) * torch.sigmoid(self.of_max(top))


@wrong(
    "channel: channel-unknown", "spatial: spatial-reads-far", says="that its kernel does not reach"
)
class WholeMap(Right):
    def ms(self, f):
        return super().ms(f) * f.mean((1, 2, 3), keepdim=True).sigmoid()


@variant("spatial: kernel-size", asked="kernel=3x3")
class SmallKernel(Right):
    def __init__(self, channels=64, reduction=16, kernel_size=3):
        super().__init__(channels, reduction, kernel_size)


@undecided("spatial: kernels-apart", says="two.weight")
class ThreeKernels(Right):
    """Right, by three convolutions of one plane, of which two add up to the average's."""

    def __init__(self, channels=64):
        super().__init__(channels)
        del self.conv
        self.one, self.two, self.three = (
            nn.Conv2d(1, 1, 7, padding=3, bias=False) for _ in range(3)
        )

    def ms(self, f):
        average, most = self.planes(f)
        return torch.sigmoid(self.one(average) + self.two(most) + self.three(average))
