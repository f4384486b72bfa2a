"""CBAM in PyTorch as others lay it out, and with effects that no layer should have."""

import torch
from torch import nn


class Right(nn.Module):
    """As the preset `paper_biased`."""

    def __init__(self, channels, hidden=3):
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def mlp(self, f):
        return self.fc2(torch.relu(self.fc1(f)))

    def forward(self, x):
        logits = self.mlp(x.mean((2, 3))) + self.mlp(x.flatten(2).max(2)[0])
        f = torch.sigmoid(logits)[:, :, None, None] * x
        planes = torch.cat([f.mean(1, keepdim=True), f.max(1, keepdim=True)[0]], 1)
        return torch.sigmoid(self.conv(planes)) * f


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
