"""Finite differences that know their error."""

import math

import numpy as np
import pytest
from differing import EPS, along
from hypothesis import given, settings
from hypothesis import strategies as st

from npcbam.differences import ALL, EVEN, RATIO, Differences, _rises_in_steps, _Table

# By hand


def test_a_parabola():
    found = along(np.square, np.array([3.0, -1.0]), np.array([2.0, 1.0]))
    np.testing.assert_allclose(found.right, [12.0, -2.0], rtol=1e-12)
    assert found.left is found.right
    assert (found.error < 1e-11).all()
    assert not found.jumps.any()


def test_both_sides_of_a_kink():
    found = along(lambda x: 3 * np.abs(x) + x, np.zeros(2), np.array([1.0, -2.0]))
    np.testing.assert_allclose(found.left, [-2.0, -8.0], rtol=1e-12)
    np.testing.assert_allclose(found.right, [4.0, 4.0], rtol=1e-12)
    assert found.kinked.tolist() == [True, True]


@pytest.mark.parametrize("height", [1.0, 1e-2, 1e-4, 1e-6])
def test_a_small_kink_beside_a_curvature(height):
    """Central differences cancel a kink at the point, and a curvature hides its bend."""

    def f(x):
        return np.sin(x) + np.cos(x) + height * np.maximum(x, 0)

    found = along(f, np.zeros(3), np.array([1.0, 0.6, -1.4]))
    want = np.array([[1.0, 0.6, -1.4 * (1 + height)], [1 + height, 0.6 * (1 + height), -1.4]])
    assert found.kinked.all()
    assert (np.abs([found.left, found.right] - want) <= found.error).all()
    assert (found.error <= 1e-3 * height + 1e-10).all()


def test_at_a_jump_one_side_alone_has_a_slope():
    found = along(lambda x: np.where(x >= 2, x**2, -x), np.full(2, 2.0), np.array([1.0, -1.0]))
    np.testing.assert_allclose(found.left, [4.0, -4.0], rtol=1e-9)
    np.testing.assert_allclose(found.right, [4.0, -4.0], rtol=1e-9)
    assert found.jumps.tolist() == [True, True]
    assert not found.kinked.any()


@pytest.mark.parametrize(("f", "at"), [(np.floor, 2.0), (np.ceil, -1.0), (np.trunc, 3.0)])
def test_steps_at_which_the_point_lies_are_seen(f, at):
    found = along(f, np.full(3, at), np.array([0.3, 1.0, -2.0]))
    assert found.jumps.all()
    assert found.right.tolist() == [0.0, 0.0, 0.0]


def test_between_two_jumps_there_is_no_slope():
    found = along(np.sign, np.zeros(3), np.array([0.3, 1.0, -2.0]))
    assert found.jumps.all()
    assert np.isinf(found.error).all()


@pytest.mark.parametrize("f", [np.sqrt, lambda x: np.cbrt(x)])
def test_where_the_slope_grows_without_end_there_is_none(f):
    assert np.isinf(along(f, np.zeros(2), np.array([1.0, 0.4])).error).all()


def test_at_the_edge_of_the_domain_one_side_is_enough():
    found = along(lambda x: np.sqrt(x) ** 3 + x, np.zeros(2), np.array([1.0, 0.4]))
    assert (np.abs(found.right - [1.0, 0.4]) <= found.error).all()
    assert (found.error < 1e-3).all()
    assert not found.jumps.any()


def test_a_function_that_is_nowhere_has_no_slope():
    found = along(lambda x: x * np.nan, np.ones(1), np.ones(1))
    assert np.isnan(found.right).all()
    assert np.isinf(found.error).all()


def test_results_that_stand_still_have_slope_zero():
    found = along(lambda x: np.array([7.0, 0.0]) + 0 * x, np.ones(2), np.ones(2))
    assert found.right.tolist() == [0.0, 0.0]
    assert (found.error < 1e-11).all()


def test_results_without_entries():
    assert along(lambda x: x[:0], np.ones(2), np.ones(2)).right.shape == (0,)


