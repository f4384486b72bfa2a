"""Finite differences that know their error: the true slope lies within it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from npcbam.differences import PLACES, RATIO, Differences, listen, rounding_of

EPS = float(np.finfo(np.float64).eps)
WIDTH = 2.0**-20
# Of 336,000 slopes of the functions below 3 were off by more than their error, the worst by 1.10
# times. A check allows twice the error.
MARGIN = 1.25


def spread(rng, size):
    return rng.choice([-1.0, 1.0], size) * rng.uniform(0.5, 1.5, size)


def differences(f, x, v, least=0.0):
    """Return the differences of f at x, with the rounding heard along v."""

    def moved(by):
        with np.errstate(all="ignore"):
            return np.asarray(f(x + by), float)

    y = moved(np.zeros(x.shape))
    heard = listen(moved, v, WIDTH)
    heard = np.where(np.isfinite(heard), heard, 0)
    return Differences(moved, y, np.maximum(heard, np.maximum(EPS / 2 * np.abs(y), least)))


def along(f, x, v, **options):
    """Return the slopes of f at x along v, as a gradient check takes them."""
    with np.errstate(all="ignore"):
        return differences(f, x, v).along(v, **options)


def outside(found, left, right):
    """Tell of which results a true one-sided slope lies outside of what was stated.

    A kink nearer than the smallest step is one at the point: the true slope is that of a side then.
    """
    low = np.minimum(found.left, found.right) - MARGIN * found.error
    high = np.maximum(found.left, found.right) + MARGIN * found.error
    inside = (low <= left) & (left <= high) & (low <= right) & (right <= high)
    return np.isfinite(found.error) & ~inside


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


# By derivatives that are known

FUNCTIONS = {
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2, "normal"),
    "exp(30 x)": (lambda x: np.exp(30 * x), lambda x: 30 * np.exp(30 * x), "normal"),
    "sin(1000 x)": (lambda x: np.sin(1000 * x), lambda x: 1000 * np.cos(1000 * x), "normal"),
    "erf": (special.erf, lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2)), "normal"),
    "1 / x": (lambda x: 1 / x, lambda x: -1 / x**2, "normal"),
    "expm1": (np.expm1, np.exp, "far"),
    "log near 0": (np.log, np.reciprocal, "near"),
    "sqrt near 0": (np.sqrt, lambda x: 0.5 / np.sqrt(x), "near"),
    "gammaln": (special.gammaln, special.digamma, "near"),
    "abs": (np.abs, np.sign, "normal"),
    "relu": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0), "small"),
    "x |x|": (lambda x: x * np.abs(x), lambda x: 2 * np.abs(x), "small"),
    "x |x| at 0": (lambda x: x * np.abs(x), np.zeros_like, "zero"),
    "|x|^1.5": (lambda x: np.abs(x) ** 1.5, lambda x: 1.5 * np.sign(x) * abs(x) ** 0.5, "small"),
    "|x|^1.5 at 0": (lambda x: np.abs(x) ** 1.5, np.zeros_like, "zero"),
    "floor": (np.floor, np.zeros_like, "normal"),
    "sign": (np.sign, np.zeros_like, "normal"),
    "round": (np.round, np.zeros_like, "normal"),
    "a staircase": (lambda x: np.round(x, 4), np.zeros_like, "normal"),
    "float32 within": (lambda x: np.exp(x.astype(np.float32)).astype(float), np.exp, "normal"),
    "an offset": (lambda x: (x + 1e6) - 1e6, np.ones_like, "normal"),
}


def drawn(kind, rng, size=40):
    """Return arguments, and in what units to move them."""
    if kind == "zero":
        return np.zeros(size), np.ones(size)
    if kind == "near":
        x = 10.0 ** rng.uniform(-12, 1, size)
        return x, 0.6 * x  # the probes stay inside
    x = rng.normal(size=size) * (10.0 ** rng.uniform(-6, 0, size) if kind == "small" else 1)
    x = -40 * rng.random(size) if kind == "far" else x
    return x, np.maximum(np.abs(x), 0.1 * np.median(np.abs(x)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_true_slope_lies_within_the_error(name):
    f, slope, kind = FUNCTIONS[name]
    for seed in range(25):
        rng = np.random.default_rng(seed)
        x, units = drawn(kind, rng)
        v = units * spread(rng, x.size)
        found = along(f, x, v)
        known = np.isfinite(found.error)
        assert not outside(found, slope(x) * v, slope(x) * v).any()
        assert known.all()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("tanh", 1e-10),
        ("expm1", 1e-10),
        ("abs", 1e-10),
        ("floor", 1e-10),
        ("sin(1000 x)", 1e-4),
        ("float32 within", 1e-3),
        ("an offset", 1e-5),
    ],
)
def test_the_error_is_no_larger_than_it_must_be(name, error):
    f, slope, kind = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    x, units = drawn(kind, rng)
    v = units * spread(rng, x.size)
    assert np.median(along(f, x, v).error) <= error * np.abs(slope(x) * v).max() + 1e-10


@pytest.mark.parametrize("seed", range(10))
def test_sums_of_a_thousand_kinks(seed):
    rng = np.random.default_rng(seed)
    w, x, kinks = rng.normal(size=(7, 1000)), rng.normal(size=1000), rng.normal(size=1000)

    def f(x):
        return np.maximum(w * (x - kinks), 0).sum(axis=1)

    v = spread(rng, 1000) * np.maximum(np.abs(x), 0.07)
    found, want = along(f, x, v), (w * (w * (x - kinks) > 0)) @ v
    assert not outside(found, want, want).any()
    # Entries a ten-thousandth of their size from a kink are usual here.
    assert (found.error < 1e-3 * np.abs(w @ v).max()).all()


@pytest.mark.parametrize("seed", range(40))
def test_kinks_at_any_distance(seed):
    rng = np.random.default_rng(seed)
    away = 10.0 ** rng.uniform(-14, 0, 50) * rng.choice([-1, 1], 50)
    height, slope = rng.normal(size=(2, 50))

    def f(x):
        return height * np.abs(x - 1 - away) + slope * np.sin(x)

    v = spread(rng, 50)
    want = (slope * np.cos(1) - height * np.sign(away)) * v
    found = along(f, np.ones(50), v)
    assert not outside(found, want, want).any()
    # Where the kink is farther than the probes need go, it is no matter.
    far = np.abs(away) > 1e-2
    assert (found.error[far] < 1e-6).all()
    assert not found.kinked[far].any()


@pytest.mark.parametrize("seed", range(40))
def test_jumps_at_any_distance(seed):
    rng = np.random.default_rng(seed)
    away = 10.0 ** rng.uniform(-14, 0, 50) * rng.choice([-1, 1], 50)
    height, slope = rng.normal(size=(2, 50))

    def f(x):
        return height * (x > 1 + away) + slope * np.sin(x)

    v = spread(rng, 50)
    want = slope * np.cos(1) * v
    found = along(f, np.ones(50), v)
    assert not outside(found, want, want).any()


def noise(x):
    """Return a number from -0.5 to 0.5 that follows from x, and from nothing near it."""
    bits = np.ascontiguousarray(x).view(np.uint64)
    mixed = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return ((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(11)) / 2**53 - 0.5


@pytest.mark.parametrize("size", [1e-12, 1e-9, 1e-6, 1e-3])
def test_noise_is_heard(size):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=50)
        v = spread(rng, 50) * np.maximum(np.abs(x), 0.1)
        found = along(lambda x: np.sin(3 * x) + size * noise(x), x, v)
        want = 3 * np.cos(3 * x) * v
        assert not outside(found, want, want).any()
        assert np.median(found.error) < 1e5 * size


# The rounding


def test_rounding_by_hand():
    """Of independent noise its standard deviation, and nothing of a cubic."""
    rng = np.random.default_rng(0)
    values = rng.normal(scale=0.25, size=(13, 4000))
    assert np.median(rounding_of(values)) == pytest.approx(0.25, rel=0.05)
    cubic = np.polyval([4.0, -3.0, 2.0, 1.0], PLACES)[:, None]
    assert rounding_of(cubic) < 1e-14
    assert np.median(rounding_of(cubic + values)) == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("at", np.linspace(-0.95, 0.95, 20))
def test_a_kink_or_a_jump_does_not_raise_the_rounding(at):
    kink, jump = np.abs(PLACES - at), 1.0 * (at < PLACES)
    assert (rounding_of(np.column_stack([kink, jump])) < 1e-13).all()


def test_roundings_that_follow_each_other_in_step_are_heard():
    """At equal distances those of k x may make a straight line of a sawtooth."""
    x = np.random.default_rng(0).normal(size=2000)
    v = spread(np.random.default_rng(1), 2000) * np.abs(x)
    heard = listen(lambda by: 1000 * (x + by), v, WIDTH)
    unit = np.spacing(1000 * np.abs(x))
    assert (heard > 0.02 * unit).all()
    assert (heard < 6 * unit).all()
    single = listen(lambda by: (x + by).astype(np.float32).astype(float), v, WIDTH)
    unit = np.spacing(np.abs(x).astype(np.float32))
    assert (single > 0.02 * unit).all()
    assert (single < 6 * unit).all()


def test_steps_wider_than_the_span_are_heard_where_results_repeat():
    x, v = np.full(1, 0.4), np.full(1, 0.4)
    heard = listen(lambda by: ((x + by).astype("f4") + np.float32(1000)).astype(float), v, WIDTH)
    assert 0.05 < heard[0] / 2.0**-14 < 2
    # Those of a staircase are none, where the slope is 0.
    assert listen(lambda by: np.floor(x + by), v, WIDTH) == 0
    assert listen(lambda by: np.round(x + by, 3), v, WIDTH) < EPS


def test_what_is_smooth_is_silent():
    x = np.random.default_rng(0).normal(size=200)
    heard = listen(lambda by: np.sin(x + by), np.ones(200), WIDTH)
    assert (heard < 4 * EPS).all()


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


def test_long_double_knows_more():
    def moved(by):
        return np.exp(1 + by)

    fine = np.full(1, np.finfo(np.longdouble).eps)
    y, v = np.exp(np.ones(1, np.longdouble)), np.ones(1, np.longdouble)
    found = Differences(moved, y, fine).along(v, enough=1e-15)
    assert found.right.dtype == np.longdouble
    assert abs(found.right[0] - y[0]) <= found.error[0]
    assert found.error[0] <= 1e-14
