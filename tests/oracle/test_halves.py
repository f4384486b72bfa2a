"""Halves of a CBAM: recognised by what they give, and judged by the rules of whole blocks."""

import os

from planted import (
    backwards,
    base,
    behaviours,
    channel_gates,
    channel_mlps,
    channel_pools,
    convolutions,
    halves_numpy,
    spatial_gates,
    spatial_planes,
)
from planted.halves import Channel, Spatial, half
from planted.halves_keras import KerasChannel, KerasSpatial
from planted.registry import ALL, told

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest
import torch
import torch_blocks
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

import npcbam
from npcbam import ChannelAttention, SharedMLP, SpatialAttention
from npcbam.conv import Conv
from npcbam.oracle import CannotRun, case

CHANNEL = {"stage": "channel", "channels": 32}
SPATIAL = {"stage": "spatial", "channels": 32}


# Right ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize("gives", ["map", "flat", "spread", "features"])
def test_channel(gives):
    report = npcbam.check(half(Channel, gives=gives), **CHANNEL)
    assert report.ok, str(report)
    assert report.headline.endswith("computes the channel attention of CBAM, Eq. 2, as preset "
                                    "`paper` does")  # fmt: skip
    assert "the spatial gate and Eq. 1 were not" in str(report)
    seen = {row.axis: row.value for row in report.conventions}
    assert seen["hidden"] == "2 of 32"
    assert seen["ties"] == "first"
    assert not {"order", "planes", "kernel"} & seen.keys()
    assert {row.tensor for row in report.rows} == {
        "y", "dx", "d inner.fc1.weight", "d inner.fc2.weight",
    }  # fmt: skip
    assert report.to_dict()["stage"] == "channel"
    assert report.maps.keys() == {"candidate_mc", "reference_mc"}
    assert report.maps["candidate_mc"] == report.maps["reference_mc"]


@pytest.mark.parametrize("gives", ["map", "spread", "features"])
def test_spatial(gives):
    report = npcbam.check(half(Spatial, gives=gives), **SPATIAL)
    assert report.ok, str(report)
    assert "computes the spatial attention of CBAM, Eq. 3" in report.headline
    assert "the channel gate and Eq. 1 were not" in str(report)
    seen = {row.axis: row.value for row in report.conventions}
    assert (seen["planes"], seen["kernel"], seen["ties"]) == ("avg+max", "7x7", "first")
    assert not {"order", "channel-pools", "hidden"} & seen.keys()
    assert {row.tensor for row in report.rows} == {"y", "dx", "d inner.conv.weight"}
    assert report.maps.keys() == {"candidate_ms", "reference_ms"}
    assert report.maps["candidate_ms"] == report.maps["reference_ms"]


@pytest.mark.parametrize("preset", ["official", "seed", "timm"])
def test_halves_of_known_blocks(preset):
    block = torch_blocks.BLOCKS[preset](24, 3)
    gates = list(block.children())
    assert len(gates) == 2
    for gate, stage in zip(gates, ("channel", "spatial"), strict=True):
        report = npcbam.check(gate, channels=24, stage=stage, expect=preset)
        assert report.ok or preset == "seed", str(report)
        assert report.verdict == "faithful", str(report)


@pytest.mark.parametrize(
    ("f", "parameters", "stage"),
    [
        (halves_numpy.channel, halves_numpy.channel_parameters(), "channel"),
        (halves_numpy.spatial, halves_numpy.SPATIAL_PARAMETERS, "spatial"),
    ],
)
def test_functions(f, parameters, stage):
    report = npcbam.check(f, parameters=parameters, stage=stage, channels=32)
    assert report.ok, str(report)
    assert ("dx" in {row.tensor for row in report.rows}) == (f is halves_numpy.spatial)


def test_own_layers():
    rng = np.random.default_rng(0)
    mlp = SharedMLP(rng.normal(size=(2, 32)), rng.normal(size=(32, 2)))
    assert npcbam.check(ChannelAttention(mlp), **CHANNEL).ok
    assert npcbam.check(SpatialAttention(Conv(rng.normal(size=(1, 2, 7, 7)))), **SPATIAL).ok


@pytest.mark.parametrize(("layer", "how"), [(KerasChannel, CHANNEL), (KerasSpatial, SPATIAL)])
def test_keras(layer, how):
    report = npcbam.check(layer, **how)
    assert report.ok, str(report)
    assert {row.axis: row.value for row in report.conventions}["layout"] == "NHWC"


# Others -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Channel, Spatial])
def test_what_adds_its_input_is_a_variant(kind):
    how = CHANNEL if kind is Channel else SPATIAL
    report = npcbam.check(half(kind, gives="sum"), **how)
    assert (report.verdict, told(report)) == ("variant", ["compose: residual"])
    assert npcbam.check(half(kind, gives="sum"), expect="residual=yes", **how).ok


