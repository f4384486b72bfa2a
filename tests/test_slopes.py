"""Slopes: the complex step and Ridders' finite differences, each with its error."""

import math
import warnings

import numpy as np
import pytest

from npcbam.derivative import jvp
from npcbam.slopes import ComplexStep, Point, Ridders, Slope

ONE, TWO = np.ones(1), np.ones(2)


@pytest.mark.parametrize("f", [np.sin, np.exp, np.sqrt, lambda x: 1 / x, lambda x: x**5])
@pytest.mark.parametrize("side", [-1, 0, 1])
def test_ridders_error_covers_the_error(f, side):
    x = np.random.default_rng(4).uniform(0.5, 2, size=1)
    exact = jvp(f, (x,), (np.ones(1),))[1].item()
    slope = Ridders(f, Point((x,), np.float64), [np.ones(1)]).slope({0: 1.0}, side)
    assert abs(slope.value - exact) <= slope.error < 1e-6 * abs(exact)


def test_sides_differ_at_a_kink():
    point, dy = np.zeros(1), [np.ones(1)]
    for reference in (
        Ridders(np.abs, Point((point,), np.float64), dy),
        ComplexStep(lambda x: np.maximum(x, -x), Point((point,)), dy),
    ):
        left, right = reference.slope({0: 1.0}, -1), reference.slope({0: 1.0}, 1)
        assert (round(left.value, 9), round(right.value, 9)) == (-1.0, 1.0)
        assert left.apart(right)


def test_slopes_scale():
    slope = Slope(2.0, 0.1, 4.0).times(-3)
    assert (slope.value, slope.error, slope.scale) == pytest.approx((-6.0, 0.3, 12.0))


@pytest.mark.parametrize(("distance", "apart"), [(1.0, False), (1.25, False), (1.5, True)])
def test_slopes_are_apart_beyond_both_errors(distance, apart):
    low, high = Slope(2.0, 0.5, 1.0), Slope(2.0 + distance, 0.75, 1.0)
    assert low.apart(high) == high.apart(low) == apart


# The references, as a gradient check asks them

EPS = float(np.finfo(np.float64).eps)


def both_references(f, x, dy):
    return ComplexStep(f, Point((x,)), dy), Ridders(f, Point((x,), x.dtype), dy)


def test_reach_tells_which_results_move():
    def f(x):
        return {"moves": x[:2] ** 2, "rests": x[2:]}

    x = np.array([1.0, 3.0, 5.0])
    for reference in both_references(f, x, [np.ones(2), np.ones(1)]):
        found = reference.reach(np.array([1.0, 0.0, 0.0]))
        assert [part.tolist() for part in found] == [[True, False], [False]]
        found = reference.reach(np.array([0.0, 0.0, 2.0]))
        assert [part.tolist() for part in found] == [[False, False], [True]]


def test_finite_differences_reach_a_little():
    f = Recorded(lambda t: t)
    Ridders(f, Point((ONE,), np.float64), [ONE]).reach(np.array([3.0]))
    assert f.at == [1.0, 1.0 + 3 * 2.0**-8]


AWAY = np.array([1.0, 0.0])


@pytest.mark.parametrize(
    ("v", "away", "want"),
    [
        ({0: 2.0}, None, 60),
        ({0: 2.0, 1: 3.0}, None, -150),
        (np.array([2.0, 3.0]), None, -150),
        ({0: 2.0}, AWAY, 80),
        (np.array([2.0, 3.0]), AWAY, -130),
        (np.zeros(2), None, 0),
    ],
)
def test_slopes_by_hand(v, away, want):
    """The derivative of 5 x² - 7 y² at (3, 5), or 1 further on."""
    x, dy = np.array([3.0, 5.0]), [np.array([5.0, -7.0])]
    exact, rough = both_references(np.square, x, dy)
    found = exact.slope(v, away=away)
    assert found.value == exact.slope(v, -1, away).value == want
    assert found.scale == {60: 60, 80: 80, -150: 270, -130: 290, 0: 0}[want]
    # Sixteen roundings of the terms; and what the step cannot see is below 1e-140.
    assert found.error == pytest.approx(16 * EPS * found.scale + 1e-140, rel=1e-12, abs=0)
    assert math.copysign(1, exact.slope(np.zeros(2), -1).value) == 1
    for side in (-1, 0, 1):
        slope = rough.slope(v, side, away)
        assert abs(slope.value - want) <= slope.error <= 1e-9
        assert slope.scale == pytest.approx(found.scale, rel=1e-2)


def test_slopes_of_results_that_are_empty():
    for reference in both_references(lambda x: x[:0], np.ones(2), [np.ones(0)]):
        assert reference.slope({0: 1.0}).value == 0


class Recorded:
    """A function of one number that keeps where it was asked."""

    def __init__(self, f):
        self.f, self.at = f, []

    def __call__(self, x):
        self.at.append(x.item())
        return np.array([self.f(x.item())])


@pytest.mark.parametrize(
    ("f", "side", "at"),
    [
        (lambda t: t, 0, [0, 1 / 16, -1 / 16, 1 / 32, -1 / 32]),
        (lambda t: t**3, 0, [0, 1 / 16, -1 / 16, 1 / 32, -1 / 32, 1 / 64, -1 / 64]),
        (lambda t: t**2, 1, [0, 0, 1 / 16, 1 / 32, 1 / 64]),
        (lambda t: t**2, -1, [0, 0, -1 / 16, -1 / 32, -1 / 64]),
    ],
)
def test_ridders_halves_the_step_until_it_is_exact(f, side, at):
    f = Recorded(f)
    Ridders(f, Point((np.zeros(1),), np.float64), [np.ones(1)]).slope({0: 1.0}, side)
    assert f.at == at


