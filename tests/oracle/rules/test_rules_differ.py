"""No two rules of a stage agree where both apply, and each runs on complex numbers."""

import itertools

import numpy as np
import pytest
from drawn_weights import KERNELS, MLPS, NO_EPS, RNG, SHARED, X, fits, outputs, ways

from npcbam.oracle.precision import CLOSE
from npcbam.oracle.rules import channel, composition, composition_gates, composition_output, spatial
from npcbam.oracle.rules.right_block import RightBlock
from npcbam.slopes import STEP

COMPOSITIONS = [
    rule
    for file in (composition, composition_gates, composition_output)
    for rule in file.RULES
    if rule.made is not None
]
# The same function, told apart by whether there is a kernel.
TWINS = {("channel-only", "spatial-not-applied")}


def assert_all_apart(found, alike=()):
    for (one, a), (two, b) in itertools.combinations(found.items(), 2):
        gap = abs(a - b).max() / max(abs(a).max(), abs(b).max())
        assert (one, two) in alike or gap > 100 * CLOSE["float64"], (one, two)


@pytest.mark.parametrize("mlps", MLPS)
def test_no_two_channel_rules_agree(mlps):
    found = outputs(channel.RULES, MLPS[mlps])
    assert found
    assert_all_apart(found)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_two_spatial_rules_agree(kernel):
    found = outputs(spatial.RULES, KERNELS[kernel])
    assert len(found) > 1
    assert_all_apart(found, {NO_EPS})


def test_no_rule_is_left_out():
    for rules, drawn in ((channel.RULES, MLPS), (spatial.RULES, KERNELS)):
        told = {name for weights in drawn.values() for name in outputs(rules, weights)}
        assert told == {name for name, _ in ways(rules)}


def test_an_eps_shows_where_the_variance_is_0():
    weights = KERNELS["two planes, norm"] | {key: np.zeros(1) for key in ("mean", "var")}
    weights |= {"k": 0 * weights["k"], "kb": np.zeros(1)}
    found = outputs(spatial.RULES, weights)
    finite = {name for name, ms in found.items() if np.isfinite(ms).all()}
    assert set(found) - finite == {"spatial-no-eps"}


def test_no_two_compositions_agree():
    weights, papers = SHARED | KERNELS["two planes"], (channel.CHANNEL_PAPER, spatial.SPATIAL_PAPER)
    found = {r.code: RightBlock(*papers, r.made, False, weights)(X) for r in COMPOSITIONS}
    assert_all_apart(found, TWINS)
    for one, two in TWINS:
        np.testing.assert_array_equal(found[one], found[two])


@pytest.mark.parametrize("stage", [channel, spatial])
def test_rules_run_on_complex_numbers(stage):
    v, h = RNG.normal(size=X.shape), 1e-6
    for weights in (MLPS if stage is channel else KERNELS).values():
        several = {key: value + 0j for key, value in weights.items()}
        steps = outputs(stage.RULES, several, X + 1j * STEP * v)
        after, before = (outputs(stage.RULES, several, X + 0j + d * v) for d in (h, -h))
        for name, step in steps.items():
            difference = (after[name] - before[name]).real / (2 * h)
            room = 1e-6 * max(abs(difference).max(), 1e-3)
            assert np.median(abs(step.imag / STEP - difference)) <= room, name


def test_axes_are_those_of_the_stage():
    for stage, paper in ((channel, channel.CHANNEL_PAPER), (spatial, spatial.SPATIAL_PAPER)):
        for rule in stage.RULES:
            axes = {*rule.sets, *([rule.parameter.axis] if rule.parameter else [])}
            assert axes <= paper.keys(), rule.code


def test_weights_are_told_by_what_is_there():
    shared, separate = MLPS["shared"], MLPS["separate"]
    paper = next(rule for _, rule in ways(channel.RULES))
    assert fits(paper, shared)
    assert not fits(paper, separate)
