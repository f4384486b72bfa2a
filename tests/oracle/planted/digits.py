"""Blocks in which one step loses digits, or treats NaN and large numbers otherwise."""

import torch
from torch import nn

from planted.registry import right, wrong

CHANNELS = 24


@right(channels=24)
class Stepwise(nn.Module):
    """A right CBAM, of which each fault replaces one step."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(CHANNELS, 3), nn.Linear(3, CHANNELS)
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def mean(self, x):
        return x.mean((2, 3))

    def sigmoid(self, z):
        return z.sigmoid()

    def mc(self, x):
        logits = (self.fc2(self.fc1(f).relu()) for f in (self.mean(x), x.amax((2, 3))))
        return self.sigmoid(sum(logits))[:, :, None, None]

    def ms(self, f):
        return self.conv(torch.stack([f.mean(1), f.amax(1)], 1)).sigmoid()

    def forward(self, x):
        f = self.mc(x) * x
        return self.ms(f) * f


def through(x, dtype):
    """Round as a cast there and back does, with the gradient of neither."""
    return x + (x.to(dtype).to(x.dtype) - x).detach()


@wrong("numerics: half-inside", channels=24)
class HalfGate(Stepwise):
    def sigmoid(self, z):
        return through(z, torch.float16).sigmoid()


@wrong("numerics: half-inside", channels=24)
class BrainGate(Stepwise):
    def mc(self, x):
        return through(super().mc(x), torch.bfloat16)


@wrong("numerics: half-inside", channels=24)
class HalfPlanes(Stepwise):
    def ms(self, f):
        return super().ms(through(f, torch.float16))


@wrong("numerics: half-inside", channels=24)
class HalfWeight(Stepwise):
    def mc(self, x):
        w = through(self.fc1.weight, torch.bfloat16)
        logits = (
            self.fc2(nn.functional.linear(f, w, self.fc1.bias).relu())
            for f in (x.mean((2, 3)), x.amax((2, 3)))
        )
        return sum(logits).sigmoid()[:, :, None, None]


class RoundsGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy.to(torch.float16).to(dy.dtype)


@wrong(
    "gradient: gradient-wrong",
    "gradient: gradient-wrong",
    "gradient: gradient-explained",
    "numerics: half-inside",
    channels=24,
)
class HalfInBackward(Stepwise):
    def mc(self, x):
        return RoundsGradient.apply(super().mc(x))


@right(notes=("single-inside",), channels=24)
class SingleGate(Stepwise):
    def sigmoid(self, z):
        return z.float().sigmoid().to(z.dtype)


@wrong("channel: channel-unknown", channels=24)
class Polynomial(Stepwise):
    """tanh by its continued fraction."""

    def sigmoid(self, z):
        h = (z / 2).clamp(-4, 4)
        return 0.5 + 0.5 * (h * (27 + h * h) / (27 + 9 * h * h)).clamp(-1, 1)


@wrong("numerics: approximate-sigmoid", channels=24)
class Table(Stepwise):
    """Straight lines between 64 points."""

    def ms(self, f):
        z = self.conv(torch.stack([f.mean(1), f.amax(1)], 1)).clamp(-7.999, 7.999)
        low = (z * 4).floor() / 4
        share = (z - low) * 4
        return low.sigmoid() * (1 - share) + (low + 0.25).sigmoid() * share


@wrong("channel: channel-hardsigmoid", "channel: channel-temperature", channels=24)
class HardGate(Stepwise):
    def sigmoid(self, z):
        return nn.functional.hardsigmoid(1.5 * z)


@wrong("numerics: exp-overflow", channels=24)
class NaiveExp(Stepwise):
    def sigmoid(self, z):
        return z.exp() / (1 + z.exp())


@wrong("numerics: exp-overflow", channels=24)
class NaiveNegativeExp(Stepwise):
    """Right forward, and NaN in the gradient where exp(-z) overflows."""

    def sigmoid(self, z):
        return 1 / (1 + (-z).exp())


@wrong("channel: channel-unknown", channels=24)
class WrongEnd(Stepwise):
    def sigmoid(self, z):
        return torch.where(z > 40, 0.0, z.sigmoid())


@wrong("numerics: mean-loses-digits", channels=24)
class Squares(Stepwise):
    """The mean from means of squares."""

    def mean(self, x):
        return ((x + 1) ** 2 - x**2 - 1).mean((2, 3)) / 2


@wrong("numerics: nan-swallowed", "numerics: inf-swallowed", channels=24)
class NoNan(Stepwise):
    def forward(self, x):
        return super().forward(x.nan_to_num(0, 0, 0))


@right(notes=("nan-swallowed", "inf-swallowed"), channels=24)
class ReluDropsNan(Stepwise):
    def mc(self, x):
        return super().mc(x).nan_to_num(0.5)

    def ms(self, f):
        return super().ms(f).nan_to_num(0.5)


@wrong("numerics: precision", "numerics: inf-swallowed", channels=24)
class NoInf(Stepwise):
    def forward(self, x):
        return super().forward(x.clamp(-100, 100))


@wrong("numerics: nan-spread", channels=24)
class Spreads(Stepwise):
    def forward(self, x):
        return super().forward(x) + 0 * x.sum()


@wrong("numerics: precision", channels=24)
class DividesBySize(Stepwise):
    def forward(self, x):
        size = x.abs().amax((1, 2, 3), keepdim=True).detach()
        return super().forward(x / size * size)


@wrong("numerics: precision", channels=24)
class Shifted(Stepwise):
    """Everything is off by a little, at every precision."""

    def forward(self, x):
        return super().forward(x) * (1 + 1e-4)


class ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return 1.01 * dy


@wrong("gradient: channel-map-scaled", channels=24)
class WrongGradient(Stepwise):
    def mc(self, x):
        return ScaledGradient.apply(super().mc(x))


def coarse(x):
    """Round to the 10 bits of TF32, which float64 does not know."""
    if x.dtype != torch.float32:
        return x
    kept = (x.view(torch.int32) + 0x1000) & ~0x1FFF
    return x + (kept.view(torch.float32) - x).detach()


class CoarseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return coarse(dy)


@right(notes=("tf32-inside",), channels=24)
class TF32(Stepwise):
    """As a GPU multiplies matrices, forward and backward."""

    def linear(self, layer, f):
        z = CoarseGradient.apply(nn.functional.linear(coarse(f), coarse(layer.weight)))
        return z + layer.bias

    def mc(self, x):
        hidden = (self.linear(self.fc1, f).relu() for f in (x.mean((2, 3)), x.amax((2, 3))))
        return sum(self.linear(self.fc2, h) for h in hidden).sigmoid()[:, :, None, None]

    def ms(self, f):
        planes = coarse(torch.stack([f.mean(1), f.amax(1)], 1))
        z = nn.functional.conv2d(planes, coarse(self.conv.weight), padding=3)
        return (CoarseGradient.apply(z) + self.conv.bias).sigmoid()


@right(notes=("autocast-inside",), channels=24)
class Autocast(Stepwise):
    dtype = torch.bfloat16

    def forward(self, x):
        with torch.autocast("cpu", self.dtype):
            return super().forward(x)


@right(notes=("autocast-inside",), channels=24)
class AutocastHalf(Autocast):
    dtype = torch.float16


@wrong(
    "numerics: nan-swallowed", "numerics: inf-swallowed", notes=("autocast-inside",), channels=24
)
class AutocastNaN(Autocast):
    """A fault that the bounds of autocast do not hide."""

    def forward(self, x):
        return super().forward(x.nan_to_num(0, 0, 0))


@wrong("numerics: approximate-sigmoid", channels=24)
class Eight(Stepwise):
    """Two digits, in float32 alone, are coarser than any autocast."""

    def mc(self, x):
        mc = super().mc(x)
        return through(mc, torch.float8_e5m2) if x.dtype == torch.float32 else mc


@right(notes=("unsupported-precision",), channels=24)
class NotHalf(Stepwise):
    def forward(self, x):
        if x.dtype == torch.float16:
            raise NotImplementedError("no kernel for Half")
        return super().forward(x)
