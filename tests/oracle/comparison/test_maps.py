"""The maps of the pictures: those of the candidate, and those that it should compute."""

from dataclasses import replace

import numpy as np
import pytest

from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.oracle.comparison.maps import maps
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules.block import CBAM
from npcbam.oracle.rules.stage import Composition
from npcbam.spatial_attention import SpatialAttention

RNG = np.random.default_rng(0)
WEIGHTS = {
    "w0": RNG.standard_normal((2, 6)),
    "w1": RNG.standard_normal((6, 2)),
    "k": RNG.standard_normal((1, 2, 3, 3)) / 3,
}
X = RNG.standard_normal((2, 6, 5, 4))


def reading(channel="channel-paper", spatial="spatial-paper", compose="channel-first"):
    codes = {"channel": channel, "spatial": spatial}
    ways = {
        stage.name: next(w for w in stage.singly() if w.rules[0].code == codes[stage.name])
        for stage in CBAM.stages
    }
    return Reading(CBAM, ways, next(c for c in CBAM.compositions if c.rule.code == compose))


def by_layers():
    mc = ChannelAttention(SharedMLP(WEIGHTS["w0"], WEIGHTS["w1"]))(X)
    return mc, SpatialAttention(Conv(WEIGHTS["k"]))(mc * X)


def test_the_reference_is_the_paper():
    mc, ms = by_layers()
    for each in (reading(), reading("channel-two-sigmoids"), reading(compose="maps-added")):
        found = maps(each, WEIGHTS, X)
        np.testing.assert_allclose(found["reference_mc"], mc[0].ravel(), rtol=1e-12)
        np.testing.assert_allclose(found["reference_ms"], ms[0, 0], rtol=1e-12)


def test_a_right_one_has_the_same_maps():
    for residual in (False, True):
        right = reading()
        composition = Composition(right.composition.rule, residual)
        found = maps(replace(right, composition=composition), WEIGHTS, X)
        assert found["candidate_mc"] == found["reference_mc"]
        assert found["candidate_ms"] == found["reference_ms"]


def test_a_wrong_gate_shows():
    found = maps(reading("channel-two-sigmoids"), WEIGHTS, X)
    assert max(found["candidate_mc"]) > 1 > max(found["reference_mc"])


def test_what_the_spatial_map_reads_shows():
    """Mc is right, and Ms is that of x itself."""
    found = maps(reading(compose="spatial-reads-input"), WEIGHTS, X)
    assert found["candidate_mc"] == found["reference_mc"]
    ms = SpatialAttention(Conv(WEIGHTS["k"]))(X)
    np.testing.assert_allclose(found["candidate_ms"], ms[0, 0], rtol=1e-12)


def test_of_a_gate_that_runs_twice_the_first_is_shown():
    found = maps(reading(compose="channel-gate-twice"), WEIGHTS, X)
    assert found["candidate_mc"] == found["reference_mc"]
    assert found["candidate_ms"] != found["reference_ms"]


@pytest.mark.parametrize(("compose", "seen"), [("spatial-not-applied", "mc"), ("identity", "")])
def test_a_map_that_is_not_applied_is_left_out(compose, seen):
    found = maps(reading(compose=compose), WEIGHTS, X)
    assert {name for name in ("mc", "ms") if f"candidate_{name}" in found} == set(seen.split())


def test_not_known():
    assert maps(Reading(CBAM, {}), WEIGHTS, X) is None
    two = WEIGHTS | {"w0'": WEIGHTS["w0"], "w1'": WEIGHTS["w1"]}
    one_plane = two | {"k": WEIGHTS["k"][:, :1]}
    assert maps(reading(spatial="spatial-avg-only"), one_plane, X) is None
