"""CBAM in PyTorch, right, and with the mistakes that are made in public code, one each."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name


class Right(nn.Module):
    def __init__(self, channels=64, reduction=16, kernel_size=7):
        super().__init__()
        hidden = channels // reduction
        self.fc1 = nn.Linear(channels, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, channels, bias=False)
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    act = staticmethod(F.relu)
    squash = staticmethod(torch.sigmoid)

    def mlp(self, f):
        return self.fc2(self.act(self.fc1(f)))

    def avg(self, x):
        return x.mean((2, 3))

    def top(self, x):
        return F.adaptive_max_pool2d(x, 1).flatten(1)

    def logits(self, x):
        return self.mlp(self.avg(x)) + self.mlp(self.top(x))

    def mc(self, x):
        return torch.sigmoid(self.logits(x))[:, :, None, None]

    def planes(self, f):
        return f.mean(1, keepdim=True), f.max(1, keepdim=True)[0]

    def ms(self, f):
        return self.squash(self.conv(torch.cat(self.planes(f), 1)))

    def forward(self, x):
        f = self.mc(x) * x
        return self.ms(f) * f


class AverageTwice(Right):
    def top(self, x):
        return self.avg(x)


class PoolsMerged(Right):
    def logits(self, x):
        return self.mlp(self.avg(x) + self.top(x))


class TwoSigmoids(Right):
    def mc(self, x):
        gates = torch.sigmoid(self.mlp(self.avg(x))) + torch.sigmoid(self.mlp(self.top(x)))
        return gates[:, :, None, None]


class ReluAfterSecond(Right):
    def mlp(self, f):
        return F.relu(super().mlp(f))


class SecondSigmoid(Right):
    def mc(self, x):
        return torch.sigmoid(super().mc(x))


class SeparateMLPs(Right):
    def __init__(self, channels=64, reduction=16):
        super().__init__(channels, reduction)
        self.other = Right(channels, reduction)
        del self.other.conv

    def logits(self, x):
        return self.mlp(self.avg(x)) + self.other.mlp(self.top(x))


class OneLayer(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.fc1, self.fc2 = nn.Linear(channels, channels, bias=False), nn.Identity()

    act = staticmethod(lambda h: h)


class Silu(Right):
    act = staticmethod(F.silu)


class Elu(Right):
    act = staticmethod(F.elu)


class LeakyRelu(Right):
    act = staticmethod(F.leaky_relu)


class FixedWindow(Right):
    def top(self, x):
        return x[:, :, :2, :2].amax((2, 3))


class WrongAxis(Right):
    def avg(self, x):
        return x.mean(1).flatten(1)[:, :1].expand(x.shape[:2])


class Squared(Right):
    def forward(self, x):
        return x * super().forward(x)


class NoSigmoid(Right):
    squash = staticmethod(lambda z: z)


class SiluForSigmoid(Right):
    squash = staticmethod(F.silu)


class TanhForSigmoid(Right):
    squash = staticmethod(torch.tanh)


class HardSigmoid(Right):
    squash = staticmethod(F.hardsigmoid)


class MinForAverage(Right):
    def planes(self, f):
        return f.min(1, keepdim=True)[0], f.max(1, keepdim=True)[0]


class SpatialFromInput(Right):
    def forward(self, x):
        return self.ms(x) * self.mc(x) * x


class OneNumber(Right):
    def ms(self, f):
        return super().ms(f).mean((2, 3), keepdim=True)


class FlippedKernel(Right):
    def ms(self, f):
        z = F.conv2d(torch.cat(self.planes(f), 1), self.conv.weight.flip(2, 3), padding=3)
        return torch.sigmoid(z)


class CircularPadding(Right):
    def ms(self, f):
        wide = F.pad(torch.cat(self.planes(f), 1), (3, 3, 3, 3), "replicate")
        return torch.sigmoid(F.conv2d(wide, self.conv.weight))


class NeverApplied(Right):
    def forward(self, x):
        return self.mc(x) * x


class MapsAdded(Right):
    def forward(self, x):
        return self.mc(x) * x + self.ms(x) * x


class VarianceForDeviation(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1, affine=False)

    def squash(self, z):
        norm = self.norm
        return torch.sigmoid((z - norm.running_mean) / (norm.running_var + norm.eps))


class FinalRelu(Right):
    def forward(self, x):
        return F.relu(super().forward(x))


class OnlyTheMap(Right):
    def forward(self, x):
        return self.ms(self.mc(x) * x)


class OnlyTheChannelMap(Right):
    def forward(self, x):
        return self.mc(x)


class TwiceOnSmallMaps(Right):
    def forward(self, x):
        return super().forward(x) * (2 if x.shape[3] < 4 else 1)


class ReturnsModule(Right):
    def forward(self, x):
        return self


class ReturnsPair(Right):
    def forward(self, x):
        return super().forward(x), self.mc(x)


class OneSize(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.register_buffer("offset", torch.zeros(1, 1, 14, 14))

    def forward(self, x):
        return super().forward(x + 0 * self.offset)


class NotSmall(Right):
    def top(self, x):
        return F.max_pool2d(x, 3).amax((2, 3))


class GivesNan(Right):
    def forward(self, x):
        return torch.log(super().forward(x))


class SamplesMixed(Right):
    def mc(self, x):
        return super().mc(x).mean(0, keepdim=True)


class HalfInside(Right):
    def mc(self, x):
        return self.logits(x).half().sigmoid().double()[:, :, None, None]


class MaxDetached(Right):
    def top(self, x):
        return super().top(x).detach()


class GateDetached(Right):
    def mc(self, x):
        return super().mc(x).detach()


class SharedHalf(Right):
    def logits(self, x):
        once = F.linear(F.relu(F.linear(self.top(x), self.fc1.weight.detach())), self.fc2.weight)
        return self.mlp(self.avg(x)) + once


class EveryTieTakesAll(Right):
    def top(self, x):
        most = x.detach().amax((2, 3), keepdim=True)
        every = (x - x.detach()) * (x.detach() == most)
        return (most[:, :, 0, 0]) + every.sum((2, 3))


class LastTie(Right):
    def top(self, x):
        return x.flatten(2).flip(2).max(2)[0]


class SlightlyWrongGradient(Right):
    def mc(self, x):
        return ScaledBackward.apply(super().mc(x))


class ScaledBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return 1.002 * dy


class BackwardFails(Right):
    def forward(self, x):
        y = super().forward(x)
        g = torch.sigmoid(y)
        out = y * g
        g.mul_(1)
        return out


FORWARD = [
    AverageTwice, PoolsMerged, TwoSigmoids, ReluAfterSecond, SecondSigmoid, SeparateMLPs, Silu, Elu,
    LeakyRelu, FixedWindow, WrongAxis, Squared, NoSigmoid, SiluForSigmoid, TanhForSigmoid,
    HardSigmoid, MinForAverage, SpatialFromInput, OneNumber, FlippedKernel, CircularPadding,
    NeverApplied, MapsAdded, VarianceForDeviation, FinalRelu, GivesNan, SamplesMixed, HalfInside,
]  # fmt: skip
BACKWARD = [
    MaxDetached, GateDetached, SharedHalf, EveryTieTakesAll, LastTie, SlightlyWrongGradient,
]  # fmt: skip


class AverageOnly(Right):
    def logits(self, x):
        return self.mlp(self.avg(x))


class MaximumOnly(Right):
    def logits(self, x):
        return self.mlp(self.top(x))


class SpatialFirst(Right):
    def forward(self, x):
        f = self.ms(x) * x
        return self.mc(f) * f


class Parallel(Right):
    def forward(self, x):
        zs = self.conv(torch.cat(self.planes(x), 1))
        return torch.sigmoid(self.logits(x)[:, :, None, None] + zs) * x


class AddedBack(Right):
    def forward(self, x):
        return x + super().forward(x)


class SmallKernel(Right):
    def __init__(self, channels=64, reduction=16, kernel_size=3):
        super().__init__(channels, reduction, kernel_size)


class ChannelGateAlone(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        del self.conv

    def forward(self, x):
        return self.mc(x) * x


VARIANTS = {
    AverageOnly: "the channel gate pools the average only",
    MaximumOnly: "the channel gate pools the maximum only",
    SpatialFirst: "the spatial gate comes first",
    Parallel: "both gates read x",
    AddedBack: "x is added back",
    SmallKernel: "the kernel has size 3x3, not 7",
    ChannelGateAlone: "there is no spatial gate",
}


class MixedTies(Right):
    """Right: the channel gate shares ties evenly, the spatial gate gives all to the first."""

    def top(self, x):
        return x.amax((2, 3))


class Biased(Right):
    """Right: a bias in the convolution and in one linear layer."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.fc2 = nn.Linear(channels // 16, channels)
        self.conv = nn.Conv2d(2, 1, 7, padding=3)


class PlainNorm(Right):
    """Right: a norm without gamma and beta, and with another eps."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1, eps=1e-3, affine=False)

    def squash(self, z):
        return torch.sigmoid(self.norm(z))


class DeadWeight(Right):
    """Right: with arrays that nothing reads."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.unused, self.empty = nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(0))


class InPlace(Right):
    """It writes to its input."""

    def forward(self, x):
        x.mul_(self.mc(x.clone()))
        return self.ms(x) * x


RIGHT = [Right, MixedTies, Biased, PlainNorm, DeadWeight]
