"""CBAM in PyTorch as others lay it out, and with effects that no layer should have."""

import torch
from torch import nn

from planted.blocks_cases import composed


class Right(nn.Module):
    """As the preset `paper_biased`, unless `how` asks for another block."""

    def __init__(self, channels, hidden=3, how="biased"):
        super().__init__()
        self.how, bias = how, how != "plain"
        self.fc1 = nn.Linear(channels, hidden, bias=bias)
        self.fc2 = nn.Linear(hidden, channels, bias=bias)
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=bias)
        self.bn = nn.BatchNorm2d(1) if how == "norm" else nn.Identity()

    def forward(self, x):
        return composed(self.how, x, self.mc, self.ms)

    def mlp(self, f):
        z = self.fc2(torch.relu(self.fc1(f)))
        return torch.relu(z) if self.how == "channel-relu-after" else z

    def mc(self, x):
        avg, top = x.mean((2, 3)), x.flatten(2).max(2)[0]
        if self.how == "channel-max-detached":
            top = top.detach()
        zs = self.mlp(avg), self.mlp(avg if self.how == "channel-avg-twice" else top)
        gate = torch.sigmoid(zs[0] + zs[1])
        if self.how == "channel-two-sigmoids":
            gate = torch.sigmoid(zs[0]) + torch.sigmoid(zs[1])
        if self.how == "channel-map-detached":
            gate = gate.detach()
        return gate[:, :, None, None]

    def ms(self, f):
        low = f.min(1, keepdim=True)[0] if self.how == "spatial-min-for-avg" else f.mean(1, True)
        z = self.bn(self.conv_of(torch.cat([low, f.max(1, keepdim=True)[0]], 1)))
        return z if self.how == "spatial-no-sigmoid" else torch.sigmoid(z)

    def conv_of(self, planes):
        if self.how == "spatial-flipped-kernel":
            return self.conv(planes.flip(2, 3)).flip(2, 3)
        return self.conv(planes)


class ChannelsLast(Right):
    """It takes and gives (N, H, W, C)."""

    def forward(self, x):
        return super().forward(x.movedim(-1, 1)).movedim(1, -1)


class WritesInput(Right):
    def forward(self, x):
        return super().forward(x.relu_())


class WritesParameter(Right):
    def forward(self, x):
        self.fc1.bias.mul_(2)
        return super().forward(x)


class WritesBuffer(Right):
    def __init__(self, channels):
        super().__init__(channels)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen = self.seen + 1
        return super().forward(x)


class Prints(Right):
    def forward(self, x):
        print("shape", tuple(x.shape))
        return super().forward(x)


class ReadsMemory(Right):
    """It takes its input as it lies in memory."""

    def forward(self, x):
        return super().forward(torch.as_strided(x, x.shape, torch.empty(x.shape).stride()))


class Half(Right):
    def forward(self, x):
        return super().forward(x).to(torch.float16)
