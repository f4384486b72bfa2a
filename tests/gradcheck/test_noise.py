"""How far rounding alone moves what a pullback gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn
from keeping import EPS, X, double, forward, raises

from npcbam.gradcheck.contract import ask
from npcbam.gradcheck.cotangents import Cotangent, spread
from npcbam.gradcheck.noise import rounding_of, together


def noise_of(f, *args, seed=0, unit=EPS):
    at = forward(f, *args)
    rng = np.random.default_rng(seed)
    cotangent = Cotangent(spread(rng, at.results.size), 1.0, "")
    (reading,) = ask(at, [cotangent])
    return rounding_of(at, cotangent, reading.g, unit, rng), reading.g


# By hand


def test_a_linear_pullback_has_the_noise_of_its_cotangent():
    noise, g = noise_of(double, X)
    # Moved by two units times 0.5 to 1.5, and rounded.
    assert (noise > 0.5 * EPS * np.abs(g)).all()
    assert (noise < 4 * EPS * np.abs(g)).all()


def test_noise_grows_as_the_slope_of_the_pullback():
    noise, _ = noise_of(lambda x: (x, lambda dy: 1e6 * np.sin(1e3 * x) * dy), X)
    slope = 1e9 * np.abs(X * np.cos(1e3 * X)).ravel()
    assert (noise > 0.3 * slope * EPS).all()
    assert (noise < 10 * slope.max() * EPS).all()


def test_noise_is_that_of_the_precision_asked_for():
    narrow = float(np.finfo(np.float32).eps)
    (fine, _), (coarse, _) = noise_of(double, X), noise_of(double, X, unit=narrow)
    np.testing.assert_allclose(coarse / fine, narrow / EPS, rtol=0.5)


def test_what_cancels_keeps_the_noise_of_its_terms():
    def f(x):
        return 1e6 * x, lambda dy: 1e6 * dy - (1e6 * dy).mean()

    noise, g = noise_of(f, np.array([1.0]))
    assert g[0] == 0
    # Both terms round in the same way; y alone shows how large they are.
    assert noise[0] < 1e6 * EPS
    noise, _ = noise_of(lambda x: (x, lambda dy: (1e6 * x - 1e6) * dy), np.array([1.0 + 1e-9]))
    assert noise[0] > 0.3e6 * EPS


def test_no_rounding_no_noise():
    noise, _ = noise_of(lambda x: (np.sum(np.sign(x)), lambda dy: np.zeros_like(x)), X)
    assert noise.tolist() == [0] * 6


def test_a_switch_is_no_noise():
    """What jumps for a move of a rounding is not moved by it."""

    def f(x):
        return 2 * x, lambda dy: (2 if (x == X).all() else 3) * dy

    noise, g = noise_of(f, X)
    assert (noise < 8 * EPS * np.abs(g).max()).all()


def test_few_draws_leave_no_entry_without_noise():
    """Of six moves some are small by chance: none counts less than a quarter of what is usual."""

    def f(x):
        return 2 * x, lambda dy: np.where(np.arange(200) > 0, 2 * dy, 3.0)

    noise, _ = noise_of(f, np.linspace(1, 2, 200))
    assert noise[0] == pytest.approx(np.median(noise[1:]) / 4, rel=0.1, abs=0)


def test_nan_has_no_noise_and_spoils_none():
    noise, g = noise_of(lambda x: (x, lambda dy: dy * np.array([1, np.nan, 2])), X)
    assert np.isfinite(noise).all()
    assert (noise[np.isfinite(g)] > 0).all()


def test_where_f_does_not_run_nearby_there_is_no_noise():
    def f(x):
        if not (x == X).all():
            raise ZeroDivisionError
        return 2 * x, lambda dy: 2 * dy

    assert noise_of(f, X)[0].tolist() == [0] * 6
    noise, _ = noise_of(raises(lambda dy: False), np.zeros((0, 3)))
    assert noise.shape == (0,)


def test_each_leaf_has_noise_of_its_own():
    def f(x, w):
        return x.sum() * w.sum(), lambda dy: (dy * w.sum() + 0 * x, dy * x.sum() + 0 * w)

    noise, g = noise_of(f, 1e-8 * np.abs(X), np.array([1e8, 3e8]))
    assert (noise > 0).all()
    assert (noise < 32 * EPS * np.abs(g)).all()


@pytest.mark.parametrize("seed", range(5))
def test_equal_values_are_moved_equally(seed):
    at = []

    def f(x):
        at.append(x)
        return 2 * x, lambda dy: 2 * dy

    noise_of(f, np.array([3.0, 1.0, 3.0]), seed=seed)
    moved = [x for x in at if x[1] != 1]
    assert len(moved) == 6
    for x in moved:
        assert x[0] == x[2] != 3
        assert 0 < abs(x[0] / 3 - 1) <= 4 * EPS


# Laws


@given(
    drawn.arrays(float, drawn.array_shapes(max_dims=2), elements=st.sampled_from([0.0, 1.0, 2.5]))
)
def test_equal_entries_go_together(x):
    v = together(np.random.default_rng(0), x)
    assert v.shape == x.shape
    assert ((np.abs(v) >= 0.5) & (np.abs(v) <= 1.5)).all()
    for value in np.unique(x):
        assert np.unique(v[x == value]).size == 1
    assert np.unique(v).size == np.unique(x).size
