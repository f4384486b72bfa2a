import time

import pytest
import torch
from torch import nn
from torch_blocks import BLOCKS

from npcbam import CBAM, presets
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates.torch import ModuleCandidate
from npcbam.oracle.comparison.numerics import numerics
from npcbam.oracle.probing.roles import assignments
from npcbam.presets import PRESETS

C = 24


def fitting(candidate, preset):
    paths = presets.shapes(preset, 1, 1, ()).keys()
    known = assignments(candidate.parameters, candidate.buffers)
    return next(roles for roles in known if {role.path for role in roles} == paths)


def find(candidate, preset, **kwargs):
    """Return the findings by code, with the candidate's arrays carried by their shapes."""
    roles = fitting(candidate, preset)

    def carry(values):
        return CBAM.build(preset, {role.path: role.carry(values[role.name]) for role in roles})

    found = numerics(candidate, carry(candidate.state({})), carry, **kwargs)
    for finding in found:
        assert finding.stage == "numerics"
        assert finding.message
        assert finding.evidence["dtype"] in candidate.dtypes
        compile(finding.snippet, "snippet", "exec")
    return {finding.code: finding for finding in found}


class Block(nn.Module):
    """A right CBAM, of which each fault replaces one step."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(C, 3), nn.Linear(3, C)
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def mean(self, x):
        return x.mean((2, 3))

    def sigmoid(self, z):
        return z.sigmoid()

    def mc(self, x):
        logits = (self.fc2(self.fc1(f).relu()) for f in (self.mean(x), x.amax((2, 3))))
        return self.sigmoid(sum(logits))[:, :, None, None]

    def ms(self, f):
        return self.conv(torch.stack([f.mean(1), f.amax(1)], 1)).sigmoid()

    def forward(self, x):
        f = self.mc(x) * x
        return self.ms(f) * f


def through(x, dtype):
    """Round as a cast there and back does, with the gradient of neither."""
    return x + (x.to(dtype).to(x.dtype) - x).detach()


class HalfGate(Block):
    def sigmoid(self, z):
        return through(z, torch.float16).sigmoid()


class BrainGate(Block):
    def mc(self, x):
        return through(super().mc(x), torch.bfloat16)


class HalfPlanes(Block):
    def ms(self, f):
        return super().ms(through(f, torch.float16))


class HalfWeight(Block):
    def mc(self, x):
        w = through(self.fc1.weight, torch.bfloat16)
        logits = (
            self.fc2(nn.functional.linear(f, w, self.fc1.bias).relu())
            for f in (x.mean((2, 3)), x.amax((2, 3)))
        )
        return sum(logits).sigmoid()[:, :, None, None]


class RoundsGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy.to(torch.float16).to(dy.dtype)


class HalfBackward(Block):
    def mc(self, x):
        return RoundsGradient.apply(super().mc(x))


class Single(Block):
    def sigmoid(self, z):
        return z.float().sigmoid().to(z.dtype)


class Polynomial(Block):
    """tanh by its continued fraction."""

    def sigmoid(self, z):
        h = (z / 2).clamp(-4, 4)
        return 0.5 + 0.5 * (h * (27 + h * h) / (27 + 9 * h * h)).clamp(-1, 1)


class Table(Block):
    """Straight lines between 64 points."""

    def ms(self, f):
        z = self.conv(torch.stack([f.mean(1), f.amax(1)], 1)).clamp(-7.999, 7.999)
        low = (z * 4).floor() / 4
        share = (z - low) * 4
        return low.sigmoid() * (1 - share) + (low + 0.25).sigmoid() * share


class HardGate(Block):
    def sigmoid(self, z):
        return nn.functional.hardsigmoid(1.5 * z)


class NaiveExp(Block):
    def sigmoid(self, z):
        return z.exp() / (1 + z.exp())


class NaiveNegativeExp(Block):
    """Right forward, and NaN in the gradient where exp(-z) overflows."""

    def sigmoid(self, z):
        return 1 / (1 + (-z).exp())


class WrongEnd(Block):
    def sigmoid(self, z):
        return torch.where(z > 40, 0.0, z.sigmoid())


class Squares(Block):
    """The mean from means of squares."""

    def mean(self, x):
        return ((x + 1) ** 2 - x**2 - 1).mean((2, 3)) / 2


class NoNan(Block):
    def forward(self, x):
        return super().forward(x.nan_to_num(0, 0, 0))


class ReluDropsNan(Block):
    def mc(self, x):
        return super().mc(x).nan_to_num(0.5)

    def ms(self, f):
        return super().ms(f).nan_to_num(0.5)


class NoInf(Block):
    def forward(self, x):
        return super().forward(x.clamp(-100, 100))


class Spreads(Block):
    def forward(self, x):
        return super().forward(x) + 0 * x.sum()


class DividesBySize(Block):
    def forward(self, x):
        size = x.abs().amax((1, 2, 3), keepdim=True).detach()
        return super().forward(x / size * size)


class Shifted(Block):
    """Everything is off by a little, at every precision."""

    def forward(self, x):
        return super().forward(x) * (1 + 1e-4)


class ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return 1.01 * dy


class WrongGradient(Block):
    def mc(self, x):
        return ScaledGradient.apply(super().mc(x))


def coarse(x):
    """Round to the 10 bits of TF32, which float64 does not know."""
    if x.dtype != torch.float32:
        return x
    kept = (x.view(torch.int32) + 0x1000) & ~0x1FFF
    return x + (kept.view(torch.float32) - x).detach()


class CoarseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return coarse(dy)


class TF32(Block):
    """As a GPU multiplies matrices, forward and backward."""

    def linear(self, layer, f):
        z = CoarseGradient.apply(nn.functional.linear(coarse(f), coarse(layer.weight)))
        return z + layer.bias

    def mc(self, x):
        hidden = (self.linear(self.fc1, f).relu() for f in (x.mean((2, 3)), x.amax((2, 3))))
        return sum(self.linear(self.fc2, h) for h in hidden).sigmoid()[:, :, None, None]

    def ms(self, f):
        planes = coarse(torch.stack([f.mean(1), f.amax(1)], 1))
        z = nn.functional.conv2d(planes, coarse(self.conv.weight), padding=3)
        return (CoarseGradient.apply(z) + self.conv.bias).sigmoid()


class Autocast(Block):
    dtype = torch.bfloat16

    def forward(self, x):
        with torch.autocast("cpu", self.dtype):
            return super().forward(x)


class AutocastHalf(Autocast):
    dtype = torch.float16


class AutocastNaN(Autocast):
    """A fault that the bounds of autocast do not hide."""

    def forward(self, x):
        return super().forward(x.nan_to_num(0, 0, 0))


class Eight(Block):
    """Two digits, in float32 alone, are coarser than any autocast."""

    def mc(self, x):
        mc = super().mc(x)
        return through(mc, torch.float8_e5m2) if x.dtype == torch.float32 else mc


class NotHalf(Block):
    def forward(self, x):
        if x.dtype == torch.float16:
            raise NotImplementedError("no kernel for Half")
        return super().forward(x)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (HalfGate, {"half-inside": "wrong"}),
        (BrainGate, {"half-inside": "wrong"}),
        (HalfPlanes, {"half-inside": "wrong"}),
        (HalfWeight, {"half-inside": "wrong"}),
        (HalfBackward, {"half-inside": "wrong"}),
        (Single, {"single-inside": "wrong"}),
        (Polynomial, {"approximate-sigmoid": "wrong"}),
        (Table, {"approximate-sigmoid": "wrong"}),
        (HardGate, {"approximate-sigmoid": "wrong"}),
        (NaiveExp, {"exp-overflow": "wrong"}),
        (NaiveNegativeExp, {"exp-overflow": "wrong"}),
        (WrongEnd, {"exp-overflow": "wrong"}),
        (Squares, {"mean-loses-digits": "wrong"}),
        (NoNan, {"nan-swallowed": "wrong", "inf-swallowed": "wrong"}),
        (ReluDropsNan, {"nan-swallowed": "note", "inf-swallowed": "note"}),
        (Spreads, {"nan-spread": "wrong"}),
        (DividesBySize, {"precision": "wrong"}),
        (Shifted, {"precision": "wrong"}),
        (NotHalf, {"unsupported-precision": "note"}),
        (TF32, {"tf32-inside": "note"}),
        (Autocast, {"autocast-inside": "note"}),
        (AutocastHalf, {"autocast-inside": "note"}),
        (
            AutocastNaN,
            {"nan-swallowed": "wrong", "inf-swallowed": "wrong", "autocast-inside": "note"},
        ),
        (Eight, {"approximate-sigmoid": "wrong"}),
        # Wrong in float64: no matter of precision.
        (WrongGradient, {}),
    ],
)
def test_fault_is_named_and_nothing_else(module, expected):
    torch.manual_seed(0)
    found = find(ModuleCandidate(module(), "block"), "paper_biased")
    assert {code: finding.status for code, finding in found.items()} == expected


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("seed", range(3))
def test_right_module_has_no_findings(name, seed):
    assert find(ModuleCandidate(BLOCKS[name](C, 3), name), name, seed=seed) == {}


@pytest.mark.parametrize("preset", PRESETS)
def test_right_layer_has_no_findings(preset):
    candidate = adapt(CBAM.init(0, C, preset=preset), C, None, None)
    assert find(candidate, preset).keys() <= {"unsupported-precision"}


@pytest.mark.parametrize("dims", [1, 3])
def test_any_number_of_axes(dims):
    candidate = ModuleCandidate(BLOCKS["official"](C, 3, dims=dims), "official")
    if dims == 3:
        # Some half-precision convolutions of PyTorch 2.13 on a CPU are wrong there.
        candidate.dtypes = ("float64", "float32")
    assert find(candidate, "official") == {}


def test_another_block_is_no_matter_of_precision():
    candidate = ModuleCandidate(BLOCKS["seed"](C, 3), "seed")
    roles = fitting(candidate, "seed")

    def carry(values):
        seed = CBAM.build("seed", {role.path: role.carry(values[role.name]) for role in roles})
        return CBAM(seed.channel, seed.spatial, residual=False)

    assert numerics(candidate, carry(candidate.state({})), carry) == []


def test_block_of_one_size_is_seen_at_its_size():
    class Fixed(HalfGate):
        def forward(self, x):
            return super().forward(x.reshape(-1, C, 14, 14))

    assert find(ModuleCandidate(Fixed(), "block"), "paper_biased").keys() == {"half-inside"}


def test_block_that_never_runs_is_left_to_others():
    class Broken(Block):
        def forward(self, x):
            raise RuntimeError("no")

    assert find(ModuleCandidate(Broken(), "block"), "paper_biased") == {}


def test_evidence_is_at_the_highest_precision():
    found = find(ModuleCandidate(HalfGate(), "block"), "paper_biased")["half-inside"]
    assert (found.evidence["dtype"], found.evidence["tensor"]) == ("float64", "y")
    assert found.evidence["times"] > 1e6
    assert abs(found.evidence["got"] - found.evidence["expected"]) < 0.01


def test_it_is_quick():
    candidate = ModuleCandidate(BLOCKS["official"](64, 4), "official")
    find(candidate, "official")
    start = time.process_time()
    find(candidate, "official")
    assert time.process_time() - start < 2
