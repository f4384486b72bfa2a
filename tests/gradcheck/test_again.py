"""A pullback that is called more than once: each breach with its sentence."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keeping import (
    EPS,
    W,
    X,
    clipped_sum,
    counts,
    flattened,
    kept_by,
    normalised,
    offset,
    one_buffer,
    one_sign,
    only_once,
    raises,
    stale,
    told,
    turns_over,
)

from npcbam.gradcheck import examine

BREACHES = [
    (
        one_buffer,
        [
            (
                "impure",
                "x",
                "a second call of the pullback overwrites what the first one gave: dx differs",
            )
        ],
    ),
    (counts, [("impure", "x", "a second call of the pullback gives another result: dx differs")]),
    (
        only_once,
        [("impure", "", "a second call: the pullback raised IndexError: pop from empty list")],
    ),
    (
        stale(),
        [
            (
                "stale",
                "x",
                "after f ran on other arguments, the first pullback gives another result: "
                "dx differs",
            )
        ],
    ),
    (
        normalised,
        [("nan", "x", "for dy = 0 the pullback gives a dx with NaN (0 times infinity)")],
    ),
    (
        flattened,
        [
            (
                "layout",
                "x",
                "for an equal dy that lies in memory in another order the pullback gives another "
                "result: dx differs",
            )
        ],
    ),
    (
        raises(lambda dy: not dy.any()),
        [("exception", "", "for dy = 0 the pullback raised ValueError: no")],
    ),
]


@pytest.mark.parametrize(("f", "findings"), BREACHES)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_breaches_of_the_contract(f, findings):
    assert told(kept_by(f, X)) == findings


@pytest.mark.parametrize(("f", "findings"), BREACHES)
def test_breaches_are_reported(f, findings):
    report = examine(f, X)
    codes = {finding.code for finding in report.findings}
    assert report.outcome == "wrong"
    assert {code for code, _, _ in findings} <= codes
    assert codes <= {code for code, _, _ in findings} | {"mismatch"}


def test_what_is_not_nothing_for_nothing():
    found = told(kept_by(offset, X))
    assert found[0][:2] == ("nonlinear", "x")
    assert len(found) == 1
    zero = lambda x: (2 * x, lambda dy: 2 * dy if dy.any() else dy + 0.25)  # noqa: E731
    said = "the pullback is not linear in dy: for dy = 0 it gives dx up to 0.25"
    assert told(kept_by(zero, X)) == [("nonlinear", "x", said)]


@pytest.mark.parametrize("seed", range(8))
def test_of_the_opposite_comes_the_opposite(seed):
    ((code, leaf, sentence),) = told(kept_by(one_sign, X, seed=seed))
    assert (code, leaf) == ("nonlinear", "x")
    assert sentence.startswith(
        "the pullback is not linear in dy: of -dy it makes another dx than the opposite of what "
        "it makes of dy, by up to 0.00"
    )


def test_what_is_turned_over_at_each_call():
    assert told(kept_by(turns_over, X)) == [
        ("impure", "x", "a second call of the pullback gives another result: dx differs")
    ]


def test_of_a_sum_comes_the_sum():
    ((code, leaf, sentence),) = told(kept_by(clipped_sum, np.ones((10, 10))))
    assert (code, leaf) == ("nonlinear", "x")
    assert sentence.startswith(
        "the pullback is not linear in dy: of dy1 + dy2 it makes another dx than of dy1 and of "
        "dy2, by up to "
    )


def test_each_leaf_has_its_own_finding():
    last = []

    def f(x, w):
        last[:] = [x, w]
        return x * w[0], lambda dy: (dy * last[1][0], np.array([(dy * last[0]).sum(), 0]))

    assert [(code, leaf) for code, leaf, _ in told(kept_by(f, X, W))] == [
        ("stale", "x"),
        ("stale", "w"),
    ]


def test_what_another_run_takes_away():
    last = {}

    def f(x):
        last["x"] = x
        return x**2, lambda dy: 2 * last.pop("x") * dy

    assert told(kept_by(f, X)) == [
        ("impure", "", "a second call: the pullback raised KeyError: 'x'"),
        ("stale", "", "after f ran on other arguments the pullback raised KeyError: 'x'"),
    ]


def test_what_is_small_beside_the_result():
    """A root of 1e30 is 1e15, its derivative 5e-16."""

    def f(x):
        calls = itertools.count()
        return np.sqrt(x), lambda dy: 0.5 * dy / np.sqrt(x) * (1 + 1e-6 * next(calls))

    found = told(kept_by(f, np.array([1e30, 3e30])))
    assert {code for code, _, _ in found} == {"impure"}


# What is no breach


def test_a_state_that_changes_no_number_is_no_fault():
    calls = []

    def f(x):
        calls.append("f")
        return 2 * x, lambda dy: calls.append("pullback") or 2 * dy

    assert told(kept_by(f, X)) == []


def test_nan_that_stays_is_no_change_of_state():
    kept = kept_by(lambda x: (2 * x, lambda dy: dy * np.array([2, np.nan, 2])), X)
    assert kept.findings == []
    assert np.isnan(kept.readings[0].g).sum() == 2


def test_a_last_digit_that_changes_is_no_fault():
    calls = itertools.count()

    def f(x):
        return 2 * x, lambda dy: 2 * dy * (1 + 8 * EPS * (next(calls) % 3))

    assert told(kept_by(f, X)) == []


def test_f_may_have_no_other_place_to_run_at():
    def f(x):
        if not (x == X).all():
            raise ZeroDivisionError
        return 2 * x, lambda dy: 2 * dy

    assert told(kept_by(f, X)) == []


def test_a_pullback_that_wants_its_dy_in_order_says_so_itself():
    def f(x):
        def pullback(dy):
            if not dy.flags.c_contiguous:
                raise ValueError("not in order")
            return 2 * dy

        return 2 * x, pullback

    kept = kept_by(f, X)
    assert kept.findings == []
    said = "the pullback raised ValueError: not in order"
    said += ", for a dy that lies in memory in another order"
    assert kept.notes == [said]


# Laws


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(1e-9, 1))
def test_any_change_of_state_beyond_rounding_is_found(seed, size):
    calls = itertools.count()

    def f(x):
        return 2 * x, lambda dy: 2 * dy * (1 + size * next(calls))

    assert "impure" in {code for code, _, _ in told(kept_by(f, X, seed=seed))}
