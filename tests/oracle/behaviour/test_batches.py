"""Samples that come together."""

import numpy as np
import pytest
import torch
from behaving import Block, C, codes
from torch import nn

from npcbam.oracle.behaviour.effects import effects
from npcbam.oracle.candidates.torch import ModuleCandidate


class PoolsBatch(Block):
    def mc(self, x):
        return super().mc(x.mean(0, keepdim=True))


class RollsBatch(Block):
    def mc(self, x):
        return super().mc(x).roll(1, 0)


class BatchStatistics(Block):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(1, track_running_stats=False)

    def forward(self, x):
        f = self.mc(x) * x
        planes = torch.stack([f.mean(1), f.amax(1)], 1)
        return self.bn(self.conv(planes)).sigmoid() * f


class KeepsTraining(BatchStatistics):
    """It has running statistics, and uses those of the batch."""

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(1, momentum=0.0)

    def forward(self, x):
        self.bn.train()
        return super().forward(x)


class FixedBatch(Block):
    def mc(self, x):
        return super().mc(x.reshape(3, C, *x.shape[2:]))


class Squeezes(Block):
    def mc(self, x):
        logits = self.fc2(self.fc1(x.mean((2, 3)).squeeze()).relu())
        return logits.sigmoid()[:, :, None, None]


class UpToThree(Block):
    def forward(self, x):
        assert x.shape[0] < 4, "at most 3 samples"
        return super().forward(x)


class TwoOrThree(Block):
    def forward(self, x):
        assert x.shape[0] in (2, 3), "2 or 3 samples"
        return super().forward(x)


class Empty(Block):
    def forward(self, x):
        assert x.shape[0], "no samples"
        return super().forward(x)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (PoolsBatch, {"samples-mixed": "wrong"}),
        (RollsBatch, {"samples-mixed": "wrong"}),
        (BatchStatistics, {"batch-statistics": "wrong"}),
        (KeepsTraining, {"batch-statistics": "wrong"}),
        (Squeezes, {"fails-on-single": "wrong"}),
        (Empty, {"fails-on-empty": "note"}),
    ],
)
def test_it_is_found_and_nothing_else(module, expected):
    torch.manual_seed(0)
    assert codes(module()) == expected


def test_one_number_of_samples_only():
    assert codes(FixedBatch()) == {"fixed-batch": "wrong"}


def test_of_other_sizes_that_it_takes_nothing_is_said():
    assert codes(UpToThree()) == {"raises": "wrong"}
    assert codes(TwoOrThree()) == {
        "raises": "wrong", "fails-on-single": "wrong", "fails-on-empty": "note",
    }  # fmt: skip
    candidate = ModuleCandidate(UpToThree(), "block")
    (found,) = effects(candidate, np.random.default_rng(0).normal(size=(3, C, 8, 6)), {})
    assert found.message == ("it fails on a batch of 4 samples: AssertionError: at most 3 samples")