def test_ridders_gives_up():
    f = Recorded(lambda t: math.copysign(abs(t) ** 0.5, t))
    slope = Ridders(f, Point((np.zeros(1),), np.float64), [np.ones(1)]).slope({0: 1.0})
    assert len(f.at) == 1 + 2 * 22
    assert slope.error > 1
    nowhere = Ridders(lambda x: x * np.nan, Point((np.zeros(1),), np.float64), [np.ones(1)])
    slope = nowhere.slope({0: 1.0})
    assert (math.isnan(slope.value), slope.error, slope.scale) == (True, math.inf, 0)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("side", [-1, 0, 1])
def test_ridders_against_polynomials(side, seed):
    """Each entry of the table is a polynomial through the quotients, at 0, here by Lagrange."""
    ts = 2.0 ** -np.arange(4, 10)
    quotients = np.random.default_rng(seed).uniform(1, 2, ts.size)
    table = {0.0: 0.0}
    for t, quotient in zip(ts, quotients, strict=True):
        table |= {t: t * quotient, -t: -t * quotient}
    reference = Ridders(
        Recorded(lambda t: table.get(t, math.nan)), Point((np.zeros(1),), np.float64), [2 * ONE]
    )
    got = reference.slope({0: 1.0}, side)

    us = ts if side else ts**2

    def at_zero(low, high):
        nodes, values = us[low : high + 1], quotients[low : high + 1]
        weights = [np.prod([u / (u - node) for u in nodes if u != node]) for node in nodes]
        return 2 * float(values @ weights)

    found = []
    for k in range(1, ts.size):
        noise = 4 * EPS * 2 * quotients[k]
        for low in range(k - 1, -1, -1):
            value = at_zero(low, k)
            gap = max(abs(value - at_zero(low + 1, k)), abs(value - at_zero(low, k - 1)))
            found.append((noise + 4 * gap, value, 2 * quotients[k]))
    error, value, scale = min(found)
    assert (got.error, got.value, got.scale) == pytest.approx((error, value, scale), rel=1e-9)


def test_the_error_of_ridders_is_at_least_rounding():
    reference = Ridders(lambda x: x**3, Point((np.zeros(1),), np.float64), [3 * ONE])
    slope = reference.slope({0: 1.0})
    t = 1 / 64
    assert (slope.value, slope.error) == (0, 4 * EPS * 3 * t**3 / t)


LISTENS = np.linspace(-1, 1, 13)


@pytest.mark.parametrize(
    ("width", "height", "heard"),
    [
        (2.0**-14, 1e-9, True),
        (2.0**-8, 1e-9, False),
        (2.0**-8, 1e-6, True),
        (2.0**-8, 1e-2, True),
    ],
)
def test_rounding_inside_of_f_is_heard(width, height, heard):
    """One of thirteen values off: what a cubic leaves of it is noise, if it is no curvature."""

    def f(x):
        return x + height * (np.abs(x - 3 * width * LISTENS[4]) < 1e-9)

    def loud_f(x):
        return {"a": f(x), "b": np.zeros(1)}

    reference = Ridders(loud_f, Point((np.zeros(1),), np.float64), [2 * ONE, ONE])
    quiet = reference.slope({0: 1.0}).error
    reference.listen(np.array([3.0]))
    spike = 2 * height * (np.arange(13) == 4)
    left = np.abs(spike - np.polyval(np.polyfit(LISTENS, spike, 3), LISTENS)).max()
    # The step of a straight line is 2⁻⁵ when two quotients first agree.
    want = 4 * left / 2.0**-5 if heard else quiet
    assert reference.slope({0: 1.0}).error == pytest.approx(want, rel=1e-3, abs=1e-13)


def test_listening_is_deaf_where_f_is_not_finite():
    def f(x):
        return np.where((x != 0) & (np.abs(x) < 2.0**-13), np.nan, x)

    reference = Ridders(f, Point((np.zeros(1),), np.float64), [ONE])
    reference.listen(np.ones(1))
    assert reference.slope({0: 1.0}).error < 1e-13

    def loud_f(x):
        return f(x) + 1e-2 * (np.abs(x - 2.0**-8 * LISTENS[4]) < 1e-9)

    reference = Ridders(loud_f, Point((np.zeros(1),), np.float64), [ONE])
    reference.listen(np.ones(1))
    assert reference.slope({0: 1.0}).error > 0.1

    def farther_f(x):
        return np.where((x != 0) & (np.abs(x) < 2.0**-7), np.nan, x)

    reference = Ridders(farther_f, Point((np.zeros(1),), np.float64), [ONE])
    reference.listen(np.ones(1))
    assert reference.slope({0: 1.0}).error < 1e-13


@pytest.mark.parametrize("seed", range(3))
def test_the_error_covers_single_precision_inside(seed):
    x = np.random.default_rng(seed).uniform(0.5, 2, size=3)

    def f(x):
        return np.exp(x.astype(np.float32)).astype(np.float64)

    reference = Ridders(f, Point((x,), np.float64), [np.ones(3)])
    reference.listen(np.ones(3))
    slope = reference.slope(np.ones(3))
    assert abs(slope.value - np.exp(x).sum()) <= slope.error < 0.1


def test_warnings_of_f_stay_warnings_apart_from_lost_imaginary_parts():
    def warns(x):
        warnings.warn("mine", UserWarning, stacklevel=1)
        return x

    with pytest.warns(UserWarning, match="mine"):
        Point((ONE,)).shifted(warns, {})
    with pytest.raises(np.exceptions.ComplexWarning):
        Point((ONE,)).shifted(lambda x: x.astype(np.float64), {})


def test_a_point_of_nothing():
    assert Point((), np.float32).vector.dtype == np.float32
    assert Point((), np.float32).size == 0
