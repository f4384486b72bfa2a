"""BAM, coordinate attention and scSE as people write them in PyTorch."""

import torch
from torch import nn
from torch.nn import functional

HSWISH = {"hswish": nn.Hardswish, "relu": nn.ReLU, "silu": nn.SiLU}


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
