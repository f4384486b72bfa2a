"""Directions in units of what they move, inside of what a domain allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.domain import domains, units
from npcbam.gradcheck.layout import Layout

X, W = np.array([[1.0, -4.0], [0.5, 2.0]]), np.array([0.0, 100.0, 100.0])
ZERO = np.zeros(2)
S = np.array([[2.0, -1.0], [-1.0, 4.0]])
P = np.array([0.5, 0.25, 0.25])


def directions(*args, domain=None, seed=0):
    layout = Layout(args, "xwz"[: len(args)])
    return Directions(layout, domains(domain, layout), np.random.default_rng(seed))


# By hand


def test_each_entry_has_its_unit():
    found = directions(X, W, ZERO)
    # Of w the typical entry is 100; half of 1.5, the median of x, is the least there.
    assert found.units.tolist() == [1.0, 4.0, 0.75, 2.0, 100.0, 100.0, 100.0, 1.0, 1.0]


def test_a_direction_goes_in_units():
    found = directions(X, W, ZERO)
    v = found.along(slice(None)) / found.units
    assert ((np.abs(v) >= 0.5) & (np.abs(v) <= 1.5)).all()
    assert np.unique(np.abs(v)).size == v.size


@pytest.mark.parametrize("entries", [slice(4, 7), np.array([4, 5, 6])])
def test_only_some_entries_move(entries):
    assert np.flatnonzero(directions(X, W, ZERO).along(entries)).tolist() == [4, 5, 6]


def test_one_entry_or_several_move_by_their_units():
    found = directions(X, W, ZERO)
    assert found.one(1).tolist() == [0, 4, 0, 0, 0, 0, 0, 0, 0]
    assert found.one(np.array([2, 7])).tolist() == [0, 0, 0.75, 0, 0, 0, 0, 1, 0]


def test_a_shorter_direction_moves_none_by_more_than_its_size():
    v = np.array([3.0, 2.0, -4.0, 0.0, 5.0])
    x = np.array([6.0, -0.5, 1.0, 7.0, 0.0])
    with np.errstate(divide="ignore"):
        assert directions(x).shorter(v).tolist() == [3.0, 0.5, -1.0, 0.0, 5.0]


# Equal values


def test_equal_values_move_together():
    found = directions(X, W, ZERO)
    v = found.joint(1)
    assert v[5] == v[6] != v[4] != 0
    assert not v[:4].any()
    assert not v[7:].any()


def test_equal_values_of_all_arguments_move_together():
    v = directions(X, np.array([2.0, 0.0, 1.0]), ZERO).joint()
    assert v[3] == v[4]
    assert v[0] == v[6]
    assert v[5] == v[7] == v[8] != 0
    assert len(set(v)) == 5


def test_what_stands_still():
    assert np.flatnonzero(directions(X, W, ZERO).joint(1, still=100.0)).tolist() == [4]
    v = directions(X, W, ZERO).joint(still=0.0)
    assert np.flatnonzero(v).tolist() == [0, 1, 2, 3, 5, 6]


# Domains


def test_what_is_bound_to_others():
    found = directions(S, W, P, domain={"x": "symmetric", "w": "positive", "z": "simplex"})
    assert [found.bound(i) for i in range(3)] == [True, False, True]


def test_symmetric_matrices_stay_symmetric():
    found = directions(S, W, domain={"x": "symmetric"})
    for v in (found.along(slice(None)), found.joint(0), found.one(0), found.one(1)):
        part = v[:4].reshape(2, 2)
        assert (part == part.T).all()
    assert found.one(1)[:4].tolist() == [0, 0.5, 0.5, 0]


def test_parts_of_a_whole_stay_so():
    found = directions(P, W, domain={"x": "simplex"})
    for v in (found.along(slice(None)), found.joint(0), found.one(0)):
        assert abs(v[:3].sum()) < 1e-15
    assert found.one(0)[:3].tolist() == [0.25, -0.125, -0.125]


def test_what_has_no_room_stands_still():
    found = directions(np.array([0.0, 0.25, 1.0, 0.25]), domain=(0.0, 1.0))
    assert found.units.tolist() == [0, 0.25, 0, 0.25]
    for v in (found.along(slice(None)), found.joint(0), found.joint()):
        assert not v[[0, 2]].any()


def test_joined_with_others_a_bound_argument_stands_still():
    found = directions(X, W + 1, domain={"w": "positive"})
    assert np.flatnonzero(found.joint()).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(found.joint(1)).tolist() == [4, 5, 6]


# Laws


@given(
    drawn.arrays(float, st.integers(1, 8), elements=st.sampled_from([0.1, 0.2, 0.5, 0.99, 1.0])),
    st.sampled_from(["positive", (0.0, 1.0), (0.05, 1.5)]),
    st.integers(0, 99),
)
def test_half_of_a_direction_stays_in_the_domain(x, domain, seed):
    """The longest step of all is half of a direction."""
    found = directions(x, domain=domain, seed=seed)
    room = units(x, domain)
    for v in (found.along(slice(None)), found.joint(0)):
        assert (np.abs(v) <= 1.5 * room).all()
    joint = found.joint(0)
    for value in np.unique(x):
        assert np.unique(joint[x == value]).size == 1


sizes = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


@given(drawn.arrays(float, st.integers(1, 8), elements=sizes), st.integers(0, 99))
def test_units_follow_the_scale(x, seed):
    one, large = directions(x, seed=seed), directions(1024 * x, seed=seed)
    if x.any():
        np.testing.assert_array_equal(1024 * one.along(slice(None)), large.along(slice(None)))
        np.testing.assert_array_equal(1024 * one.joint(), large.joint())
