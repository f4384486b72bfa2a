"""Ties and kinks as users meet them: which rules are right, and what they are called."""

import numpy as np
import pytest

from npcbam import pooling
from npcbam.gradcheck import check_vjp, examine

# Ties and kinks

TIED = np.array([[1.0, 4.0, 4.0, 4.0], [2.0, 5.0, 3.0, 5.0]])


def ties_by(rule):
    def f(x):
        y = x.max(axis=1, keepdims=True)
        tied = x == y

        def pullback(dy):
            return np.stack([d * rule(row) for d, row in zip(dy, tied, strict=True)])

        return y, pullback

    return f


def only(which):
    def rule(tied):
        share = np.zeros(len(tied))
        share[np.flatnonzero(tied)[which]] = 1
        return share

    return rule


@pytest.mark.parametrize(
    ("rule", "outcome", "name"),
    [
        (only(0), "right", "the first tied element takes all"),
        (only(-1), "right", "the last tied element takes all"),
        (lambda tied: tied / tied.sum(), "right", "tied elements share evenly"),
        (lambda tied: 1.0 * tied, "wrong", "every tied element gets all of it"),
        (lambda tied: 0.0 * tied, "wrong", "no tied element gets any of it"),
    ],
)
def test_the_rule_at_ties_is_named(rule, outcome, name):
    report = examine(ties_by(rule), TIED)
    assert report.outcome == outcome
    assert name in report.ties
    assert "x[0, 1], x[0, 2], x[0, 3] are tied" in report.switch


@pytest.mark.parametrize(("share", "name"), [(0.0, "left"), (0.5, "middle"), (1.0, "right")])
def test_the_value_at_a_kink_is_named(share, name):
    def relu_vjp(x):
        slope = np.where(x == 0, share, x > 0)
        return np.where(x > 0, x, 0), lambda dy: dy * slope

    report = check_vjp(relu_vjp, np.array([-1.0, 0.0, 2.0]))
    assert name in report.ties
    assert "x[1] sits on a kink" in report.switch


def test_beyond_both_sides_of_a_kink_is_wrong():
    def f(x):
        return np.where(x > 0, x, 0), lambda dy: dy * np.where(x == 0, 1.5, x > 0)

    report = examine(f, np.array([-1.0, 0.0, 2.0]))
    assert report.outcome == "wrong"
    assert "between" in str(report)


def test_near_a_tie_there_is_none():
    report = check_vjp(lambda x: pooling.max_vjp(x, (0,)), np.array([1.0, 1.0, 0.5, 1 - 1e-4]))
    assert report.switch == "x[0], x[1] are tied"
    x = np.array([1.0, 1.0 + 1e-4, 0.5, 1.0])
    assert check_vjp(lambda x: pooling.max_vjp(x, (0,)), x).switch is None


def test_one_rounding_away_from_a_tie():
    x = np.array([1.0, np.nextafter(1.0, 2.0), 0.5])
    assert check_vjp(lambda x: pooling.max_vjp(x, (0,)), x).outcome == "right"
    # Rounded to one value by a rescaling, either index is right.
    assert check_vjp(scaled, x).outcome == "right"


def scaled(x):
    y, pullback = pooling.max_vjp(x / 3, (0,))
    return y, lambda dy: pullback(dy) / 3
