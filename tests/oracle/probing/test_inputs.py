"""The battery: every input is what its reason says."""

import numpy as np
import pytest

from npcbam.oracle.probing.inputs import battery, cotangent, telling


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
def test_telling_has_all_signs_and_scales(space):
    x = telling(np.random.default_rng(0), 8, *space)
    assert x.shape == (5, 8, *space)
    assert abs(x[1]).max() > 2 * abs(x[0]).max()
    assert x[2].min() > 0
    assert x[3, ::2].max() < 0 < x[3, 1::2].min()
    assert x[4, 1::2].max() < 0 < x[4, ::2].min()
