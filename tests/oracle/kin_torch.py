"""Blocks of CBAM's family as people write them in PyTorch, with the usual variations of each.

`BLOCKS` has the code of the kin that each must be found to be.
"""

import functools
import math

import torch
from kin_torch_maps import (
    Bam,
    BamOfThePaper,
    BamSquareOnly,
    BamWithFewNorms,
    CoordAtt,
    CoordAttOfMeans,
    ScSe,
    ScSeOfLinears,
)
from torch import nn
from torch.nn import functional


class Eca(nn.Module):
    """With its kernel size by the rule, padded with zeros or around."""

    def __init__(self, channels, size=None, bias=False, around="zeros"):
        super().__init__()
        nearest = int(abs((math.log2(channels) + 1) / 2))
        size = size or (nearest if nearest % 2 else nearest + 1)
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=bias, padding_mode=around)

    def forward(self, x):
        f = functional.adaptive_avg_pool2d(x, 1)[..., 0].transpose(1, 2)
        return x * torch.sigmoid(self.conv(f)).transpose(1, 2).unsqueeze(-1)


class EcaOfShifts(nn.Module):
    """The weights are one vector, and the channels are shifted."""

    def __init__(self, channels):
        super().__init__()
        self.taps = nn.Parameter(torch.randn(5))

    def forward(self, x):
        f = functional.pad(x.mean((2, 3)), (2, 2))
        z = sum(tap * f[:, i : i + x.shape[1]] for i, tap in enumerate(self.taps))
        return z.sigmoid()[:, :, None, None] * x


class SimAm(nn.Module):
    """As its authors have it."""

    def __init__(self, channels, least=1e-4):
        super().__init__()
        self.least = least

    def forward(self, x):
        count = x.shape[2] * x.shape[3] - 1
        d = (x - x.mean(dim=[2, 3], keepdim=True)).pow(2)
        v = d.sum(dim=[2, 3], keepdim=True) / count
        return x * torch.sigmoid(d / (4 * (v + self.least)) + 0.5)


class SimAmOfVar(nn.Module):
    """By torch's own variance."""

    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        z = x.flatten(2)
        v = z.var(2, keepdim=True) + 1e-4
        return (z * torch.sigmoid((z - z.mean(2, keepdim=True)) ** 2 / v / 4 + 0.5)).view_as(x)


class GatedChannels(nn.Module):
    """The gated channel transformation, by either norm."""

    def __init__(self, channels, mode="l2", after_relu=False, eps=1e-5):
        super().__init__()
        self.mode, self.after_relu, self.eps = mode, after_relu, eps
        for name in ("alpha", "gamma", "beta"):
            self.register_parameter(name, nn.Parameter(torch.ones(1, channels, 1, 1)))

    def forward(self, x):
        if self.mode == "l2":
            f = (x.pow(2).sum((2, 3), keepdim=True) + self.eps).sqrt() * self.alpha
            scale = self.gamma / (f.pow(2).mean(1, keepdim=True) + self.eps).sqrt()
        else:
            f = (x if self.after_relu else x.abs()).sum((2, 3), keepdim=True) * self.alpha
            scale = self.gamma / (f.abs().mean(1, keepdim=True) + self.eps)
        return x * (1 + torch.tanh(f * scale + self.beta))


class GatedChannelsOfVectors(nn.Module):
    """The same by vectors that are listed otherwise."""

    def __init__(self, channels):
        super().__init__()
        self.b, self.c = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.ones(channels))
        self.a = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        f = self.a * torch.sqrt(torch.square(x).flatten(2).sum(2) + 1e-5)
        scaled = self.c * f * torch.rsqrt(f.square().mean(1, keepdim=True) + 1e-5)
        return x + x * torch.tanh(scaled + self.b)[:, :, None, None]


class Gaussian(nn.Module):
    """The Gaussian context transformer with a width that is given."""

    def __init__(self, channels, c=2.0):
        super().__init__()
        self.c = c

    def forward(self, x):
        f = functional.adaptive_avg_pool2d(x, 1)
        mean = f.mean(1, keepdim=True)
        var = (f**2).mean(1, keepdim=True) - mean**2
        z = (f - mean) / torch.sqrt(var + 1e-5)
        return x * torch.exp(-(z**2 / 2 * self.c)).expand_as(x)


class GaussianLearnt(nn.Module):
    """With a width that is learnt from one number."""

    def __init__(self, channels):
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        f = x.mean((2, 3))
        z = (f - f.mean(1, keepdim=True)) / f.std(1, keepdim=True)
        width = 3 * torch.sigmoid(self.theta) + 1
        return x * torch.exp(-(z**2) / (2 * width**2))[:, :, None, None]


def _of(code, block, **how):
    said = ", ".join(f"{name}={getattr(v, '__name__', v)}" for name, v in how.items())
    return f"{block.__name__}({said})", (code, functools.partial(block, **how))


GCT, GAUSSIAN = "gated-channel-transformation", "gaussian-context-transformer"
BLOCKS = dict(
    [
        _of("eca", Eca),
        _of("eca", Eca, size=7, bias=True),
        _of("eca", Eca, around="circular"),
        _of("eca", EcaOfShifts),
        _of("bam", Bam),
        _of("bam", Bam, merge="sum", dilation=2, layers=3, convs=3),
        _of("bam", Bam, reduction=16, dilation=1),
        _of("bam", Bam, reduction=32),
        _of("bam", BamSquareOnly),
        _of("bam", BamWithFewNorms),
        _of("bam", BamWithFewNorms, reduction=32),
        _of("bam", BamOfThePaper),
        _of("bam", BamOfThePaper, bias=False),
        _of("coordinate-attention", CoordAtt),
        _of("coordinate-attention", CoordAtt, act="relu", reduction=2),
        _of("coordinate-attention", CoordAtt, act="silu", bias=False),
        _of("coordinate-attention", CoordAtt, normed=False),
        _of("coordinate-attention", CoordAttOfMeans),
        _of("scse", ScSe),
        _of("scse", ScSe, merge=torch.maximum, bias=False),
        _of("scse", ScSe, merge=torch.mul, reduction=2),
        _of("scse", ScSe, reduction=32),
        _of("scse", ScSeOfLinears),
        _of("scse", ScSeOfLinears, reduction=1),
        _of("simam", SimAm),
        _of("simam", SimAm, least=1e-3),
        _of("simam", SimAmOfVar),
        _of(GCT, GatedChannels),
        _of(GCT, GatedChannels, mode="l1"),
        _of(GCT, GatedChannels, mode="l1", after_relu=True, eps=1e-8),
        _of(GCT, GatedChannelsOfVectors),
        _of(GAUSSIAN, Gaussian),
        _of(GAUSSIAN, Gaussian, c=0.5),
        _of(GAUSSIAN, GaussianLearnt),
    ]
)
