import time

import numpy as np
import pytest
import torch
from torch import nn
from torch_blocks import BLOCKS

from npcbam import CBAM
from npcbam.oracle.behaviour.effects import effects
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates.torch import ModuleCandidate
from npcbam.oracle.findings import STAGES
from npcbam.presets import PRESETS

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


class WritesInput(Block):
    def forward(self, x):
        return super().forward(x.mul_(2))


class WritesParameters(Block):
    def forward(self, x):
        self.fc1.bias.data.mul_(2)
        return super().forward(x)


class Dropout(Block):
    def mc(self, x):
        return super().mc(nn.functional.dropout(x, 0.2, training=True))


class Counts(Block):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) / self.calls


class FailsTwice(Counts):
    def forward(self, x):
        if self.calls:
            raise RuntimeError("the cache is full")
        return super().forward(x)


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


class ReadsMemory(Block):
    def mc(self, x):
        strides = torch.empty(x.shape).stride()
        return super().mc(torch.as_strided(x, x.shape, strides))


class Views(Block):
    def mc(self, x):
        return super().mc(x.view(-1).view(x.shape))


class Prints(Block):
    def forward(self, x):
        print("shape of x:", tuple(x.shape))
        return super().forward(x)


class OnlyMap(Block):
    def forward(self, x):
        return self.mc(x)


class Single(Block):
    def forward(self, x):
        return super().forward(x).float()


class FixedSize(Block):
    def mc(self, x):
        return super().mc(x.reshape(-1, C, 6, 5))


class FixedBatch(Block):
    def mc(self, x):
        return super().mc(x.reshape(3, C, *x.shape[2:]))


class Squeezes(Block):
    def mc(self, x):
        logits = self.fc2(self.fc1(x.mean((2, 3)).squeeze()).relu())
        return logits.sigmoid()[:, :, None, None]


class Odd(Block):
    """Its pooling by halves loses the last row of odd maps."""

    def forward(self, x):
        y = super().forward(x)
        return nn.functional.avg_pool2d(y, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)


class Small(Block):
    def mc(self, x):
        return super().mc(nn.functional.avg_pool2d(x, 3, stride=1))


class Empty(Block):
    def forward(self, x):
        assert x.shape[0], "no samples"
        return super().forward(x)


class Raises(Block):
    def forward(self, x):
        raise SystemExit("not today")


class ReturnsTuple(Block):
    def forward(self, x):
        return super().forward(x), x


def codes(module, *space, n=3, **kwargs):
    candidate = ModuleCandidate(module, "block")
    rng = np.random.default_rng(0)
    values = {k: rng.normal(size=v.shape) / 2 for k, v in candidate.parameters.items()}
    found = effects(candidate, rng.normal(size=(n, C, *(space or (8, 6)))), values, **kwargs)
    for finding in found:
        assert finding.stage == "effects"
        assert finding.message
        assert finding.evidence
        compile(finding.snippet, "snippet", "exec")
    assert "effects" in STAGES
    return {finding.code: finding.status for finding in found}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (WritesInput, {"writes-input": "wrong"}),
        (WritesParameters, {"writes-parameters": "wrong"}),
        (Dropout, {"not-repeatable": "undecided"}),
        (Counts, {"not-repeatable": "undecided"}),
        (PoolsBatch, {"samples-mixed": "wrong"}),
        (RollsBatch, {"samples-mixed": "wrong"}),
        (BatchStatistics, {"batch-statistics": "wrong"}),
        (KeepsTraining, {"batch-statistics": "wrong"}),
        (Views, {"layout-refused": "note"}),
        (ReadsMemory, {"layout-dependent": "wrong"}),
        (Prints, {"prints": "note"}),
        (OnlyMap, {"output-shape": "wrong"}),
        (Single, {"output-dtype": "wrong"}),
        (Squeezes, {"fails-on-single": "wrong"}),
        (Small, {"fails-on-small": "wrong"}),
        (Empty, {"fails-on-empty": "note"}),
        (Odd, {"fails-on-odd": "wrong", "fails-on-small": "wrong"}),
        (Raises, {"raises": "wrong"}),
        (ReturnsTuple, {"raises": "wrong"}),
    ],
)
def test_effect_is_found_and_nothing_else(module, expected):
    torch.manual_seed(0)
    assert codes(module()) == expected


def test_second_call_that_fails():
    assert codes(FailsTwice())["second-call-fails"] == "undecided"


def test_one_size_only():
    assert codes(FixedSize(), 6, 5) == {"fixed-size": "wrong"}
    assert codes(FixedBatch()) == {"fixed-batch": "wrong"}


def test_square_maps_only():
    class Square(Block):
        def mc(self, x):
            size = x.shape[2]
            return super().mc(x.reshape(*x.shape[:2], size, size))

    assert codes(Square(), 7, 7) == {"square-only": "wrong"}


def test_exported_graph_of_one_size_is_no_mistake():
    class Exported(ModuleCandidate):
        framework = "onnx"

    candidate = Exported(FixedSize(), "block")
    (found,) = effects(candidate, np.ones((3, C, 6, 5)), {})
    assert (found.code, found.status) == ("fixed-size", "note")


def test_evidence_says_where():
    candidate = ModuleCandidate(WritesInput(), "block")
    x = np.full((2, C, 4, 4), 3.0)
    (found,) = effects(candidate, x, {})
    assert found.evidence["tensor"] == "x"
    assert (found.evidence["got"], found.evidence["expected"]) == (6.0, 3.0)
    assert (x == 3).all()


def test_two_effects_are_both_found():
    class Both(Prints, Dropout):
        pass

    assert codes(Both()).keys() == {"prints", "not-repeatable"}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_right_module_has_no_effects(name, dtype):
    torch.manual_seed(0)
    candidate = ModuleCandidate(BLOCKS[name](C, 3), name).at(dtype)
    x = np.random.default_rng(0).normal(size=(1, C, 7, 5))
    assert effects(candidate, x, {}) == []


@pytest.mark.parametrize("preset", PRESETS)
def test_right_layer_has_no_effects(preset):
    candidate = adapt(CBAM.init(0, C, preset=preset), C, None, None)
    assert effects(candidate, np.random.default_rng(0).normal(size=(3, C, 7, 5)), {}) == []


@pytest.mark.parametrize("axes", [1, 3])
def test_any_number_of_axes(axes):
    candidate = ModuleCandidate(BLOCKS["official"](C, 3, dims=axes), "official")
    x = np.random.default_rng(0).normal(size=(2, C, *(5, 4, 3)[:axes]))
    assert effects(candidate, x, {}) == []


def test_it_is_quick():
    candidate = ModuleCandidate(BLOCKS["seed"](64, 4), "seed")
    x = np.random.default_rng(0).normal(size=(3, 64, 7, 5))
    effects(candidate, x, {})
    start = time.process_time()
    effects(candidate, x, {})
    assert time.process_time() - start < 1