MISTAKES = {
    channel_pools.AverageTwice: Channel,
    channel_gates.TwoSigmoids: Channel,
    channel_mlps.PoolsMerged: Channel,
    channel_mlps.Silu: Channel,
    channel_pools.AverageOnly: Channel,
    behaviours.SamplesMixed: Channel,
    backwards.SharedHalf: Channel,
    backwards.MaxDetached: Channel,
    spatial_gates.NoSigmoid: Spatial,
    spatial_planes.MinForAverage: Spatial,
    convolutions.FlippedKernel: Spatial,
    spatial_gates.OneNumber: Spatial,
    convolutions.SmallKernel: Spatial,
}


@pytest.mark.parametrize("gives", ["map", "features"])
@pytest.mark.parametrize("block", MISTAKES, ids=lambda block: block.__name__)
def test_mistakes_have_the_codes_of_whole_blocks(block, gives):
    kind, of_whole = MISTAKES[block], ALL[block.__name__]
    report = npcbam.check(half(kind, block, gives), **(CHANNEL if kind is Channel else SPATIAL))
    assert (report.verdict, told(report)) == (of_whole.verdict, [*of_whole.found]), str(report)


@pytest.mark.parametrize(
    ("kind", "how", "said"),
    [
        (
            Channel,
            SPATIAL,
            "it is no CBAM: none of its parameters can be the kernel (1, 2, k, k): it ",
        ),
        (
            Spatial,
            CHANNEL,
            "it is no CBAM: no two of its parameters can be W0 (C/r, C) and W1 (C, ",
        ),
    ],
)
def test_the_other_half(kind, how, said):
    report = npcbam.check(kind, **how)
    assert report.verdict == "wrong"
    assert report.findings[0].message.startswith(said)


@pytest.mark.parametrize("shape", [(98,), (2, 49), (1, 1, 2, 7, 7), (2, 7, 7)])
def test_a_spatial_half_may_store_its_kernel_otherwise(shape):
    class Unfolded(nn.Module):
        def __init__(self, channels=64):
            super().__init__()
            self.kernel = nn.Parameter(torch.zeros(shape))

        def forward(self, f):
            planes = torch.cat([f.mean(1, keepdim=True), f.amax(1, keepdim=True)], 1)
            return torch.sigmoid(F.conv2d(planes, self.kernel.reshape(1, 2, 7, 7), padding=3))

    report = npcbam.check(Unfolded, stage="spatial", channels=32)
    assert (report.verdict, report.findings) == ("faithful", ()), report


def test_a_whole_block_is_no_half():
    for stage in ("channel", "spatial"):
        with pytest.raises(CannotRun, match="Right has the parameters of both gates: check it "):
            npcbam.check(base.Right, channels=32, stage=stage)


def test_numerics_and_effects():
    class HalfInside(base.Right):
        def ms(self, x):
            return super().ms(x).bfloat16().to(x.dtype)

    report = npcbam.check(half(Spatial, HalfInside), dtype="float32", **SPATIAL)
    assert told(report) == ["numerics: half-inside"]

    class Writes(Channel):
        def forward(self, x):
            m = super().forward(x)
            x.zero_()
            return m

    assert "effects: writes-input" in told(npcbam.check(Writes, **CHANNEL))


@pytest.mark.parametrize("gives", ["map", "flat", "features"])
def test_evidence_is_of_what_it_gives(gives, capsys):
    block = half(Channel, channel_gates.TwoSigmoids, gives)
    finding = npcbam.check(block, **CHANNEL).findings[0]
    assert len(finding.evidence["index"]) == (2 if gives == "flat" else 4)
    exec(finding.snippet.replace("target = ...", "pass"), {"target": block})
    assert f"{finding.evidence['got']:.4f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "how", "gives", "shape"),
    [
        (Spatial, SPATIAL, "map", (3, 1, 7, 5)),
        (Spatial, SPATIAL, "features", (3, 32, 7, 5)),
        (Channel, CHANNEL, "flat", (3, 32)),
        (Channel, CHANNEL, "map", (3, 32, 1, 1)),
    ],
)
def test_case_has_a_cotangent_of_what_the_half_gives(kind, how, gives, shape):
    params, x, dy = case(half(kind, gives=gives), "noise", **how)
    assert (x.shape, dy.shape) == ((3, 32, 7, 5), shape)
    assert all(name.startswith("inner.") for name in params)


@pytest.mark.parametrize("how", [CHANNEL, SPATIAL])
def test_a_half_without_parameters(how):
    report = npcbam.check(lambda params, x: x * 0.5, parameters={}, **how)
    assert report.verdict == "wrong"
    assert "it has no parameters" in report.findings[0].message
