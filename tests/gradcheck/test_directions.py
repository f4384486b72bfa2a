"""Directions in units of what they move."""

import numpy as np
import pytest
from judging import double

from npcbam.gradcheck.contract import Trial
from npcbam.gradcheck.directions import Directions, only

X, W = np.array([[1.0, -4.0], [0.5, 2.0]]), np.array([0.0, 100.0, 100.0])
ZERO = np.zeros(2)


@pytest.fixture
def directions():
    return Directions(Trial(double, (X, W, ZERO), ("x", "w", "zero"), np.random.default_rng(0)))


def test_a_direction_goes_in_units_of_its_leaf(directions):
    v = np.abs(directions.along())
    units = np.repeat([4.0, 100.0, 1.0], [4, 3, 2])
    assert (v >= 0.5 * units).all()
    assert (v <= 1.5 * units).all()
    np.testing.assert_array_equal(directions.scales(), units)


def test_or_of_each_element_where_that_is_not_0(directions):
    v = np.abs(directions.along(own=True))
    units = np.array([1.0, 4.0, 0.5, 2.0, 100.0, 100.0, 100.0, 1.0, 1.0])
    assert (v >= 0.5 * units).all()
    assert (v <= 1.5 * units).all()


def test_one_leaf_moves_alone(directions):
    assert np.flatnonzero(directions.along(1)).tolist() == [4, 5, 6]


def test_equal_elements_move_together_or_stand_still(directions):
    v = directions.together(1)
    assert v[5] == v[6] != v[4] != 0
    assert np.flatnonzero(directions.together(1, still=100.0)).tolist() == [4]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_blocks_add_up(directions, count):
    v = directions.along(0)
    blocks = directions.blocks(0, v, count)
    sizes = [np.count_nonzero(block) for block in blocks]
    assert len(blocks) == count
    assert max(sizes) - min(sizes) <= 1
    np.testing.assert_array_equal(sum(blocks), v)


def test_only_some_elements():
    np.testing.assert_array_equal(only(np.arange(4.0), np.array([1, 3])), [0, 1, 0, 3])
