import time

import pytest
import torch
from planted.digits import (
    TF32,
    Autocast,
    AutocastHalf,
    AutocastNaN,
    BrainGate,
    DividesBySize,
    Eight,
    HalfGate,
    HalfInBackward,
    HalfPlanes,
    HalfWeight,
    HardGate,
    NaiveExp,
    NaiveNegativeExp,
    NoNan,
    NotHalf,
    Polynomial,
    ReluDropsNan,
    Shifted,
    SingleGate,
    Spreads,
    Squares,
    Stepwise,
    Table,
    WrongEnd,
    WrongGradient,
)
from planted.halves import Channel, half
from tiers import first
from torch_blocks import BLOCKS

import npcbam
from npcbam import CBAM, presets
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates.torch import ModuleCandidate
from npcbam.oracle.comparison.at_one_precision import pair_of
from npcbam.oracle.comparison.numerics import numerics
from npcbam.oracle.probing.roles import assignments
from npcbam.presets import PRESETS

C = 24


def fitting(candidate, preset):
    paths = presets.shapes(preset, 1, 1, ()).keys()
    known = assignments(candidate.parameters, candidate.buffers)
    return next(roles for roles in known if {role.path for role in roles} == paths)


def find(candidate, preset, seed=0):
    """Return the findings by code, with the candidate's arrays carried by their shapes."""
    roles = fitting(candidate, preset)

    def carry(values):
        return CBAM.build(preset, {role.path: role.carry(values[role.name]) for role in roles})

    pair = pair_of(candidate, carry, seed, C)
    if pair is None:
        return {}
    found = numerics(pair, candidate.dtypes)
    for finding in found:
        assert finding.stage == "numerics"
        assert finding.message
        assert finding.evidence["dtype"] in candidate.dtypes
        compile(finding.snippet, "snippet", "exec")
    return {finding.code: finding for finding in found}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (HalfGate, {"half-inside": "wrong"}),
        (BrainGate, {"half-inside": "wrong"}),
        (HalfPlanes, {"half-inside": "wrong"}),
        (HalfWeight, {"half-inside": "wrong"}),
        (HalfInBackward, {"half-inside": "wrong"}),
        (SingleGate, {"single-inside": "wrong"}),
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
@pytest.mark.parametrize("seed", first(1, range(3)))
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

    assert numerics(pair_of(candidate, carry, 0, C), candidate.dtypes) == []


class NaNInGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        dx = dy.clone()
        dx[0, 0, 0, 0] = torch.nan
        return dx


def test_what_ordinary_weights_give_is_no_overflow():
    class Spoilt(Stepwise):
        def forward(self, x):
            return super().forward(NaNInGradient.apply(x))

    found = find(ModuleCandidate(Spoilt(), "block"), "paper_biased")
    assert "exp-overflow" not in found


@pytest.mark.parametrize("gives", ["map", "flat", "spread", "features"])
def test_nan_is_judged_whatever_a_half_gives(gives):
    class Swallows(half(Channel, gives=gives)):
        def forward(self, x):
            return torch.nan_to_num(super().forward(x), nan=1.0)

    codes = {each.code for each in npcbam.check(Swallows, channels=32, stage="channel").findings}
    assert "nan-swallowed" in codes


def test_block_of_one_size_is_seen_at_its_size():
    class Fixed(HalfGate):
        def forward(self, x):
            return super().forward(x.reshape(-1, C, 14, 14))

    assert find(ModuleCandidate(Fixed(), "block"), "paper_biased").keys() == {"half-inside"}


def test_block_that_never_runs_is_left_to_others():
    class Broken(Stepwise):
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
