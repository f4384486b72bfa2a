"""check on more mistakes: one each, and two at once in different stages."""

import mistakes
import more_mistakes as more
import pytest

import npcbam

NAMED = {
    # The descriptors of the channel gate.
    more.SumForMean: ("channel", "channel-sum-for-avg"),
    more.DeviationForMean: ("channel", "channel-std-for-avg-biased"),
    more.MedianForMean: ("channel", "channel-median-for-avg"),
    more.MedianForMax: ("channel", "channel-median-for-max"),
    more.LargestMagnitude: ("channel", "channel-abs-max"),
    more.SquaredMean: ("channel", "channel-square-for-avg"),
    more.MeanOfWindows: ("channel", "channel-reads-positions"),
    more.MeanOverHeight: ("channel", "channel-one-axis"),
    more.ScrambledView: ("channel", "channel-scrambled"),
    more.MeanOverBatch: ("effects", "samples-mixed"),
    # Its MLP.
    more.NoMLP: ("channel", "channel-no-mlp"),
    more.Gelu: ("channel", "channel-gelu"),
    more.TanhInside: ("channel", "channel-tanh-hidden"),
    more.Hardswish: ("channel", "channel-hardswish"),
    more.Softplus: ("channel", "channel-softplus"),
    more.Mish: ("channel", "channel-mish"),
    more.NoRelu: ("channel", "channel-linear"),
    more.ReluBeforeFirst: ("channel", "channel-relu-before"),
    more.ReluBeforeToo: ("channel", "channel-relu-on-pools"),
    more.BiasTwice: ("channel", "channel-bias-twice"),
    more.BiasAfterSum: ("channel", "channel-bias-once"),
    # Its gate.
    more.NoChannelSigmoid: ("channel", "channel-no-sigmoid"),
    more.SoftmaxOverChannels: ("channel", "channel-softmax"),
    more.HardSigmoidInChannel: ("channel", "channel-hardsigmoid"),
    more.TanhGate: ("channel", "channel-tanh"),
    more.Temperature: ("channel", "channel-temperature"),
    more.LogitsAveraged: ("channel", "channel-mean-of-logits"),
    more.OnePlus: ("channel", "channel-one-plus"),
    more.Doubled: ("channel", "channel-doubled"),
    more.OneMinus: ("channel", "channel-one-minus"),
    more.LargerLogit: ("channel", "channel-max-of-logits"),
    more.Clamped: ("channel", "channel-clamp"),
    more.SoftmaxOverBatch: ("effects", "samples-mixed"),
    # The spatial gate.
    more.InstanceNormed: ("spatial", "spatial-sample-statistics"),
    more.GroupNormed: ("spatial", "spatial-sample-statistics"),
    more.SpatialClamped: ("spatial", "spatial-clamp"),
    more.SumOverChannels: ("spatial", "spatial-sum-for-avg"),
    more.AverageTwicePlanes: ("spatial", "spatial-avg-twice"),
    more.DeviationPlane: ("spatial", "spatial-std-for-avg-biased"),
    more.MedianPlane: ("spatial", "spatial-median-for-max"),
    more.MagnitudePlane: ("spatial", "spatial-abs-max"),
    more.TransposedKernel: ("spatial", "spatial-transposed-kernel"),
    more.PaddedOnOneSide: ("spatial", "spatial-shifted-back"),
    more.PaddedOnOneSideMore: ("spatial", "spatial-shifted-3"),
    more.Dilated: ("spatial", "spatial-dilated-2"),
    more.SoftmaxOverPositions: ("spatial", "spatial-softmax"),
    more.ReluBeforeSigmoid: ("spatial", "spatial-relu-before-sigmoid"),
    more.SpatialSigmoidTwice: ("spatial", "spatial-sigmoid-twice"),
    more.SpatialTemperature: ("spatial", "spatial-temperature"),
    more.SpatialOnePlus: ("spatial", "spatial-one-plus"),
    more.NoEps: ("spatial", "spatial-no-eps"),
    more.UnbiasedNorm: ("spatial", "spatial-sample-statistics-unbiased"),
    more.NormIgnored: ("spatial", "spatial-norm-ignored"),
    # The whole.
    more.ChannelSquared: ("compose", "channel-features-squared"),
    more.SpatialSquared: ("compose", "spatial-features-squared"),
    more.ChannelTwice: ("compose", "channel-gate-twice"),
    more.GateTwice: ("compose", "channel-gate-squared"),
    more.SpatialBeforeAndAfter: ("compose", "spatial-gate-twice"),
    more.ChannelMapAdded: ("compose", "channel-map-added"),
    more.SpatialMapAdded: ("compose", "spatial-map-added"),
    more.ReluFirst: ("compose", "relu-first"),
    more.ResidualRelu: ("compose", "final-relu-residual"),
    more.SpatialMixed: ("effects", "samples-mixed"),
    # The backward.
    more.BothDetached: ("gradient", "channel-pools-detached"),
    more.PlanesDetached: ("gradient", "spatial-pools-detached"),
    more.MaxPlaneDetached: ("gradient", "spatial-max-detached"),
}
TWICE = {
    more.ReflectPadding: [("spatial", "spatial-reflect-padding"), ("effects", "fails-on-small")],
    more.Wraps: [("spatial", "spatial-circular-padding"), ("effects", "fails-on-small")],
    more.BatchStatistics: [
        ("spatial", "spatial-batch-statistics"),
        ("effects", "batch-statistics"),
    ],
}


