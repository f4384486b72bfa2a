"""Drawn weights: none is 0, every hidden unit wakes, and what has no effect is named."""

import numpy as np
import pytest

from npcbam.oracle.candidates import adapt
from npcbam.oracle.probing.roles import assignments
from npcbam.oracle.probing.weights import awake, draw, without_effect

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


def test_a_large_maximum_wakes_every_unit():
    arrays = {"w0": np.ones((3, 6)), "w1": np.ones((6, 3))}
    (roles, *_) = assignments(arrays, {})
    values = {"w0": np.random.default_rng(1).normal(size=(3, 6)), "w1": np.ones((6, 3))}
    woken = awake(values, roles)
    assert (woken["w0"].sum(axis=1) > 0).all()
    assert np.array_equal(abs(woken["w0"]), abs(values["w0"]))


def test_what_y_does_not_depend_on():
    found = candidate(a=(6,), idle=(3,))
    assert without_effect(found, {"a": np.ones(6), "idle": np.ones(3)}, X) == {"idle"}
