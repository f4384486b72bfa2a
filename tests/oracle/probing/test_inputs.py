"""The battery: every input is what its reason says."""

import itertools

import numpy as np
import pytest

from npcbam import CBAM
from npcbam.oracle.candidates import adapt
from npcbam.oracle.precision import CLOSE
from npcbam.oracle.probing.inputs import LEVELS, battery, cotangent, telling
from npcbam.oracle.probing.roles import assignments
from npcbam.oracle.probing.trial import drawn
from npcbam.oracle.rules import block
from npcbam.oracle.rules.rule import Pointwise


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_inputs_are_what_they_say(axes):
    inputs = {each.name: each.x for each in battery(np.random.default_rng(0), 8, axes)}
    assert list(inputs) == ["noise", "negative", "ties", "single", "small", "large", "point"]
    for x in inputs.values():
        assert (x.dtype, x.ndim, x.shape[1]) == (np.float64, axes + 2, 8)
    space = inputs["noise"].shape[2:]
    assert len(set(space)) == len(space)
    assert inputs["negative"].max() < 0
    assert inputs["single"].shape[0] == 1
    assert len(set(inputs["single"].shape[2:4])) == 1
    assert inputs["large"].shape[2] > 32
    assert max(inputs["small"].shape[2:]) < 7
    assert set(inputs["point"].shape[2:]) == {1}


def test_ties_survive_a_gate():
    x = {each.name: each.x for each in battery(np.random.default_rng(0), 8)}["ties"]
    for axes, gate in [((1,), (1, 8, 1, 1)), ((2, 3), (1, 1, *x.shape[2:]))]:
        gated = x * np.random.default_rng(1).uniform(0.1, 0.9, gate)
        count = (gated == gated.max(axes, keepdims=True)).sum(axes)
        assert (count > 1).any()
        assert (count == 1).any()


def test_cotangents_differ_and_keep_from_zero():
    dy = cotangent(np.random.default_rng(0), (50, 20))
    assert np.unique(np.abs(dy)).size == dy.size
    assert 0.5 <= np.abs(dy).min() < 0.6
    assert 1.4 < np.abs(dy).max() <= 1.5
    assert 0.4 < (dy > 0).mean() < 0.6


@pytest.mark.parametrize("space", [(6,), (6, 5), (6, 5, 4)])
def test_telling_has_all_signs_and_levels(space):
    x = telling(np.random.default_rng(0), 8, *space)
    assert x.shape == (2 + 4 * len(LEVELS), 8, *space)
    assert abs(x[1]).max() > 2 * abs(x[0]).max()
    average = x[2:].mean(axis=tuple(range(2, x.ndim))).reshape(len(LEVELS), 4, 8)
    above, below, one, other = average.swapaxes(0, 1) / np.reshape(LEVELS, (-1, 1))
    alternate = one * ([-1, 1] * 4)
    for near_1 in (above, -below, alternate, -other * ([-1, 1] * 4)):
        assert abs(near_1 - 1).max() < 0.5


# A function of every number that no rule knows as right, beside ways that are not wrong.
WIDE = {"channel-lp", "channel-lse", "channel-all-pools"}
LAYER = CBAM.init(0, 8, reduction_ratio=8)
BLOCKS = {
    "whole": (block.CBAM, LAYER),
    "channel": (block.CHANNEL_HALF, LAYER.channel),
    "spatial": (block.SPATIAL_HALF, LAYER.spatial),
    "se": (block.CHANNEL_ONLY, CBAM.init(0, 8, reduction_ratio=8, preset="se")),
}


def pointwise(way):
    return all(isinstance(value, Pointwise) for value in way.rules[0].sets.values())


def seen_alone(name, seed):
    """Yield each stage of a block with the weights and the inputs that it is seen alone with."""
    known, layer = BLOCKS[name]
    candidate = adapt(layer, 8, stage=known.part)
    values, sizes = drawn(candidate, 8, np.random.default_rng(seed))
    (roles, *_) = assignments(candidate.parameters, candidate.buffers, sizes=sizes, part=known.part)
    weights = {role.key: role.carry(values[role.name]) for role in roles}
    x = telling(np.random.default_rng([seed, 0]), 8, 6, 5)
    for stage in known.stages:
        few = x[:, :, :3, :3] if stage.everywhere and len(known.stages) > 1 else x
        yield stage, stage.shown(known.alone(stage, weights)), few


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", BLOCKS)
def test_no_activation_and_no_gate_hides(name, seed):
    """One hidden unit is the least that a block has: more of them are seen the sooner."""
    for stage, weights, x in seen_alone(name, seed):
        ways = [way for way in stage.singly() if way.fits(weights)]
        right = [way for way in ways if way.benign and way.rules[0].code not in WIDE]
        wrong = [way.rules[0] for way in ways if not way.benign and pointwise(way)]
        assert len(wrong) >= 10
        # What the block reads may have been halved by the other gate.
        for base, read in itertools.product(right, (x, x / 2)):
            maps = [stage.map({**base.axes, **sets}, weights, read) * x
                    for sets in ({}, *(rule.sets for rule in wrong))]  # fmt: skip
            for rule, other in zip(wrong, maps[1:], strict=True):
                gap = abs(other - maps[0]).max() / abs(maps[0]).max()
                assert gap > 10 * CLOSE["float32"], (rule.code, base.rules[0].code, gap)
