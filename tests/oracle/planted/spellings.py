"""Right blocks, written in other ways than most."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from planted.base import Right
from planted.registry import right


@right()
class Checkpointed(Right):
    """The backward runs the forward once more."""

    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=False)


@right()
class WeightNorm(Right):
    """The kernel is made of a direction and a size."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = parametrizations.weight_norm(self.conv)


@right()
class ByFourier(Right):
    """The convolution is a product of transforms, whose rounding spreads over all entries."""

    def ms(self, f):
        planes, kernel = torch.cat(self.planes(f), 1), self.conv.weight
        if not len(planes):  # MKL refuses it
            return planes[:, :1]
        wide = torch.promote_types(planes.dtype, torch.float32)
        size = [n + 6 for n in planes.shape[2:]]
        one, two = (torch.fft.rfft2(a.to(wide), size) for a in (planes, kernel))
        z = torch.fft.irfft2((one * two.conj()).sum(1, keepdim=True), size).roll((3, 3), (2, 3))
        return torch.sigmoid(z[:, :, : f.shape[2], : f.shape[3]]).to(f.dtype)


@right()
class Frozen(Right):
    """No weight is learnt."""

    def __init__(self, channels=64):
        super().__init__(channels)
        weights = {name: value.detach() for name, value in self.named_parameters()}
        del self.fc1, self.fc2, self.conv
        for name, value in weights.items():
            self.register_buffer(name.partition(".")[0], value)

    def mlp(self, f):
        return F.linear(F.relu(F.linear(f, self.fc1)), self.fc2)

    def ms(self, f):
        return torch.sigmoid(F.conv2d(torch.cat(self.planes(f), 1), self.conv, padding=3))


@right()
class TwoConvolutions(Right):
    """Each plane has a convolution of its own."""

    def __init__(self, channels=64, bias=False):
        super().__init__(channels)
        del self.conv
        self.of_max = nn.Conv2d(1, 1, 7, padding=3, bias=bias)
        self.of_avg = nn.Conv2d(1, 1, 7, padding=3, bias=bias)

    def ms(self, f):
        avg, top = self.planes(f)
        return torch.sigmoid(self.of_avg(avg) + self.of_max(top))


@right()
class TwoConvolutionsBiased(TwoConvolutions):
    def __init__(self, channels=64):
        super().__init__(channels, bias=True)


@right()
class OtherEps(Right):
    """A norm with an eps that no table has."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1, eps=2.5e-5)

    def squash(self, z):
        return torch.sigmoid(self.norm(z))


@right()
class TinyEps(OtherEps):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm.eps = 1e-8

    def planes(self, f):
        return super().planes(f)[::-1]


@right()
class Unfolded(Right):
    """The kernel is an array of another shape, and multiplies patches: plane, row, column."""

    shape = (98,)

    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = nn.Parameter(torch.zeros(self.shape))

    def patches(self, f):
        return F.unfold(torch.cat(self.planes(f), 1), 7, padding=3).mT

    def ms(self, f):
        z = self.patches(f) @ self.conv.flatten()
        return torch.sigmoid(z.reshape(len(f), 1, *f.shape[2:]))


@right()
class UnfoldedAsLongAsABias(Unfolded):
    """The kernel has as many entries as there are channels."""

    def __init__(self, channels=98):
        super().__init__(98)
        self.fc1, self.fc2 = nn.Linear(98, 7), nn.Linear(7, 98)


@right()
class Matrix(Unfolded):
    shape = (2, 49)


@right()
class PlanesOfAnArray(Unfolded):
    shape = (2, 7, 7)


@right()
class PlanesLast(Unfolded):
    """The planes come last, as where patches are cut out of channels-last maps."""

    shape = (49, 2)

    def patches(self, f):
        return super().patches(f).unflatten(2, (2, 49)).mT.flatten(2)


@right()
class PlanesLastInAVector(PlanesLast):
    shape = (98,)


@right()
class PatchLinear(Unfolded):
    def __init__(self, channels=64):
        super().__init__(channels)
        del self.conv
        self.conv = nn.Linear(98, 1)
        self.norm = nn.BatchNorm2d(1)

    def ms(self, f):
        z = self.conv(self.patches(f)).mT
        return torch.sigmoid(self.norm(z.reshape(len(f), 1, *f.shape[2:])))


@right()
class PlanesInDepth(Right):
    """The planes are the depth of a convolution over three axes."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = nn.Conv3d(1, 1, (2, 7, 7), padding=(0, 3, 3))

    def ms(self, f):
        return torch.sigmoid(self.conv(torch.cat(self.planes(f), 1)[:, None])[:, 0])


class Hidden(Right):
    """A hidden layer of any width, its matrices stored as x @ w has them, or not, each."""

    def __init__(self, channels=64, width=2.0, x_w0=False, x_w1=False):
        super().__init__(channels)
        hidden = max(int(channels * width), 1)
        self.x_w0, self.x_w1 = x_w0, x_w1
        self.fc1 = nn.Parameter(torch.zeros((channels, hidden) if x_w0 else (hidden, channels)))
        self.fc2 = nn.Parameter(torch.zeros((hidden, channels) if x_w1 else (channels, hidden)))

    def mlp(self, f):
        h = self.act(f @ (self.fc1 if self.x_w0 else self.fc1.T))
        return h @ (self.fc2 if self.x_w1 else self.fc2.T)


@right()
class FloatOnly(Right):
    """As a kernel that is written for one precision."""

    def forward(self, x):
        if x.dtype != torch.float32:
            raise RuntimeError("expected float")
        return super().forward(x)


@right(notes=("buffer-kept",), says="y depends on the buffer temperature")
class Tempered(Right):
    """A temperature of 1 that is never another, beside a norm with a large eps."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.register_buffer("temperature", torch.ones(1))
        self.norm = nn.BatchNorm2d(1, eps=0.3)

    def logits(self, x):
        return super().logits(x) / self.temperature

    def squash(self, z):
        return torch.sigmoid(self.norm(z))


@right(notes=("buffer-kept",))
class Masked(Right):
    """All taps of the kernel are let through, and the channels are averaged by a convolution."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.register_buffer("mask", torch.ones(1, 2, 7, 7))
        self.register_buffer("shares", torch.full((1, channels, 1, 1), 1 / channels))

    def planes(self, f):
        return F.conv2d(f, self.shares), f.amax(1, keepdim=True)

    def ms(self, f):
        planes = torch.cat(self.planes(f), 1)
        return torch.sigmoid(F.conv2d(planes, self.conv.weight * self.mask, padding=3))
