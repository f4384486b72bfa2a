"""Drawn weights: none is 0, every hidden unit wakes, and what has no effect is named."""

import numpy as np
import pytest

from npcbam.oracle.candidates import adapt
from npcbam.oracle.probing.weights import LEAST, awake, draw, without_effect

X = np.random.default_rng(0).normal(size=(2, 6, 4, 3))


def scaled(params, x):
    return params["a"].reshape(-1, 1, 1) * x


def candidate(**shapes):
    return adapt(scaled, 6, parameters={name: np.zeros(shape) for name, shape in shapes.items()})


@pytest.mark.parametrize("seed", range(5))
def test_none_is_0_and_no_sum_is_large(seed):
    drawn = draw(candidate(a=(6,), w0=(2, 6), kernel=(1, 2, 7, 7)), np.random.default_rng(seed))
    assert all((abs(value) > 0).all() for value in drawn.values())
    assert abs(drawn["w0"]).sum(axis=1).max() < 10
    assert np.square(drawn["kernel"]).sum() == pytest.approx(4, rel=0.5)


def test_what_may_be_a_variance_is_above_0():
    drawn = draw(candidate(a=(6,), running_var=(1,)), np.random.default_rng(0))
    assert 0.5 <= drawn["running_var"] <= 1.5


@pytest.mark.parametrize("seed", range(20))
def test_hidden_units_and_logits_go_both_ways(seed):
    drawn = draw(candidate(w0=(2, 6), w1=(6, 2), k=(1, 2, 3, 3)), np.random.default_rng(seed))
    woken = awake(drawn)
    assert woken["w0"].sum(axis=1).min() >= LEAST
    assert woken["k"].sum() >= LEAST
    assert woken["w1"][0].max() < 0 < woken["w1"][1].min()
    for key, value in woken.items():
        assert np.array_equal(abs(value), abs(drawn[key]))
    again = awake(woken)
    assert all(np.array_equal(again[key], woken[key]) for key in woken)


def test_no_more_signs_are_turned_than_needed():
    w0 = np.array([[-1.0, 3, -2, 1], [-1, -1, -1, 4]])
    assert awake({"w0": w0, "b0": -w0[0]})["w0"].tolist() == [[1, 3, -2, 1], [1, -1, -1, 4]]
    assert awake({"b0": -w0[0]})["b0"].tolist() == [1, -3, 2, -1]
    little = np.array([[-0.5, -0.3]])
    assert awake({"w0": little})["w0"].tolist() == [[0.5, 0.3]]


def test_what_y_does_not_depend_on():
    found = candidate(a=(6,), idle=(3,))
    assert without_effect(found.forward, {"a": np.ones(6), "idle": np.ones(3)}, X) == {"idle"}
