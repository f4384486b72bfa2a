"""What becomes of the spatial gate's logits: norm and sigmoid."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

from planted.base import Right
from planted.registry import wrong
from planted.spellings import OtherEps


@wrong("spatial: spatial-no-sigmoid")
class NoSigmoid(Right):
    squash = staticmethod(lambda z: z)


@wrong("spatial: spatial-silu")
class SiluForSigmoid(Right):
    squash = staticmethod(F.silu)


@wrong("spatial: spatial-tanh")
class TanhForSigmoid(Right):
    squash = staticmethod(torch.tanh)


@wrong("spatial: spatial-hardsigmoid")
class HardSigmoid(Right):
    squash = staticmethod(F.hardsigmoid)


@wrong("spatial: spatial-clamp")
class SpatialClamped(Right):
    squash = staticmethod(lambda z: z.clamp(0, 1))


@wrong("spatial: spatial-softmax")
class SoftmaxOverPositions(Right):
    def ms(self, f):
        z = self.conv(torch.cat(self.planes(f), 1))
        return z.flatten(2).softmax(2).reshape(z.shape)


@wrong("spatial: spatial-relu-before-sigmoid")
class ReluBeforeSigmoid(Right):
    squash = staticmethod(lambda z: torch.sigmoid(F.relu(z)))


@wrong("spatial: spatial-sigmoid-twice")
class SpatialSigmoidTwice(Right):
    squash = staticmethod(lambda z: torch.sigmoid(torch.sigmoid(z)))


@wrong("spatial: spatial-temperature", says="the spatial logits are multiplied by 3")
class SpatialTemperature(Right):
    squash = staticmethod(lambda z: torch.sigmoid(3 * z))


@wrong("spatial: spatial-one-plus")
class SpatialOnePlus(Right):
    squash = staticmethod(lambda z: 1 + torch.sigmoid(z))


@wrong("spatial: spatial-one-number")
class OneNumber(Right):
    def ms(self, f):
        return super().ms(f).mean((2, 3), keepdim=True)


@wrong("spatial: spatial-unknown")
class Cosine(Right):
    squash = staticmethod(torch.cos)


@wrong("spatial: spatial-norm-sqrt")
class VarianceForDeviation(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1, affine=False)

    def squash(self, z):
        norm = self.norm
        return torch.sigmoid((z - norm.running_mean) / (norm.running_var + norm.eps))


@wrong("spatial: spatial-no-eps")
class NoEps(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1)

    def squash(self, z):
        n = self.norm
        z = (z - n.running_mean) / n.running_var.sqrt()
        return torch.sigmoid(n.weight * z + n.bias)


@wrong("numerics: precision")
class EpsAfterTheRoot(OtherEps):
    def squash(self, z):
        n = self.norm
        z = (z - n.running_mean) / (n.running_var.sqrt() + 0.01)
        return torch.sigmoid(n.weight * z + n.bias)


@wrong("spatial: spatial-norm-ignored")
class NormIgnored(NoEps):
    def squash(self, z):
        return torch.sigmoid(z)


@wrong("spatial: spatial-sample-statistics")
class InstanceNormed(Right):
    def squash(self, z):
        return torch.sigmoid(F.group_norm(z, 1))


@wrong("spatial: spatial-sample-statistics")
class GroupNormed(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.GroupNorm(1, 1)

    def squash(self, z):
        return torch.sigmoid(self.norm(z))


@wrong("spatial: spatial-sample-statistics")
class UnbiasedNorm(NoEps):
    def squash(self, z):
        less = min(1, z[0].numel() - 1)
        var, mean = torch.var_mean(z, (1, 2, 3), keepdim=True, correction=less)
        z = (z - mean) / (var + self.norm.eps).sqrt()
        return torch.sigmoid(self.norm.weight * z + self.norm.bias)


@wrong("spatial: spatial-batch-statistics")
class BatchStatistics(NoEps):
    def squash(self, z):
        n = self.norm
        return torch.sigmoid(F.batch_norm(z, None, None, n.weight, n.bias, training=True))


@wrong("effects: samples-mixed")
class SpatialMixed(Right):
    def ms(self, f):
        return super().ms(f).mean(0, keepdim=True)
