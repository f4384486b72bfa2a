"""CBAM in PyTorch, as all that is planted varies it, and what the paper leaves open."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

from planted.registry import right


@right()
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


@right()
class MixedTies(Right):
    """Right: the channel gate shares ties evenly, the spatial gate gives all to the first."""

    def top(self, x):
        return x.amax((2, 3))


@right()
class Biased(Right):
    """Right: a bias in the convolution and in one linear layer."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.fc2 = nn.Linear(channels // 16, channels)
        self.conv = nn.Conv2d(2, 1, 7, padding=3)


@right()
class WithBiases(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        hidden = channels // 16
        self.fc1, self.fc2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)


@right()
class PlainNorm(Right):
    """Right: a norm without gamma and beta, and with another eps."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1, eps=1e-3, affine=False)

    def squash(self, z):
        return torch.sigmoid(self.norm(z))


@right(notes=("dead-parameter",))
class DeadWeight(Right):
    """Right: with arrays that nothing reads."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.unused, self.empty = nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(0))
