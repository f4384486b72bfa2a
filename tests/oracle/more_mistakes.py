"""CBAM in PyTorch with more mistakes: further spellings of the public ones, and others."""

import torch
from mistakes import Right
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

# The descriptors of the channel gate ----------------------------------------------------------


class NoMLP(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.fc1, self.fc2 = nn.Identity(), nn.Identity()

    act = staticmethod(lambda h: h)


class SumForMean(Right):
    def avg(self, x):
        return x.sum((2, 3))


class DeviationForMean(Right):
    def avg(self, x):
        return x.std((2, 3), correction=0)


class MedianForMean(Right):
    def avg(self, x):
        return x.flatten(2).median(2)[0]


class MedianForMax(Right):
    def top(self, x):
        return x.flatten(2).median(2)[0]


class LargestMagnitude(Right):
    def top(self, x):
        return x.abs().amax((2, 3))


class MeanOfWindows(Right):
    def top(self, x):
        return F.max_pool2d(x, 2, ceil_mode=True).mean((2, 3))


class MeanOverHeight(Right):
    def mc(self, x):
        z = self.mlp(x.mean(2).mT) + self.mlp(x.amax(2).mT)
        return torch.sigmoid(z).mT[:, :, None]


class MeanOverBatch(Right):
    def avg(self, x):
        return super().avg(x).mean(0, keepdim=True).expand(x.shape[:2])


class ScrambledView(Right):
    def logits(self, x):
        return super().logits(x.reshape(len(x), -1, x.shape[1]).mT[..., None])


class SquaredMean(Right):
    def avg(self, x):
        return x.square().mean((2, 3))


# Its MLP --------------------------------------------------------------------------------------


class Gelu(Right):
    act = staticmethod(F.gelu)


class TanhInside(Right):
    act = staticmethod(torch.tanh)


class Hardswish(Right):
    act = staticmethod(F.hardswish)


class Softplus(Right):
    act = staticmethod(F.softplus)


class Mish(Right):
    act = staticmethod(F.mish)


class NoRelu(Right):
    act = staticmethod(lambda h: h)


class ReluBeforeFirst(Right):
    act = staticmethod(lambda h: h)

    def mlp(self, f):
        return super().mlp(F.relu(f))


class ReluBeforeToo(Right):
    def mlp(self, f):
        return super().mlp(F.relu(f))


class WithBiases(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        hidden = channels // 16
        self.fc1, self.fc2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)


class BiasTwice(WithBiases):
    def mlp(self, f):
        return super().mlp(f) + self.fc2.bias


class BiasAfterSum(WithBiases):
    def logits(self, x):
        return super().logits(x) - self.fc2.bias


class BothDetached(Right):
    def logits(self, x):
        return super().logits(x.detach())


# Its gate -------------------------------------------------------------------------------------


class NoChannelSigmoid(Right):
    def mc(self, x):
        return self.logits(x)[:, :, None, None]


class SoftmaxOverChannels(Right):
    def mc(self, x):
        return self.logits(x).softmax(1)[:, :, None, None]


class HardSigmoidInChannel(Right):
    def mc(self, x):
        return F.hardsigmoid(self.logits(x))[:, :, None, None]


class TanhGate(Right):
    def mc(self, x):
        return torch.tanh(self.logits(x))[:, :, None, None]


class Temperature(Right):
    def mc(self, x):
        return torch.sigmoid(self.logits(x) / 4)[:, :, None, None]


class LogitsAveraged(Right):
    def logits(self, x):
        return super().logits(x) / 2


class OnePlus(Right):
    def mc(self, x):
        return 1 + super().mc(x)


class Doubled(Right):
    def mc(self, x):
        return 2 * super().mc(x)


class OneMinus(Right):
    def mc(self, x):
        return 1 - super().mc(x)


class LargerLogit(Right):
    def logits(self, x):
        return torch.maximum(self.mlp(self.avg(x)), self.mlp(self.top(x)))


class Clamped(Right):
    def mc(self, x):
        return self.logits(x).clamp(0, 1)[:, :, None, None]


class SoftmaxOverBatch(Right):
    def mc(self, x):
        return self.logits(x).softmax(0)[:, :, None, None]


# The spatial gate -----------------------------------------------------------------------------


class SumOverChannels(Right):
    def planes(self, f):
        return f.sum(1, keepdim=True), f.amax(1, keepdim=True)


class AverageTwicePlanes(Right):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.mean(1, keepdim=True)


class DeviationPlane(Right):
    def planes(self, f):
        return f.std(1, keepdim=True, correction=0), f.amax(1, keepdim=True)


class MedianPlane(Right):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.median(1, keepdim=True)[0]


class MagnitudePlane(Right):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.abs().amax(1, keepdim=True)


class TransposedKernel(Right):
    def ms(self, f):
        return torch.sigmoid(F.conv2d(torch.cat(self.planes(f), 1), self.conv.weight.mT, padding=3))


class PaddedOnOneSide(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (2, 4, 2, 4))
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


class PaddedOnOneSideMore(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (6, 0, 6, 0))
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


class ReflectPadding(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (3, 3, 3, 3), "reflect")
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


class Wraps(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (3, 3, 3, 3), "circular")
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


class Dilated(Right):
    def ms(self, f):
        planes = torch.cat(self.planes(f), 1)
        return torch.sigmoid(F.conv2d(planes, self.conv.weight, padding=6, dilation=2))


class SoftmaxOverPositions(Right):
    def ms(self, f):
        z = self.conv(torch.cat(self.planes(f), 1))
        return z.flatten(2).softmax(2).reshape(z.shape)


class ReluBeforeSigmoid(Right):
    squash = staticmethod(lambda z: torch.sigmoid(F.relu(z)))


class SpatialSigmoidTwice(Right):
    squash = staticmethod(lambda z: torch.sigmoid(torch.sigmoid(z)))


class SpatialTemperature(Right):
    squash = staticmethod(lambda z: torch.sigmoid(3 * z))


class SpatialOnePlus(Right):
    squash = staticmethod(lambda z: 1 + torch.sigmoid(z))


class NoEps(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1)

    def squash(self, z):
        n = self.norm
        z = (z - n.running_mean) / n.running_var.sqrt()
        return torch.sigmoid(n.weight * z + n.bias)


class UnbiasedNorm(NoEps):
    def squash(self, z):
        less = min(1, z[0].numel() - 1)
        var, mean = torch.var_mean(z, (1, 2, 3), keepdim=True, correction=less)
        z = (z - mean) / (var + self.norm.eps).sqrt()
        return torch.sigmoid(self.norm.weight * z + self.norm.bias)


class BatchStatistics(NoEps):
    def squash(self, z):
        n = self.norm
        return torch.sigmoid(F.batch_norm(z, None, None, n.weight, n.bias, training=True))


class NormIgnored(NoEps):
    def squash(self, z):
        return torch.sigmoid(z)


class InstanceNormed(Right):
    def squash(self, z):
        return torch.sigmoid(F.group_norm(z, 1))


class GroupNormed(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.GroupNorm(1, 1)

    def squash(self, z):
        return torch.sigmoid(self.norm(z))


class SpatialClamped(Right):
    squash = staticmethod(lambda z: z.clamp(0, 1))


class PlanesDetached(Right):
    def planes(self, f):
        return super().planes(f.detach())


class MaxPlaneDetached(Right):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.detach().max(1, keepdim=True)[0]


# The whole ------------------------------------------------------------------------------------


class ChannelSquared(Right):
    def forward(self, x):
        f = self.mc(x) * x * x
        return self.ms(f) * f


class SpatialSquared(Right):
    def forward(self, x):
        f = self.mc(x) * x
        return self.ms(f) * f * f


class ChannelTwice(Right):
    def forward(self, x):
        return super().forward(self.mc(x) * x)


class GateTwice(Right):
    def mc(self, x):
        return super().mc(x).square()


class SpatialBeforeAndAfter(Right):
    def forward(self, x):
        return super().forward(self.ms(x) * x)


class ChannelMapAdded(Right):
    def forward(self, x):
        f = self.mc(x) + x
        return self.ms(f) * f


class SpatialMapAdded(Right):
    def forward(self, x):
        f = self.mc(x) * x
        return self.ms(f) + f


class ReluFirst(Right):
    def forward(self, x):
        return super().forward(F.relu(x))


class ResidualRelu(Right):
    def forward(self, x):
        return F.relu(super().forward(x) + x)


class SpatialMixed(Right):
    def ms(self, f):
        return super().ms(f).mean(0, keepdim=True)