def test_the_probes_lie_on_both_sides_and_fall():
    at = []
    Differences(lambda by: at.append(by[0]) or by, np.zeros(1), np.zeros(1)).along(np.ones(1))
    steps = 2.0**-4 * RATIO ** np.arange(len(at) // 2)
    np.testing.assert_allclose(at, np.ravel(np.column_stack([steps, -steps])))


def test_steps_fall_in_no_ratio_of_whole_numbers():
    """Of results that are rounded to steps, quotients at such steps agree by chance."""
    for below in range(1, 100):
        nearest = round(RATIO * below)
        assert abs(RATIO - nearest / below) > 0.35 / below**2


def test_where_results_have_few_digits_the_first_step_is_longer():
    at = []
    rough = Differences(lambda by: at.append(by[0]) or 1 + by, np.ones(1), np.full(1, 1e-6))
    rough.along(np.ones(1))
    assert at[:2] == [0.5, -0.5]


# Laws


@settings(deadline=None, max_examples=40)
@given(
    st.floats(-3, 3),
    st.floats(-3, 3),
    st.floats(0.1, 10),
    st.sampled_from([np.sin, np.abs, lambda x: x**3]),
)
def test_turning_around_swaps_the_sides(x, slope, length, f):
    point, v = np.full(1, x), np.full(1, length)

    def moved(by):
        return f(point + by) + slope * by

    both = Differences(moved, moved(np.zeros(1)), np.full(1, 1e-16))
    ahead, back = both.along(v), both.along(-v)
    room = ahead.error + back.error
    assert np.isfinite(room).all()
    assert abs(ahead.left + back.right) <= room
    assert abs(ahead.right + back.left) <= room


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-9, 9), min_size=4, max_size=4), st.floats(-2, 2))
def test_polynomials_to_the_third_degree_are_exact(coefficients, x):
    value = float(np.polyval(np.polyder(np.array(coefficients, float)), x))
    found = along(lambda x: np.polyval(coefficients, x), np.full(1, x), np.ones(1))
    assert abs(found.right[0] - value) <= found.error[0] + 1e-15
    assert found.error[0] < 1e-9


@settings(deadline=None, max_examples=40)
@given(st.integers(-30, 30), st.floats(0.2, 5))
def test_the_scale_of_results_does_not_matter(power, x):
    def found(size):
        moved = lambda by: size * np.exp(x + by)  # noqa: E731
        return Differences(moved, moved(np.zeros(1)), np.full(1, size * EPS)).along(np.ones(1))

    size = 2.0**power
    assert found(size).right[0] == size * found(1.0).right[0]
    assert found(size).error[0] == size * found(1.0).error[0]


def test_enough_is_enough():
    calls = []

    def moved(by):
        calls.append(by)
        return np.exp(1 + by)

    exp = Differences(moved, np.exp(np.ones(1)), np.full(1, EPS))
    exp.along(np.ones(1), enough=1e-4)
    few = len(calls)
    error = exp.along(np.ones(1), enough=1e-12).error
    assert few < len(calls) - few
    assert error < 1e-11 * math.e


@pytest.mark.parametrize(("power", "steps"), [(1, 3), (2, 3), (3, 3), (4, 4), (5, 4)])
def test_a_power_takes_a_row_for_each_term_of_its_error_and_two_more(power, steps):
    """Of its slope x³ has one such term, x⁵ two; of their bend x² and x⁴ have as many."""
    calls = []
    x = np.full(1, 0.3)
    moved = lambda by: calls.append(by) or (x + by) ** power  # noqa: E731
    found = Differences(moved, x**power, np.full(1, 1e-17)).along(np.ones(1))
    assert len(calls) == 2 * steps
    assert abs(found.right[0] - power * 0.3 ** (power - 1)) <= found.error[0] < 1e-11


def test_long_double_knows_more():
    def moved(by):
        return np.exp(1 + by)

    fine = np.full(1, np.finfo(np.longdouble).eps)
    y, v = np.exp(np.ones(1, np.longdouble)), np.ones(1, np.longdouble)
    found = Differences(moved, y, fine).along(v, enough=1e-15)
    assert found.right.dtype == np.longdouble
    assert abs(found.right[0] - y[0]) <= found.error[0]
    assert found.error[0] <= 1e-14


# Each result by itself


def test_steps_of_one_result_leave_the_others():
    """What is rounded to steps, or a staircase that is meant, has no slope; its neighbour has."""
    v = np.array([1.0, 2.0])
    found = along(lambda x: np.append(np.round(x[0], 5), np.sin(x[1])), np.array([0.3, 1.1]), v)
    assert found.jumps.tolist() == [True, False]
    assert np.isinf(found.error).tolist() == [True, False]
    for side in (found.left, found.right):
        assert np.isnan(side).tolist() == [True, False]
        assert abs(side[1] - 2 * np.cos(1.1)) <= found.error[1] <= 1e-9


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_a_kink_of_one_result_leaves_the_others(size):
    def smooth(x):
        return np.array([np.sin(x[1]), x[1] ** 2, np.exp(-x[1])])

    x, v = np.array([0.0, 0.7]), np.array([1.0, 0.5])
    found = along(lambda x: np.append(size * np.abs(x[0]), smooth(x)), x, v)
    assert found.kinked.tolist() == [True, False, False, False]
    # From the middle, which no side makes better.
    assert found.left[1:].tolist() == found.right[1:].tolist()
    want = 0.5 * np.array([np.cos(0.7), 1.4, -np.exp(-0.7)])
    assert (np.abs(found.left[1:] - want) <= found.error[1:]).all()


