"""How much the results of a function are rounded, heard from values near each other."""

import numpy as np
import pytest
from differing import EPS, WIDTH, spread

from npcbam.differences import PLACES, listen, rounding_of


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


def test_a_lone_step_within_the_span_is_heard_as_rounding():
    places = 0.3 + 1e-6 * PLACES

    def stepped(at, x):
        return x + np.where(x > at, 3e-8, 0.0)

    for between in (3, 8):
        at = (places[between] + places[between + 1]) / 2
        heard = listen(lambda by, at=at: stepped(at, 0.3 + by), np.ones(1), 1e-6)
        assert 3e-8 <= heard[0] < 1e-7
    # A kink is none.
    assert listen(lambda by: np.abs(by - 3e-7), np.ones(1), 1e-6)[0] < 1e-20
