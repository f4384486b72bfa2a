"""Two mistakes in one block, in different stages, are both named."""

import pytest
import torch
from planted import (
    backwards,
    base,
    channel_gates,
    channel_mlps,
    channel_pools,
    compositions,
    convolutions,
    spatial_gates,
    spatial_planes,
)
from planted.registry import ALL, told
from tiers import first

import npcbam

CHANNEL = [
    channel_pools.AverageTwice,
    channel_gates.TwoSigmoids,
    channel_mlps.ReluAfterSecond,
    channel_mlps.Silu,
]
SPATIAL = [
    spatial_gates.NoSigmoid,
    spatial_planes.MinForAverage,
    convolutions.FlippedKernel,
    spatial_gates.OneNumber,
]
COMPOSE = [compositions.SpatialFromInput, compositions.MapsAdded, compositions.Squared]
BACKWARD = [backwards.SlightlyWrongGradient, backwards.MaxDetached, backwards.GateDetached]
PAIRS = [
    *zip(CHANNEL, SPATIAL, strict=True),
    *zip(COMPOSE, CHANNEL, strict=False),
    *zip(COMPOSE, SPATIAL, strict=False),
    (channel_gates.Temperature, spatial_planes.MinForAverage),
    (channel_gates.SoftmaxOverChannels, spatial_gates.SiluForSigmoid),
    (channel_mlps.ReluBeforeFirst, convolutions.PaddedOnOneSide),
    (channel_pools.MeanOverBatch, spatial_gates.NoSigmoid),
    (channel_pools.MeanOverBatch, compositions.Squared),
    (channel_pools.MeanOverBatch, compositions.FinalRelu),
    (spatial_gates.SpatialMixed, channel_gates.TwoSigmoids),
    (channel_pools.MedianForMax, compositions.ChannelSquared),
    (convolutions.Dilated, compositions.SpatialSquared),
]
# Where the forward is no CBAM's, a gradient is found wrong without its route.
WITHOUT_ROUTE = [
    (channel_pools.SumForMean, backwards.MaxPlaneDetached),
    *((backward, forward) for backward in BACKWARD for forward in (SPATIAL[0], SPATIAL[3])),
]


def of_both(one, two):
    """Return the verdict, what is told of a block with two mistakes, and what belongs."""
    both = type(f"{one.__name__}{two.__name__}", (one, two), {})
    report = npcbam.check(both, channels=32)
    belongs = [*ALL[one.__name__].found, *ALL[two.__name__].found]
    return report.verdict, sorted(told(report)), sorted(belongs)


def names(pairs):
    return [f"{one.__name__}, {two.__name__}" for one, two in pairs]


@pytest.mark.parametrize(("one", "two"), first(7, PAIRS), ids=names(PAIRS))
def test_both_are_named(one, two):
    verdict, found, belongs = of_both(one, two)
    assert (verdict, found) == ("wrong", belongs)


@pytest.mark.parametrize(("one", "two"), first(3, WITHOUT_ROUTE), ids=names(WITHOUT_ROUTE))
def test_a_wrong_forward_hides_no_gradient(one, two):
    verdict, found, belongs = of_both(one, two)
    assert verdict == "wrong"
    of_forward = [each for each in belongs if not each.startswith("gradient")]
    assert [each for each in found if not each.startswith("gradient")] == of_forward
    assert any(each.startswith("gradient") for each in found)


def test_a_gate_that_nothing_reads_is_named_beside_mixed_samples():
    class NoChannelGate(spatial_gates.SpatialMixed):
        def forward(self, x):
            return self.ms(x) * x

    report = npcbam.check(NoChannelGate, channels=32)
    assert report.verdict == "wrong"
    assert told(report) == ["compose: channel-not-applied", "effects: samples-mixed"]


class Normed(base.Right):
    """Its gate has a norm with an eps that no table has, and another mistake."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = torch.nn.BatchNorm2d(1, eps=2e-4)

    def squash(self, z):
        return torch.tanh(self.norm(z))


class Leaky(base.Right):
    def act(self, h):
        return torch.where(h > 0, h, 0.07 * h)

    def mc(self, x):
        return self.logits(x)[:, :, None, None]


@pytest.mark.parametrize(
    ("block", "codes", "number"),
    [
        # Which eps it is the paper leaves open.
        (Normed, ["spatial-tanh"], "0.0002"),
        (Leaky, ["channel-leaky-relu", "channel-no-sigmoid"], "0.07"),
    ],
)
def test_a_number_is_read_off_beside_another_mistake(block, codes, number):
    report = npcbam.check(block, channels=32)
    found = {f.code: f.message for f in report.findings if f.status != "note"}
    assert report.verdict == "wrong"
    assert sorted(found) == codes
    assert number in str(report)