@pytest.mark.parametrize("edge", [1, -1])
def test_a_jump_of_one_result_leaves_the_others(edge):
    def f(x):
        return np.array([3 * x[0] + 5 * (edge * x[0] > 0), np.sin(x[0]), np.maximum(x[0], 0)])

    found = along(f, np.zeros(1), np.ones(1))
    assert found.jumps.tolist() == [True, False, False]
    np.testing.assert_allclose(found.left, [3, 1, 0], atol=1e-9)
    np.testing.assert_allclose(found.right, [3, 1, 1], atol=1e-9)


def test_the_sides_are_looked_at_no_longer_than_the_kink_needs():
    """A result that never settles, beside a kink that does."""
    calls = []

    def moved(by):
        calls.append(by)
        return np.array([np.abs(by[0]), np.sin(1e5 * by[0])])

    found = Differences(moved, np.zeros(2), np.full(2, 1e-18)).along(np.ones(1))
    assert found.kinked[0]
    assert len(calls) < 56  # which both sides alone would take over all 28 steps


# The table, by hand: noise 10⁻³ in each result


def table(powers=EVEN):
    return _Table(np.full(1, 1e-3), powers)


def arrays(*values):
    return [np.full(1, value) for value in values]


@pytest.mark.parametrize(
    ("rises", "bent"),
    [
        ([5, 5, 5], True),
        ([-5, 5, -5], True),
        ([5, 3.8, 2.9], True),
        ([5, 3.7, 3.7], False),  # three quarters are what stays of a jump
        ([5, 3.8, 2.8], False),
        ([2, 1.5, 1.0005], False),
        ([1.1, 1.05, 1.0005], True),
        ([1.1, 1.05, 0.9995], False),  # a thousand roundings
        ([0, 5, 5], False),
        ([5, 5], False),
        ([0, 5, 5, 5], True),
        ([5, 5, 5, 1], False),
        ([9, 1.1, 1.05, 1.0005], True),
    ],
)
def test_a_rise_that_stays_is_a_jump(rises, bent):
    found = table(ALL)
    for rise in rises:
        found.jump(np.full(1, float(rise)))
    assert found.bent.tolist() == [bent]


@pytest.mark.parametrize(
    ("takes", "value", "error", "taken"),
    [
        ([(1, 0.1)], 1, 0.1, True),
        ([(1, 0.1), (1.05, 0.08)], 1.05, 0.08, True),
        ([(1, 0.1), (1.05, 0.12)], 1, 0.1, True),
        ([(1, 0.1), (1.5, 0.5)], 1, 0.1, True),  # within both errors
        ([(1, 0.1), (2, 0.5)], 2, 0.5, True),  # the nearer one refutes the other
        ([(np.nan, np.nan)], np.nan, np.inf, False),
        ([(1, 0.1), (np.nan, np.nan)], 1, 0.1, True),
    ],
)
def test_the_better_of_two_and_the_nearer_where_they_differ(takes, value, error, taken):
    found = table()
    for each in takes:
        found._take(*arrays(*each, 0.01))
    np.testing.assert_array_equal(found.value, [value])
    np.testing.assert_array_equal(found.error, [error])
    assert found.taken.tolist() == [taken]


@pytest.mark.parametrize(
    ("value", "error", "rounding", "y", "open_"),
    [
        (1, 0.29, 0, 1, False),
        (1, 0.31, 0, 1, True),
        (-1, 0.31, 0, 1, True),
        (1, 0.31, 0.1, 1, False),  # nearly all of it is rounding
        (1, 0.45, 0.1, 1, True),
        (0, 2e-7, 0, 1, False),  # faint beside the result
        (0, 4e-7, 0, 1, True),
        (0, 4e-7, 0, -10, False),
    ],
)
def test_what_never_came_near_is_no_estimate(value, error, rounding, y, open_):
    found = table()
    found.value, found.error, found.rounding = arrays(value, error, rounding)
    found.close(np.full(1, float(y)))
    assert np.isinf(found.error).tolist() == [open_]


def test_what_faded_is_an_estimate_of_nothing():
    found = table()
    found.add(*arrays(-100.0), 1.0)
    found.value, found.error, found.rounding = arrays(0.0, 0.029, 0.0)
    found.close(np.zeros(1))
    assert found.error == 0.029
    found.error = np.full(1, 0.031)
    found.close(np.zeros(1))
    assert np.isinf(found.error)


@pytest.mark.parametrize(
    ("rises", "steps"),
    [
        ([2, 2, 2], True),
        ([-2, -2, -2], True),
        ([2, 2.09, 1.91], True),
        ([2, 2.11, 2], False),
        ([2, 2, -2], False),
        ([0, 0, 0], False),
        ([2.1, 2, 2.2], True),  # by the first of them, at the widest step
        ([2, 2.1, 2.2], False),
    ],
)
def test_an_even_rise_over_wide_steps(rises, steps):
    wide = [np.array([float(rise), 1.0 + k]) for k, rise in enumerate(rises)]
    assert _rises_in_steps(wide).tolist() == [steps, False]