def told(block, **how):
    report = npcbam.check(block, channels=32, **how)
    return report.verdict, [(f.stage, f.code) for f in report.findings if f.status != "note"]


@pytest.mark.parametrize("block", NAMED)
def test_each_is_named(block):
    assert told(block) == ("wrong", [NAMED[block]])


@pytest.mark.parametrize("block", TWICE)
def test_what_fails_as_well_is_named(block):
    assert told(block) == ("wrong", TWICE[block])


def test_no_class_is_left_out():
    blocks = {
        each for each in vars(more).values() if getattr(each, "__module__", "") == more.__name__
    }
    assert blocks == NAMED.keys() | TWICE.keys() | {more.WithBiases}


def test_the_factor_is_told():
    report = npcbam.check(more.SpatialTemperature, channels=32)
    assert report.findings[0].message == "the spatial logits are multiplied by 3 before the sigmoid"


def test_biases_alone_are_free():
    assert told(more.WithBiases) == ("faithful", [])


@pytest.mark.parametrize("hidden", [1, 5])
def test_a_hidden_width_of_any_size_is_free(hidden):
    class HardCoded(mistakes.Right):
        def __init__(self, channels=64):
            super().__init__(channels, channels // hidden)

    assert told(HardCoded) == ("faithful", [])


PAIRS = [
    (more.Temperature, mistakes.MinForAverage),
    (more.SoftmaxOverChannels, mistakes.SiluForSigmoid),
    (more.ReluBeforeFirst, more.PaddedOnOneSide),
    (more.MeanOverBatch, mistakes.NoSigmoid),
    (more.MeanOverBatch, mistakes.Squared),
    (more.MeanOverBatch, mistakes.FinalRelu),
    (more.SpatialMixed, mistakes.TwoSigmoids),
    (more.MedianForMax, more.ChannelSquared),
    (more.Dilated, more.SpatialSquared),
    (more.SumForMean, more.MaxPlaneDetached),
    (mistakes.MaxDetached, mistakes.NoSigmoid),
]
ELSEWHERE = {
    mistakes.MinForAverage: ("spatial", "spatial-min-for-avg"),
    mistakes.SiluForSigmoid: ("spatial", "spatial-silu"),
    mistakes.NoSigmoid: ("spatial", "spatial-no-sigmoid"),
    mistakes.TwoSigmoids: ("channel", "channel-two-sigmoids"),
    mistakes.Squared: ("compose", "features-squared"),
    mistakes.FinalRelu: ("compose", "final-relu"),
    mistakes.MaxDetached: ("gradient", "channel-max-detached"),
}


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_two_mistakes_are_both_named(one, two):
    both = type(f"{one.__name__}{two.__name__}", (one, two), {})
    codes = NAMED | ELSEWHERE
    verdict, found = told(both)
    assert verdict == "wrong"
    if two in (mistakes.NoSigmoid, more.MaxPlaneDetached) and one is not more.MeanOverBatch:
        # Where the forward is no CBAM's, a gradient is found wrong without its route.
        assert {stage for stage, _ in found} == {codes[one][0], codes[two][0]}
    else:
        assert sorted(found) == sorted([codes[one], codes[two]])


def test_a_gate_that_nothing_reads_is_named_beside_mixed_samples():
    class NoChannelGate(more.SpatialMixed):
        def forward(self, x):
            return self.ms(x) * x

    assert told(NoChannelGate) == (
        "wrong",
        [("compose", "channel-not-applied"), ("effects", "samples-mixed")],
    )
