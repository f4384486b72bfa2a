"""Slopes by the complex step, and the point that they are taken at."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npcbam.derivative import jvp
from npcbam.slopes import STEP, ComplexStep, Point, Slopes, real_leaves, result_of

EPS = float(np.finfo(np.float64).eps)
ONE = np.ones(1)


def step(f, x):
    """Return the complex step of a function of one array at x."""
    return ComplexStep(lambda by: np.asarray(f(x + by)))


# By hand


@pytest.mark.parametrize(
    ("v", "want"), [([2.0, 0.0], [12.0, 0.0]), ([2.0, 3.0], [12.0, 30.0]), ([0.0, 0.0], [0.0, 0.0])]
)
def test_slopes_of_squares(v, want):
    found = step(np.square, np.array([3.0, 5.0])).along(np.array(v))
    assert found.left.tolist() == found.right.tolist() == found.middle.tolist() == want
    np.testing.assert_allclose(found.error, 16 * EPS * np.array(want) + 1e-140, rtol=1e-12)
    assert found.jumps.dtype == bool
    assert not found.jumps.any()
    assert not found.kinked.any()


def test_slopes_away_from_the_point():
    squares = step(np.square, np.array([3.0, 5.0]))
    v, away = np.array([2.0, 3.0]), np.array([1.0, -5.0])
    assert squares.value(v, away=away).tolist() == [16.0, 0.0]
    assert squares.value(v, side=-1, away=away).tolist() == [16.0, 0.0]


def test_a_slope_of_nothing_is_no_negative_zero():
    found = step(np.square, np.array([3.0])).value(np.zeros(1), side=-1)
    assert math.copysign(1, found[0]) == 1


def test_both_sides_of_a_kink_and_of_a_tie():
    def f(x):
        return np.array([np.maximum(x[0], 0), np.maximum(x[1], x[2]), x[0]])

    found = step(f, np.array([0.0, 4.0, 4.0])).along(np.array([2.0, 1.0, -3.0]), both=True)
    assert found.left.tolist() == [0.0, -3.0, 2.0]
    assert found.right.tolist() == [2.0, 1.0, 2.0]
    assert found.middle.tolist() == [1.0, -1.0, 2.0]
    assert found.kinked.tolist() == [True, True, False]


def test_one_side_is_enough_unless_both_are_asked_for():
    calls = []
    reference = ComplexStep(lambda by: calls.append(by) or np.maximum(by, 0))
    found = reference.along(ONE)
    assert found.left.tolist() == found.right.tolist() == [1.0]
    assert len(calls) == 1
    reference.along(ONE, both=True)
    assert len(calls) == 3
    assert calls[0][0] == 1j * STEP == -calls[2][0]


def test_the_step_is_a_power_of_two_whose_square_is_nothing():
    assert math.frexp(STEP)[0] == 0.5
    assert STEP**2 == 0


def test_slopes_along_a_longer_direction():
    one = Slopes(np.array([1.0]), np.array([2.0]), np.array([0.1]), np.array([True]))
    longer = one.times(-3)
    assert (longer.left, longer.right, longer.error) == pytest.approx((-3.0, -6.0, 0.3))
    assert longer.jumps.tolist() == [True]


@pytest.mark.parametrize(("distance", "kinked"), [(0.9, False), (1.1, True), (np.nan, False)])
def test_a_kink_is_two_sides_beyond_both_errors(distance, kinked):
    slopes = Slopes(np.array([2.0]), np.array([2.0 + distance]), np.array([0.5]), np.zeros(1, bool))
    assert slopes.kinked.tolist() == [kinked]


def test_smooth_slopes_have_one_value():
    slopes = Slopes.smooth(np.array([1.0, 2.0]), np.array([0.1, 0.2]))
    assert slopes.left is slopes.right
    assert slopes.error.tolist() == [0.1, 0.2]
    assert slopes.jumps.dtype == bool
    assert not slopes.jumps.any()
    narrow = slopes.narrow()
    assert narrow.left is narrow.right


def test_narrow_slopes_are_those_in_double_precision():
    wide = np.array([1.0, 2.0], np.longdouble)
    narrow = Slopes(wide, 2 * wide, wide / 8, np.array([True, False])).narrow()
    assert {part.dtype for part in (narrow.left, narrow.right, narrow.error)} == {np.dtype("f8")}
    assert (narrow.right.tolist(), narrow.jumps.tolist()) == ([2.0, 4.0], [True, False])


# Points


def test_a_point_is_its_arguments_end_to_end():
    point = Point(({"a": np.ones((2, 1)), "n": 3}, np.array(5.0)), np.float64)
    assert (point.vector.tolist(), point.size, point.vector.dtype) == ([1, 1, 5], 3, np.float64)
    params, x = point.rebuild(np.array([1.0, 2.0, 3.0]))
    assert params["a"].tolist() == [[1.0], [2.0]]
    assert (params["n"], x.shape, x.item()) == (3, (), 3.0)


@pytest.mark.parametrize("by", [{2: 0.5}, np.array([0.0, 0.0, 0.5])])
def test_a_shifted_point_is_another_one(by):
    x = np.array([1.0, 2.0, 3.0])
    point = Point((x,), np.float64)
    (y,) = point.shifted(lambda x: 10 * x, by)
    assert y.tolist() == [10.0, 20.0, 35.0]
    assert point.vector.tolist() == x.tolist() == [1.0, 2.0, 3.0]


def test_a_point_of_nothing():
    assert (Point((), np.float32).size, Point((), np.float32).vector.dtype) == (0, np.float32)


def test_what_a_function_gives_is_taken_with_and_without_a_pullback():
    assert result_of((3, len)) == 3
    assert result_of((3, 4)) == (3, 4)
    for scalar in (1.5, np.float64(1.5)):
        found = result_of(scalar)
        assert isinstance(found, np.ndarray)
        assert (found.shape, found.item()) == ((), 1.5)


def test_warnings_of_f_stay_warnings_apart_from_lost_imaginary_parts():
    def warns(x):
        warnings.warn("mine", UserWarning, stacklevel=1)
        return x

    with pytest.warns(UserWarning, match="mine"):
        Point((ONE,)).shifted(warns, {})
    with pytest.raises(np.exceptions.ComplexWarning):
        Point((ONE,)).shifted(lambda x: x.astype(np.float64), {})


# The derivative


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (np.sin, np.cos),
        (np.exp, np.exp),
        (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
        (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
        (lambda x: x**5, lambda x: 5 * x**4),
        (np.log, np.reciprocal),
    ],
)
def test_the_error_covers_the_error(f, slope):
    rng = np.random.default_rng(4)
    x, v = rng.uniform(0.5, 2, size=200), rng.normal(size=200)
    found = step(f, x).along(v, both=True)
    for side in (found.left, found.right):
        assert (np.abs(side - slope(x) * v) <= found.error).all()
    np.testing.assert_array_equal(found.right, jvp(f, (x,), (v,))[1])


# Laws


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(-10, 10))
def test_slopes_of_a_linear_map_are_linear(a, b, factor):
    reference = step(lambda x: np.array([3 * x[0] - x[1], x[1]]), np.array([0.3, -2.0]))
    v = np.array([a, b])
    once, scaled = reference.along(v), reference.along(factor * v)
    room = scaled.error + once.times(factor).error + 16 * EPS * (abs(a) + abs(b)) * abs(factor)
    assert (np.abs(once.times(factor).right - scaled.right) <= room).all()


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6))
def test_a_point_is_rebuilt_as_it_was(values):
    args = ([np.array(values)], {"b": np.array(values[0])})
    point = Point(args, np.float64)
    (found,), other = point.rebuild(point.vector)
    np.testing.assert_array_equal(found, args[0][0])
    np.testing.assert_array_equal(other["b"], args[1]["b"])


# Errors


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ([1.0], "^x: expected a NumPy array or a layer, got list$"),
        (3, "^x: expected a NumPy array or a layer, got int$"),
        (np.array([1j]), "^x: expected a real dtype, got complex128$"),
        (np.array([1]), "^x: expected dtype float32, float64, longdouble or complex128, got int64"),
        ({"w": np.array([1j])}, r"^x\.w: expected a real dtype, got complex128$"),
    ],
)
def test_leaves_that_are_not_real(argument, message):
    with pytest.raises(TypeError, match=message):
        real_leaves("x", argument)


def test_real_leaves_have_names():
    assert [name for name, _ in real_leaves("x", {"w": ONE, "b": [ONE]})] == ["x.w", "x.b.0"]
