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


AT = 0.3 + 1e-6 * PLACES


def stepped(*between):
    """Return the rounding of x with a step between these places and the next ones."""
    steps = [(AT[k] + AT[k + 1]) / 2 for k in between]
    return listen(lambda by: 0.3 + by + 3e-8 * sum(0.3 + by > at for at in steps), np.ones(1), 1e-6)


@pytest.mark.parametrize("between", range(12))
def test_a_lone_step_within_the_span_is_heard_as_rounding(between):
    """But not at the ends, where a kink looks the same, and not at the point, where it is meant."""
    heard = stepped(between)[0]
    if between in (0, 1, 5, 6, 10, 11):
        assert heard < 1e-15
    else:
        assert 3e-8 <= heard < 1e-7


def test_two_steps_are_none_that_is_alone():
    assert stepped(2, 3)[0] < 1e-15
    # A kink is none either.
    assert listen(lambda by: np.abs(by - 3e-7), np.ones(1), 1e-6)[0] < 1e-20


@pytest.mark.parametrize("spans", [1.5, 2, 3, 4, 8, 16, 32, 64, 100])
def test_a_pole_nearby_is_no_rounding(spans):
    """Over so wide a span its fourth difference is up to a thousandth of it."""
    x = np.full(1, spans * WIDTH)
    heard = listen(lambda by: 1 / (x + by), np.ones(1), WIDTH)
    assert heard < 100 * EPS / x
    assert heard > 0.05 * EPS / x
    backwards = listen(lambda by: 1 / (x + by), -np.ones(1), WIDTH)
    assert backwards < 100 * EPS / x


def several(by):
    """Poles, single precision within, what is smooth, and steps wider than the span."""
    at = X + by
    single = at[1].astype(np.float32).astype(float)
    wide = float(at[4].astype(np.float32) + np.float32(1000))
    return np.array([1 / at[0], single, np.sin(at[2]), 1 / at[3], wide])


X = np.array([4 * WIDTH, 0.7, 0.7, 4 * WIDTH, 0.4])
V = np.array([1.0, 1.0, 1.0, 0.5, 0.4])


def test_each_result_is_heard_by_itself():
    heard = listen(several, V, WIDTH)
    assert (heard[[0, 3]] < 100 * EPS / X[0]).all()
    # The rounding to single precision is as loud as a pole, and stays over a shorter span.
    assert 0.02 < heard[1] / np.spacing(np.float32(0.7)) < 6
    assert heard[2] < 4 * EPS
    assert 0.05 < heard[4] / 2.0**-14 < 2


def test_the_span_alone_matters():
    heard = listen(several, V, WIDTH)
    assert listen(several, 2 * V, WIDTH / 2).tolist() == heard.tolist()
    assert listen(several, 4 * V, WIDTH / 4).tolist() == heard.tolist()


@pytest.mark.parametrize(
    ("f", "width", "count"),
    [
        (np.sin, WIDTH, 13),
        (np.floor, WIDTH, 26),  # it stands still, and a wider span tells why
        (np.floor, 2.0**-14, 13),  # but none so wide that it leaves the neighbourhood
        (lambda x: x.astype(np.float32).astype(float), WIDTH, 26),  # a shorter one tells nothing
    ],
)
def test_no_more_is_asked_for_than_must_be(f, width, count):
    calls = []
    listen(lambda by: calls.append(by) or f(0.7 + by), np.ones(1), width)
    assert len(calls) == count
