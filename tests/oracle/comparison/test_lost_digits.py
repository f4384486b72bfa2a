"""Fewer digits inside than the precision has: allowed in float64 where float32 is the block's own,
and never half precision.
"""

import itertools

import numpy as np
import pytest
import torch
from drawn_weights import NO_EPS, NORM, draw, outputs
from planted import everything  # noqa: F401, which fills the registry
from planted.base import Right
from planted.registry import ALL
from tiers import first
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

import npcbam
from npcbam import CBAM
from npcbam.oracle.candidates import adapt
from npcbam.oracle.comparison.lost_digits import is_function_of
from npcbam.oracle.precision import LOOSE
from npcbam.oracle.probing.single import only_single
from npcbam.oracle.rules.block import SPATIAL_STAGE
from npcbam.pointwise import sigmoid


def told(report):
    return {finding.code: (finding.stage, finding.status) for finding in report.findings}


def checked(block, **how):
    return npcbam.check(block, channels=32, **how)


class SpatialSigmoid(Right):
    def squash(self, z):
        return z.float().sigmoid().type_as(z)


class ChannelSigmoid(Right):
    def mc(self, x):
        return self.logits(x).float().sigmoid().type_as(x)[:, :, None, None]


class BothSigmoids(ChannelSigmoid, SpatialSigmoid):
    pass


class Average(Right):
    def avg(self, x):
        return x.float().mean((2, 3)).type_as(x)


class Planes(Right):
    def planes(self, f):
        return [plane.type_as(f) for plane in super().planes(f.float())]


class WholeGate(Right):
    def mlp(self, f):
        hidden = F.linear(f.float(), self.fc1.weight.float()).relu()
        return F.linear(hidden, self.fc2.weight.float())

    def mc(self, x):
        return super().mc(x).type_as(x)


class Features(Right):
    def forward(self, x):
        return super().forward(x.float().type_as(x))


class Norm(Right):
    def __init__(self, channels, eps=1e-5):
        super().__init__(channels)
        self.bn = nn.BatchNorm2d(1, eps=eps)

    def squash(self, z):
        bn = self.bn
        known = (bn.running_mean, bn.running_var, bn.weight, bn.bias)
        normed = F.batch_norm(z.float(), *(value.float() for value in known), eps=bn.eps)
        return normed.type_as(z).sigmoid()


