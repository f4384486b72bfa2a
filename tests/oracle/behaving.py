"""A right block, of which each fault replaces one step, and what is found of it."""

import numpy as np
import torch
from torch import nn

from npcbam.oracle.behaviour.effects import effects
from npcbam.oracle.candidates.torch import ModuleCandidate
from npcbam.oracle.rules.catalogue import settled

C = 24


class Block(nn.Module):
    """A right CBAM, of which each fault replaces one step."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(C, 3), nn.Linear(3, C)
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def mc(self, x):
        logits = (self.fc2(self.fc1(f).relu()) for f in (x.mean((2, 3)), x.amax((2, 3))))
        return sum(logits).sigmoid()[:, :, None, None]

    def forward(self, x):
        f = self.mc(x) * x
        return self.conv(torch.stack([f.mean(1), f.amax(1)], 1)).sigmoid() * f


def codes(module, *space, n=3, **kwargs):
    """Return what is found, by code, each with its status."""
    candidate = ModuleCandidate(module, "block")
    rng = np.random.default_rng(0)
    values = {k: rng.normal(size=v.shape) / 2 for k, v in candidate.parameters.items()}
    found = effects(candidate, rng.normal(size=(n, C, *(space or (8, 6)))), values, **kwargs)
    found = settled(found)
    for finding in found:
        assert finding.stage == "effects"
        assert finding.message
        assert finding.evidence
        compile(finding.snippet, "snippet", "exec")
    return {finding.code: finding.status for finding in found}
