"""CBAM in PyTorch: blocks laid out as in known code, and a function that follows any of ours."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

from npcbam.pooling import AVG, LP, LSE, MAX, MAX_EVEN

# These maps are so small that waking a second thread costs more than it saves.
torch.set_num_threads(1)

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
AVG_POOL = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
MAX_POOL = {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d}
CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class SeedChannel(nn.Module):
    def __init__(self, channels, hidden, dims):
        super().__init__()
        self.maxpool, self.avgpool = MAX_POOL[dims](1), AVG_POOL[dims](1)
        self.se = nn.Sequential(
            CONV[dims](channels, hidden, 1, bias=False),
            nn.ReLU(),
            CONV[dims](hidden, channels, 1, bias=False),
        )

    def forward(self, x):
        return torch.sigmoid(self.se(self.maxpool(x)) + self.se(self.avgpool(x)))


class SeedSpatial(nn.Module):
    def __init__(self, kernel_size, dims):
        super().__init__()
        self.conv = CONV[dims](2, 1, kernel_size, padding=kernel_size // 2)

    def forward(self, x):
        top, _ = torch.max(x, dim=1, keepdim=True)
        return torch.sigmoid(self.conv(torch.cat([top, torch.mean(x, dim=1, keepdim=True)], 1)))


class Seed(nn.Module):
    """A block that adds its input back."""

    def __init__(self, channels, hidden, kernel_size=7, dims=2):
        super().__init__()
        self.ca = SeedChannel(channels, hidden, dims)
        self.sa = SeedSpatial(kernel_size, dims)

    def forward(self, x):
        out = x * self.ca(x)
        return out * self.sa(out) + x


class OfficialChannel(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, x):
        flat = x.flatten(2)
        logits = self.mlp(flat.mean(dim=2)) + self.mlp(F.adaptive_max_pool1d(flat, 1))
        return x * torch.sigmoid(logits).reshape(*x.shape[:2], *[1] * (x.ndim - 2))


class OfficialConv(nn.Module):
    def __init__(self, kernel_size, dims):
        super().__init__()
        self.conv = CONV[dims](2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.bn = NORM[dims](1, momentum=0.01)

    def forward(self, planes):
        return self.bn(self.conv(planes))


class OfficialSpatial(nn.Module):
    def __init__(self, kernel_size, dims):
        super().__init__()
        self.spatial = OfficialConv(kernel_size, dims)

    def forward(self, x):
        planes = torch.stack([torch.max(x, 1)[0], torch.mean(x, 1)], dim=1)
        return x * torch.sigmoid(self.spatial(planes))


class Official(nn.Module):
    """The structure of the authors' module, with its default pools."""

    def __init__(self, channels, hidden, kernel_size=7, dims=2):
        super().__init__()
        self.ChannelGate = OfficialChannel(channels, hidden)
        self.SpatialGate = OfficialSpatial(kernel_size, dims)

    def forward(self, x):
        return self.SpatialGate(self.ChannelGate(x))


class TimmChannel(nn.Module):
    def __init__(self, channels, hidden, dims, light):
        super().__init__()
        self.fc1 = CONV[dims](channels, hidden, 1, bias=False)
        self.fc2 = CONV[dims](hidden, channels, 1, bias=False)
        self.light = light

    def forward(self, x):
        space = tuple(range(2, x.ndim))
        avg, top = x.mean(space, keepdim=True), x.amax(space, keepdim=True)
        passes = [0.5 * avg + 0.5 * top] if self.light else [avg, top]
        return x * torch.sigmoid(sum(self.fc2(F.relu(self.fc1(f))) for f in passes))


class ConvNorm(nn.Module):
    def __init__(self, planes, kernel_size, dims):
        super().__init__()
        self.conv = CONV[dims](planes, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.bn = NORM[dims](1)

    def forward(self, planes):
        return self.bn(self.conv(planes))


class TimmSpatial(nn.Module):
    def __init__(self, kernel_size, dims, light):
        super().__init__()
        self.conv = ConvNorm(1 if light else 2, kernel_size, dims)
        self.light = light

    def forward(self, x):
        avg, top = x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
        planes = 0.5 * avg + 0.5 * top if self.light else torch.cat([avg, top], dim=1)
        return x * torch.sigmoid(self.conv(planes))


class Timm(nn.Module):
    """The structure of timm's CbamModule."""

    light = False

    def __init__(self, channels, hidden, kernel_size=7, dims=2):
        super().__init__()
        self.channel = TimmChannel(channels, hidden, dims, self.light)
        self.spatial = TimmSpatial(kernel_size, dims, self.light)

    def forward(self, x):
        return self.spatial(self.channel(x))


class TimmLight(Timm):
    """The structure of timm's LightCbamModule."""

    light = True


BLOCKS = {"seed": Seed, "official": Official, "timm": Timm, "timm_light": TimmLight}


def follow(cbam, leaves, x, training=False):
    """Compute what `cbam` computes, in torch operations.

    `leaves` are its parameters as tensors by path; of `cbam` only the structure is read.
    """

    def channel_logits(x):
        return _channel_logits(cbam.channel, leaves, x)

    def spatial_logits(x):
        return _spatial_logits(cbam.spatial, leaves, x, training)

    steps = [channel_logits] if cbam.spatial is None else [channel_logits, spatial_logits]
    if cbam.order == "parallel":
        y = x * torch.sigmoid(sum(logits(x) for logits in steps))
    else:
        y = x
        for logits in steps if cbam.order == "channel-first" else steps[::-1]:
            y = y * torch.sigmoid(logits(y))
    return y + x if cbam.residual else y


def _channel_logits(channel, leaves, x):
    fs = _pooled(channel, x.flatten(2), 2)
    w0, w1, b0, b1 = (leaves.get(f"channel.mlp.{name}") for name in ("w0", "w1", "b0", "b1"))
    z = sum(F.linear(F.relu(F.linear(f.squeeze(2), w0, b0)), w1, b1) for f in fs)
    return z.reshape(*z.shape, *[1] * (x.ndim - 2))


def _spatial_logits(spatial, leaves, x, training):
    w, b = leaves["spatial.conv.w"], leaves.get("spatial.conv.b")
    margin = [size // 2 for size in w.shape[2:]]
    z = CONVOLVE[x.ndim - 2](torch.cat(_pooled(spatial, x, 1), 1), w, b, padding=margin)
    if spatial.norm is None:
        return z
    gamma, beta, mean, var = (
        leaves[f"spatial.norm.{name}"] for name in ("gamma", "beta", "mean", "var")
    )
    if training:
        return F.batch_norm(z, None, None, gamma, beta, True, eps=spatial.norm.eps)
    # Written out, because F.batch_norm has no derivative by the running statistics.
    return gamma * (z - mean) / torch.sqrt(var + spatial.norm.eps) + beta


def _pooled(attention, x, axis):
    pools = {
        AVG: lambda: x.mean(axis, keepdim=True),
        MAX: lambda: x.max(axis, keepdim=True)[0],
        MAX_EVEN: lambda: x.amax(axis, keepdim=True),
        LP: lambda: torch.linalg.vector_norm(x, 2, axis, keepdim=True),
        LSE: lambda: torch.logsumexp(x, axis, keepdim=True),
    }
    planes = [pools[pool]() for pool in attention.pools]
    return [sum(planes) / len(planes)] if attention.blend else planes