class Cast(torch.autograd.Function):
    """Rounded on the way back alone."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy.float().to(dy.dtype)


class Backward(Right):
    def mc(self, x):
        return Cast.apply(super().mc(x))


class Autocast(Right):
    dtype = torch.bfloat16

    def forward(self, x):
        with torch.autocast("cpu", self.dtype):
            return super().forward(x)


class AutocastHalf(Autocast):
    dtype = torch.float16


SINGLE = {
    SpatialSigmoid: "the spatial gate is",
    ChannelSigmoid: "the channel gate is",
    BothSigmoids: "both gates are",
    Average: "the channel gate is",
    Planes: "the spatial gate is",
    WholeGate: "the channel gate is",
    Features: "the features are",
    Norm: "the spatial gate is",
    Backward: "a step is",
}


@pytest.mark.parametrize("block", SINGLE)
def test_a_step_in_float32_is_right(block):
    report = checked(block)
    assert report.verdict == "faithful", str(report)
    assert told(report) == {"single-inside": ("numerics", "note")}
    said = f"in float64 {SINGLE[block]} computed in float32: no more than float32's digits"
    assert report.findings[0].message.startswith(said)
    # All else is seen at the precision that it has.
    assert report.dtype == "float32"
    assert 0.01 < max(row.times for row in report.rows) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_it_is_right_at_its_own_precision(dtype):
    assert told(checked(BothSigmoids, dtype=dtype)) == {}


def test_it_lacks_the_digits_of_float64_where_these_are_asked_for():
    report = checked(SpatialSigmoid, dtype="float64")
    assert told(report) == {"single-inside": ("numerics", "wrong")}


def test_a_block_for_float64_alone_is_to_have_its_digits():
    class Double(Right):
        def squash(self, z):
            return z.float().sigmoid().double()

        def forward(self, x):
            assert x.dtype == torch.float64
            return super().forward(x)

    assert told(checked(Double))["single-inside"] == ("numerics", "wrong")


@pytest.mark.parametrize("dtype", first(1, [None, "float32", "float64"]))
@pytest.mark.parametrize(
    ("kind", "place"),
    first(2, [
        (torch.float16, "squash"), (torch.bfloat16, "avg"),
        (torch.float16, "avg"), (torch.bfloat16, "squash"),
    ]),
)  # fmt: skip
def test_half_precision_is_wrong_at_either(dtype, kind, place):
    class Half(SpatialSigmoid):
        pass

    setattr(Half, place, lambda self, z: getattr(Right, place)(z.to(kind)).type_as(z)
            if place == "squash" else z.to(kind).mean((2, 3)).type_as(z))  # fmt: skip
    report = checked(Half, dtype=dtype)
    assert told(report)["half-inside"] == ("numerics", "wrong"), str(report)


@pytest.mark.parametrize(
    ("fault", "code"),
    first(4, [
        ("TwoSigmoids", "channel-two-sigmoids"),
        ("SpatialFromInput", "spatial-reads-input"),
        ("SlightlyWrongGradient", "channel-map-scaled"),
        ("LastTie", "tie-rule-last"),
        ("MinForAverage", "spatial-min-for-avg"),
        ("MaxDetached", "channel-max-detached"),
    ]),
)  # fmt: skip
def test_it_hides_no_mistake(fault, code):
    both = type("Both", (ALL[fault].block, SpatialSigmoid), {})
    report = checked(both)
    wrong = {finding.code for finding in report.findings if finding.status == "wrong"}
    assert wrong == {code}, str(report)


@pytest.mark.parametrize("eps", first(2, [1e-3, 1e-12, 1e-5, 1e-6]))
def test_the_eps_is_read_off_all_the_same(eps):
    rows = {row.axis: row.value for row in checked(Norm(32, eps)).conventions}
    assert rows["eps"] == f"{eps:g}"


def test_no_two_rows_agree_in_what_float32_tells():
    weights = {"k": draw(1, 2, 7, 7), "kb": draw(1)} | NORM
    found = outputs(SPATIAL_STAGE, SPATIAL_STAGE.shown(weights))
    for (one, a), (two, b) in itertools.combinations(found, 2):
        # What a variance of 0 tells.
        if {one, two} != NO_EPS:
            assert abs(a - b).max() > 10 * LOOSE[0] * max(abs(a).max(), abs(b).max()), (one, two)


@pytest.mark.parametrize("preset", ["paper", "official", "timm"])
def test_float64_has_its_digits(preset):
    candidate = adapt(CBAM.init(0, 32, preset=preset), 32, None, None)
    rng = np.random.default_rng(0)
    values = {k: v + 0.1 * rng.standard_normal(v.shape) for k, v in candidate.state({}).items()}
    x, dy = rng.standard_normal((2, 2, 32, 7, 5))
    assert not only_single(candidate, values, x, dy)
    assert not only_single(candidate, values, np.zeros((0, 32, 7, 5)), None)


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize("seed", first(1, range(3)))
@pytest.mark.parametrize("block", [Autocast, AutocastHalf])
def test_autocast_is_right_in_float32(block, seed, dtype):
    report = checked(block, dtype=dtype, seed=seed)
    assert report.verdict == "faithful", str(report)
    assert told(report)["autocast-inside"] == ("numerics", "note")


def test_casts_of_the_blocks_own_are_no_autocast():
    class Own(Right):
        def mlp(self, f):
            f = F.linear(f.half(), self.fc1.weight.half()).relu()
            return F.linear(f, self.fc2.weight.half()).to(self.fc1.weight.dtype)

    for dtype in (None, "float32"):
        assert told(checked(Own, dtype=dtype))["half-inside"] == ("numerics", "wrong")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("seed", first(1, range(3)))
def test_ties_of_rounded_numbers_follow_the_rule(dtype, seed):
    class Even(Right):
        def top(self, x):
            return x.amax((2, 3))

        def planes(self, f):
            return f.mean(1, keepdim=True), f.amax(1, keepdim=True)

    report = npcbam.check(Even, channels=16, settings={"reduction": 4}, dtype=dtype, seed=seed)
    assert report.verdict == "faithful", str(report)


# A gate that is nearly a sigmoid: its error is a smooth function of its logit.

RNG = np.random.default_rng(0)
Z = RNG.normal(size=2000) * 2
UNIT = 2.0**-53


@pytest.mark.parametrize(
    ("gate", "nearly"),
    [
        (lambda z: np.clip(z / 6 + 0.5, 0, 1), True),
        (lambda z: 0.5 + 0.5 * z / (1 + np.abs(z)), True),
        (lambda z: sigmoid(z + 0.1), False),
        (lambda z: sigmoid(1.01 * z), False),
        (lambda z: 1.01 * sigmoid(z) + 0.02, False),
        (lambda z: sigmoid(z) + 1e-3 * RNG.normal(size=z.shape), False),
        (lambda z: sigmoid(z), False),
    ],
    ids=["hard", "softsign", "shifted", "scaled", "affine", "noise", "right"],
)
def test_functions_of_the_logit(gate, nearly):
    error = gate(Z) - sigmoid(Z)
    # Small shifts and scales of the logit are errors of it, to first order.
    assert is_function_of(Z, 1e-3 * error, UNIT) == nearly
