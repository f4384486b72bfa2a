"""What is kept of a pullback: findings once each, and what counts as the same numbers."""

import numpy as np
import pytest

from npcbam.gradcheck.findings import Finding
from npcbam.gradcheck.kept import Kept, raised, same

EPS = float(np.finfo(np.float64).eps)
ONE = np.array([1.0, -2.0, 0.0])


def test_a_finding_is_kept_once_a_code_and_leaf():
    kept = Kept([])
    kept.find("writes", "first", "x")
    kept.find("writes", "again", "x")
    kept.find("writes", "another leaf", "w")
    kept.find("stale", "another code", "x")
    kept.find("writes", "of all")
    assert kept.findings == [
        Finding("writes", "x", "first"),
        Finding("writes", "w", "another leaf"),
        Finding("stale", "x", "another code"),
        Finding("writes", "", "of all"),
    ]
    assert (kept.readings, kept.notes) == ([], [])


@pytest.mark.parametrize(
    ("error", "when", "said"),
    [
        (ValueError("no"), "", "the pullback raised ValueError: no"),
        (ValueError(), "", "the pullback raised ValueError"),
        (ValueError("no\nmore"), "", "the pullback raised ValueError: no"),
        (KeyError("x"), "another dy", "the pullback raised KeyError for another dy: 'x'"),
        (IndexError(), "another dy", "the pullback raised IndexError for another dy"),
    ],
)
def test_what_a_pullback_raised(error, when, said):
    assert raised(error, when) == said


@pytest.mark.parametrize(("roundings", "equal"), [(60, True), (70, False)])
def test_a_few_roundings_of_the_largest_are_the_same(roundings, equal):
    """64 units, for sums in threads."""
    assert same(ONE, ONE + 2 * roundings * EPS * np.array([0, 0, 1]), EPS) == equal
    assert same(1e-9 * ONE, 1e-9 * (ONE + 2 * roundings * EPS * np.array([0, 0, 1])), EPS) == equal
    # Of numbers that cancel, the largest that was added.
    assert same(0 * ONE, np.array([0, 0, 5 * roundings * EPS]), EPS, largest=5.0) == equal


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        ([np.nan, 1.0, np.inf], True),
        ([np.nan, 1.0, -np.inf], False),
        ([1.0, np.nan, np.inf], False),
        ([np.nan, 1.0, 1.0], False),
    ],
)
def test_nan_and_infinities_are_the_same_where_they_stay(other, equal):
    assert same(np.array([np.nan, 1.0, np.inf]), np.array(other), EPS) == equal


def test_nothing_is_the_same_as_nothing():
    assert same(np.zeros(0), np.zeros(0), EPS)
