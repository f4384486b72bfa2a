"""Probes: where no row fits, what a stage reads is proven."""

import numpy as np
import pytest
from planted import channel_mlps, channel_pools, convolutions, spatial_gates, spatial_planes
from tiers import later

import npcbam

CHANNEL = {
    "the maximum", "the average", "the other values", "where they stand", "another channel",
    "the other samples", "the sign", "the scale",
}  # fmt: skip
SPATIAL = {
    "the maximum over the channels", "the average over the channels",
    "which channel a value stands in", "one channel alone", "the other samples", "the sign",
    "the scale", "a position out of the kernel's reach",
}  # fmt: skip
PLACES = {"the other values", "where they stand", "the other samples"}
FAR = {"a position out of the kernel's reach", "which channel a value stands in"}


# By block: the code, and what the stage does not depend on.
STILL = {
    channel_pools.FixedWindow: (
        "channel-reads-positions",
        {"the maximum", "the other values", "the other samples"},
    ),
    channel_pools.Magnitudes: (
        "channel-reads-more",
        {"where they stand", "the other samples", "the sign"},
    ),
    channel_mlps.UnitLength: ("channel-unknown", PLACES | {"the scale"}),
    channel_pools.SecondLargest: ("channel-unknown", PLACES | {"the maximum"}),
    channel_pools.OwnChannel: ("channel-unknown", PLACES | {"the average", "another channel"}),
    channel_pools.Halved: ("channel-unknown", PLACES),
    spatial_planes.EvenChannels: (
        "spatial-reads-channels",
        {"the other samples", "a position out of the kernel's reach"},
    ),
    convolutions.WholeMap: (
        "spatial-reads-far",
        {"the other samples", "which channel a value stands in"},
    ),
    spatial_planes.MaximaOnly: (
        "spatial-unknown",
        FAR | {"the other samples", "the average over the channels"},
    ),
    spatial_gates.Cosine: ("spatial-unknown", FAR | {"the other samples"}),
}


# The others are planted, and some of them told by their codes in the first tier.
FIRST = (channel_pools.FixedWindow, channel_pools.SecondLargest, spatial_planes.EvenChannels)


@pytest.mark.parametrize(
    "block",
    [*FIRST, *later(block for block in STILL if block not in FIRST)],
    ids=lambda block: block.__name__,
)
def test_what_is_proven(block):
    code, still = STILL[block]
    report = npcbam.check(block, channels=32)
    assert report.verdict == "wrong"
    finding = next(f for f in report.findings if f.code == code)
    assert finding.stage == code.partition("-")[0]
    does, _, rest = finding.message.partition("; it depends on ")[2].partition("; not on ")
    moves, left = set(does.split(", ")), set(rest.partition(";")[0].split(", "))
    assert left == still
    assert moves == (CHANNEL if finding.stage == "channel" else SPATIAL) - still


def gated(params, x, factor=1.0, bend=0.0):
    z = sum(
        np.maximum(f @ params["w0"].T, 0) @ params["w1"].T for f in (x.mean((2, 3)), x.max((2, 3)))
    )
    return factor * x / (1 + np.exp(-z - bend * np.sin(3 * z)))[:, :, None, None]


@pytest.mark.parametrize(
    ("factor", "bend", "said"),
    [
        (0.7, 0.0, "; it is 0.7 times one that is known: "),
        (1.0, 0.05, "; the nearest is off by "),
        (0.7, 0.05, "; the nearest, times 0.7"),
        (1.0, 2.0, ""),
    ],
)
def test_the_nearest_is_named_where_it_is_near(factor, bend, said):
    arrays = {"w0": np.ones((4, 16)), "w1": np.ones((16, 4))}
    report = npcbam.check(
        lambda params, x: gated(params, x, factor, bend), channels=16, parameters=arrays
    )
    (message,) = [f.message for f in report.findings if f.code == "channel-unknown"]
    assert said in message
    assert ("nearest" in message or "times" in message) == bool(said)


def test_what_fails_while_it_is_probed_is_said():
    def block(params, x):
        flat = x.reshape(*x.shape[:2], -1)
        assert flat.shape[-1] < 2 or (np.diff(flat) < 0).any(), "sorted"
        second = np.sort(flat)[..., -2:].mean(-1)
        z = np.maximum(second @ params["w0"].T, 0) @ params["w1"].T
        return x / (1 + np.exp(-z))[:, :, None, None]

    arrays = {"w0": np.ones((4, 16)), "w1": np.ones((16, 4))}
    report = npcbam.check(block, channels=16, parameters=arrays)
    assert report.verdict == "wrong"
    assert [f.message for f in report.findings if f.code == "raises"] == [
        "it fails on 18 samples of 6 x 5 with other weights: AssertionError: sorted"
    ]
