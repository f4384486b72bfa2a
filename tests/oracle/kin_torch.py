"""Blocks of CBAM's family as people write them in PyTorch, with the usual variations of each.

`BLOCKS` has the code of the kin that each must be found to be.
"""

import functools
import math

import torch
from torch import nn
from torch.nn import functional

HSWISH = {"hswish": nn.Hardswish, "relu": nn.ReLU, "silu": nn.SiLU}


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


def _layer(layers, made, size, normed, dims=2):
    layers.append(made)
    if normed:
        layers.append(nn.BatchNorm2d(size) if dims == 2 else nn.BatchNorm1d(size))
    return layers


class Bam(nn.Module):
    """As its authors' code has it, and, as `how` says, as others have it."""

    def __init__(self, channels, reduction=8, dilation=4, merge="product", layers=1, convs=2):
        super().__init__()
        h, self.merge = channels // reduction, merge
        channel = []
        for i in range(layers):
            _layer(channel, nn.Linear(h if i else channels, h), h, True, 1).append(nn.ReLU())
        self.channel = nn.Sequential(*channel, nn.Linear(h, channels))
        spatial = [*_layer([], nn.Conv2d(channels, h, 1), h, True), nn.ReLU()]
        for _ in range(convs):
            conv = nn.Conv2d(h, h, 3, padding=dilation, dilation=dilation)
            _layer(spatial, conv, h, True).append(nn.ReLU())
        self.spatial = nn.Sequential(*spatial, nn.Conv2d(h, 1, 1))

    def forward(self, x):
        c, s = self.channel(x.mean((2, 3)))[:, :, None, None], self.spatial(x)
        z = c * s if self.merge == "product" else c + s
        return (1 + torch.sigmoid(z)) * x


class BamSquareOnly(Bam):
    """Its pool has a window as high as the map, and so it takes square maps alone."""

    def forward(self, x):
        if x.shape[2] != x.shape[3]:
            raise ValueError("one position is expected")
        return super().forward(x)


class BamOfThePaper(nn.Module):
    """Each branch ends in a norm; the spatial branch is listed first; x is added."""

    def __init__(self, channels, reduction=4, bias=True):
        super().__init__()
        h = channels // reduction
        self.conv1 = nn.Conv2d(channels, h, 1, bias=bias)
        self.conv2 = nn.Conv2d(h, h, 3, padding=4, dilation=4, bias=bias)
        self.conv3 = nn.Conv2d(h, h, 3, padding=4, dilation=4, bias=bias)
        self.conv4 = nn.Conv2d(h, 1, 1, bias=bias)
        self.norm_s = nn.BatchNorm2d(1)
        self.fc1 = nn.Conv2d(channels, h, 1, bias=bias)
        self.fc2 = nn.Conv2d(h, channels, 1, bias=bias)
        self.norm_c = nn.BatchNorm2d(channels)

    def forward(self, x):
        f = x.mean((2, 3), keepdim=True)
        c = self.norm_c(self.fc2(functional.relu(self.fc1(f))))
        s = functional.relu(self.conv2(functional.relu(self.conv1(x))))
        s = self.norm_s(self.conv4(functional.relu(self.conv3(s))))
        return x + x * torch.sigmoid(c + s)


class BamWithFewNorms(nn.Module):
    """The spatial branch has no norm and no ReLU after its first convolution."""

    def __init__(self, channels, reduction=16):
        super().__init__()
        h = channels // reduction
        self.mlp = nn.Sequential(nn.Linear(channels, h), nn.ReLU(), nn.Linear(h, channels))
        self.bn = nn.BatchNorm1d(channels)
        spatial = [nn.Conv2d(channels, h, 1)]
        for _ in range(2):
            conv = nn.Conv2d(h, h, 3, padding=4, dilation=4)
            _layer(spatial, conv, h, True).append(nn.ReLU(inplace=True))
        self.spatial = nn.Sequential(*spatial, nn.Conv2d(h, 1, 1), nn.BatchNorm2d(1))

    def forward(self, x):
        channel = self.bn(self.mlp(functional.adaptive_avg_pool2d(x, 1).flatten(1)))
        return x + x * torch.sigmoid(channel[:, :, None, None].expand_as(x) + self.spatial(x))


class CoordAtt(nn.Module):
    """Rows and columns go through one layer together."""

    def __init__(self, channels, reduction=32, act="hswish", normed=True, bias=True):
        super().__init__()
        h = max(8, channels // reduction)
        self.conv1 = nn.Conv2d(channels, h, 1, bias=bias)
        self.bn1 = nn.BatchNorm2d(h) if normed else nn.Identity()
        self.act = HSWISH[act]()
        self.conv_h = nn.Conv2d(h, channels, 1)
        self.conv_w = nn.Conv2d(h, channels, 1)

    def forward(self, x):
        height, width = x.shape[2:]
        rows = functional.adaptive_avg_pool2d(x, (None, 1))
        columns = functional.adaptive_avg_pool2d(x, (1, None)).permute(0, 1, 3, 2)
        both = self.act(self.bn1(self.conv1(torch.cat([rows, columns], 2))))
        rows, columns = both.split([height, width], 2)
        gate_w = self.conv_w(columns.permute(0, 1, 3, 2)).sigmoid()
        return x * gate_w * self.conv_h(rows).sigmoid()


class CoordAttOfMeans(nn.Module):
    """Rows and columns go through the same layer one after the other; columns are listed first."""

    def __init__(self, channels):
        super().__init__()
        self.columns = nn.Conv1d(8, channels, 1, bias=False)
        self.rows = nn.Conv1d(8, channels, 1, bias=False)
        self.norm = nn.BatchNorm1d(8)
        self.shared = nn.Conv1d(channels, 8, 1, bias=False)

    def forward(self, x):
        rows, columns = (self.hidden(x.mean(axis)) for axis in (3, 2))
        gates = self.rows(rows).unsqueeze(3), self.columns(columns).unsqueeze(2)
        return x * torch.sigmoid(gates[0]) * torch.sigmoid(gates[1])

    def hidden(self, z):
        z = self.norm(self.shared(z))
        return z * functional.relu6(z + 3) / 6


class ScSe(nn.Module):
    """Of 1 x 1 convolutions, merged as `merge` says."""

    def __init__(self, channels, reduction=16, merge=torch.add, bias=True):
        super().__init__()
        h, self.merge = channels // reduction, merge
        self.cse = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            *(nn.Conv2d(channels, h, 1, bias=bias), nn.ReLU(inplace=True)),
            *(nn.Conv2d(h, channels, 1, bias=bias), nn.Sigmoid()),
        )
        self.sse = nn.Sequential(nn.Conv2d(channels, 1, 1, bias=bias), nn.Sigmoid())

    def forward(self, x):
        return self.merge(x * self.cse(x), x * self.sse(x))


class ScSeOfLinears(nn.Module):
    """The spatial half is listed first, and the larger of both is taken."""

    def __init__(self, channels, reduction=2):
        super().__init__()
        self.squeeze = nn.Linear(channels, 1, bias=False)
        self.fc1 = nn.Linear(channels, channels // reduction)
        self.fc2 = nn.Linear(channels // reduction, channels)

    def forward(self, x):
        weights = torch.sigmoid(self.fc2(functional.relu(self.fc1(x.mean((2, 3))))))
        place = torch.sigmoid(self.squeeze(x.movedim(1, -1))).movedim(-1, 1)
        return torch.maximum(x * weights[:, :, None, None], x * place)


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
