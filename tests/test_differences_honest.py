"""Whatever the function, the true slope lies within the stated error."""

import numpy as np
import pytest
from differing import along, outside, spread
from scipy import special

# Each with its slope, and how its arguments are drawn.
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
    "a staircase": (lambda x: np.round(x, 1), np.zeros_like, "normal"),
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
    "f",
    [
        lambda x: np.round(x, 5),  # a derivative of 0, if it is meant
        lambda x: (x.astype(float) + 1e11) - 1e11,  # and of 1, if that is rounding
    ],
)
def test_of_many_small_steps_no_slope_is_claimed(f):
    for seed in range(10):
        x = np.random.default_rng(seed).normal(size=40)
        found = along(f, x, np.maximum(np.abs(x), 0.3))
        claimed = np.isfinite(found.error) & (found.error < 0.1)
        assert claimed.mean() < 0.3  # few steps are like those of floor
        assert found.jumps.mean() > 0.7


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


@pytest.mark.parametrize("seed", range(20))
def test_small_kinks_at_the_point(seed):
    rng = np.random.default_rng(seed)
    height, slope, v = 10.0 ** rng.uniform(-9, 0, 50), rng.normal(size=50), spread(rng, 50)

    def f(x):
        return height * np.maximum(x, 0) + slope * np.sin(x) + np.cos(2 * x)

    left, right = (slope * v + np.where(side * v > 0, height * v, 0) for side in (-1, 1))
    found = along(f, np.zeros(50), v)
    assert not outside(found, left, right).any()
    assert found.kinked[height > 1e-6].all()


@pytest.mark.parametrize("seed", range(20))
def test_several_kinks_at_any_distances(seed):
    rng = np.random.default_rng(seed)
    away = 10.0 ** rng.uniform(-6, 0, (30, 8)) * rng.choice([-1, 1], (30, 8))
    height, v = rng.normal(size=(30, 8)), spread(rng, 30)

    def f(x):
        return (height * np.abs(x[:, None] - 1 - away)).sum(axis=1) + np.sin(3 * x)

    want = (3 * np.cos(3) - (height * np.sign(away)).sum(axis=1)) * v
    assert not outside(along(f, np.ones(30), v), want, want).any()


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
