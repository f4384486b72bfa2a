"""Right forwards with a wrong backward."""

import torch
from torch.nn import functional as F  # noqa: N812, its usual name
from torch.utils.checkpoint import checkpoint

from planted.base import Right
from planted.registry import wrong
from planted.spellings import TwoConvolutions


@wrong("gradient: channel-max-detached")
class MaxDetached(Right):
    def top(self, x):
        return super().top(x).detach()


@wrong("gradient: channel-max-detached")
class CheckpointedDetached(MaxDetached):
    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=False)


@wrong("gradient: channel-map-detached")
class GateDetached(Right):
    def mc(self, x):
        return super().mc(x).detach()


@wrong("gradient: channel-pools-detached")
class BothDetached(Right):
    def logits(self, x):
        return super().logits(x.detach())


@wrong("gradient: spatial-pools-detached")
class PlanesDetached(Right):
    def planes(self, f):
        return super().planes(f.detach())


@wrong("gradient: spatial-max-detached")
class MaxPlaneDetached(Right):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.detach().max(1, keepdim=True)[0]


@wrong("gradient: spatial-max-detached")
class OneConvolutionDetached(TwoConvolutions):
    def planes(self, f):
        avg, top = super().planes(f)
        return avg, top.detach()


@wrong("gradient: shared-weight-half")
class SharedHalf(Right):
    def logits(self, x):
        once = F.linear(F.relu(F.linear(self.top(x), self.fc1.weight.detach())), self.fc2.weight)
        return self.mlp(self.avg(x)) + once


@wrong("gradient: channel-map-scaled")
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


@wrong("compose: final-silu", "gradient: backward-fails", says="its backward fails on `noise`")
class BackwardFails(Right):
    def forward(self, x):
        y = super().forward(x)
        g = torch.sigmoid(y)
        out = y * g
        g.mul_(1)
        return out


class HalfBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy * (1.01 if dy.dtype == torch.float32 else 1)


@wrong("gradient: gradient-scaled", dtype="float32")
class WrongInFloat32(Right):
    def forward(self, x):
        return super().forward(HalfBackward.apply(x))
