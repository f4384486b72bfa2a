"""The same network in PyTorch, out of PyTorch's own layers, as a peer for the tests."""

import torch
from torch import nn

from npcbam import tree


class ConvNorm(nn.Module):
    def __init__(self, ours):
        super().__init__()
        outputs, inputs, size, _ = ours.conv.w.shape
        stride, padding = ours.conv.stride, ours.conv.padding
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        self.pool = nn.MaxPool2d(ours.pool) if ours.pool > 1 else nn.Identity()
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(self.pool(self.conv(x)))


class Attention(nn.Module):
    """SE, and the CBAM of the authors where there is a spatial gate."""

    def __init__(self, ours):
        super().__init__()
        hidden, channels = ours.channel.mlp.w0.shape
        bias = ours.channel.mlp.b0 is not None
        self.w0 = nn.Linear(channels, hidden, bias=bias)
        self.w1 = nn.Linear(hidden, channels, bias=bias)
        self.conv = self.norm = None
        if ours.spatial is not None:
            self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
            self.norm = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x):
        descriptors = [x.mean((2, 3))]
        if self.conv is not None:
            descriptors.append(x.amax((2, 3)))
        logits = sum(self.w1(torch.relu(self.w0(f))) for f in descriptors)
        x = x * torch.sigmoid(logits)[:, :, None, None]
        if self.conv is None:
            return x
        planes = torch.cat([x.max(dim=1, keepdim=True)[0], x.mean(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.norm(self.conv(planes)))


class Block(nn.Module):
    def __init__(self, ours):
        super().__init__()
        self.first, self.second = ConvNorm(ours.first), ConvNorm(ours.second)
        self.attention = nn.Identity() if ours.attention is None else Attention(ours.attention)
        self.shortcut = nn.Identity() if ours.shortcut is None else ConvNorm(ours.shortcut)

    def forward(self, x):
        branch = self.second(torch.relu(self.first(x)))
        return torch.relu(self.attention(branch) + self.shortcut(x))


class ResNet(nn.Module):
    """Takes the weights of an npcbam ResNet; `arrays` gives them, or their gradients, back."""

    def __init__(self, ours):
        super().__init__()
        self.stem, self.linear = ConvNorm(ours.stem), nn.Linear(*ours.linear.w.shape[::-1])
        self.blocks = nn.Sequential(*[Block(block) for block in ours.blocks])
        self.double()
        with torch.no_grad():
            for name, leaf in tree.leaves(ours):
                self.at(name).copy_(torch.from_numpy(leaf))

    def forward(self, x):
        return self.linear(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))

    def at(self, name):
        """Return the parameter or buffer under one of npcbam's names."""
        parts = name.replace("channel.mlp.", "").replace("spatial.", "").split(".")
        leaf = {"w": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}
        last = {"mean": "running_mean", "var": "running_var"} | leaf
        if parts[-1] in ("w0", "w1", "b0", "b1"):
            parts[-1:] = ["w" + parts[-1][1], leaf[parts[-1][0]]]
        else:
            parts[-1] = last[parts[-1]]
        found = self
        for part in parts:
            found = getattr(found, part)
        return found

    def arrays(self, ours, gradient=False):
        """Return the weights, or their gradients, in a tree like `ours`."""
        tensors = [self.at(name) for name, _ in tree.leaves(ours)]
        if gradient:
            tensors = [torch.zeros_like(t) if t.grad is None else t.grad for t in tensors]
        return tree.replace_leaves(ours, iter(t.detach().numpy().copy() for t in tensors))
