"""Where nothing can be told of a pullback, or nothing more: what ends a check at once."""

import numpy as np
import pytest
from keeping import W, X, double, kept_by, raises

from npcbam.gradcheck import examine
from npcbam.gradcheck.outcomes import Stop


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (raises(lambda dy: True), "the pullback raised ValueError: no"),
        (
            raises(lambda dy: np.abs(dy).max() > 1e3, IndexError),
            "the pullback raised IndexError for a dy 1e+06 times as large: no",
        ),
        (
            raises(lambda dy: 0 < np.abs(dy).max() < 0.1, RuntimeError),
            "the pullback raised RuntimeError for a dy 1e-06 times as large: no",
        ),
        (
            raises(lambda dy: dy.any() and not dy.all(), ZeroDivisionError),
            "the pullback raised ZeroDivisionError for a dy with zeros in it: no",
        ),
    ],
)
def test_a_pullback_that_raises_ends_the_check(f, reason):
    report = examine(f, X)
    assert (report.outcome, report.code, report.reason) == ("wrong", "exception", reason)
    with pytest.raises(Stop, match="the pullback raised"):
        kept_by(f, X)


RANDOM = "f gives another result when it is called again, so that no derivative can be told"


def random_mask():
    rng = np.random.default_rng(0)

    def f(x):
        mask = rng.uniform(size=x.shape)
        return mask * x, lambda dy: mask * dy

    return rng, f


def test_a_random_function_is_none():
    _, f = random_mask()
    report = examine(f, X)
    assert (report.outcome, report.code) == ("cannot tell", "random")
    assert report.reason.startswith(RANDOM)
    assert "seed them: before=lambda: np.random.seed(0)" in str(report)


def test_a_random_function_that_is_seeded_before_each_call_is_one():
    rng, f = random_mask()
    state = rng.bit_generator.state

    def before():
        rng.bit_generator.state = state

    report = examine(f, X, before=before)
    assert (report.outcome, report.findings) == ("right", ())


def test_a_result_that_grows_is_no_function():
    seen = []

    def f(x):
        seen.append(x)
        return np.stack(seen), lambda dy: dy[-1]

    with pytest.raises(Stop, match="f gives another result when it is called again"):
        kept_by(f, X)


@pytest.mark.parametrize(
    ("f", "x", "reason"),
    [
        (double, np.array([1.0, np.nan]), "x is not finite at this point"),
        (double, np.array([-np.inf]), "x is not finite at this point"),
        (
            lambda x: ({"a": x, "b": x * [np.inf, 1]}, len),
            W,
            "f is not finite at this point: y.b has 1 such entries",
        ),
        (lambda x: (x * np.nan, len), W, "f is not finite at this point: y has 2 such entries"),
    ],
)
def test_where_something_is_not_finite_nothing_is_told(f, x, reason):
    with pytest.raises(Stop) as caught:
        kept_by(f, x)
    stop = caught.value
    assert (stop.outcome, stop.code, str(stop)) == ("cannot tell", "nonfinite", reason)
