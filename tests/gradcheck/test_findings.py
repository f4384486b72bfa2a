"""Entries, by hand: how far off, how much of that, and in words; and what a leaf counts."""

import math
from dataclasses import replace

import pytest

from npcbam.gradcheck.findings import Entry, LeafCheck

ENTRY = Entry("w", (1, 2), got=3.0, left=1.0, right=2.0, allowed=0.5)
WORST = ENTRY.but(leaf="bias", left=2.0)
NAN = math.nan


# By hand


@pytest.mark.parametrize(
    ("left", "right", "got", "error"),
    [
        (1.0, 2.0, 3.0, 1.0),
        (2.0, 1.0, 3.0, 1.0),
        (1.0, 2.0, 0.5, 0.5),
        (2.0, 1.0, 0.5, 0.5),
        (1.0, 2.0, 1.0, 0.0),
        (1.0, 2.0, 2.0, 0.0),
        (1.0, 2.0, 1.5, 0.0),
        (NAN, 2.0, 1.5, NAN),
        (1.0, NAN, 1.5, NAN),
        (1.0, 2.0, NAN, NAN),
    ],
)
def test_the_error_is_the_distance_from_both_sides(left, right, got, error):
    entry = ENTRY.but(left=left, right=right, got=got)
    assert entry.error == pytest.approx(error, abs=0, nan_ok=True)
    assert entry.ok == (error <= 0.5)


@pytest.mark.parametrize(
    ("got", "allowed", "badness", "ok"),
    [
        (3.0, 0.5, 2.0, False),
        (3.0, 1.0, 1.0, True),
        (2.0, 0.0, 0.0, True),
        (3.0, 0.0, math.inf, False),
        (NAN, 0.5, math.inf, False),
    ],
)
def test_badness_counts_in_units_of_what_is_allowed(got, allowed, badness, ok):
    entry = ENTRY.but(got=got, allowed=allowed)
    assert (entry.badness, entry.ok) == (badness, ok)


@pytest.mark.parametrize(
    ("left", "right", "got", "relative"),
    [(1.0, 2.0, 4.0, 0.5), (-8.0, 1.0, 3.0, 0.25), (1.0, -8.0, 3.0, 0.25), (0.0, 0.0, 0.0, 0.0)],
)
def test_the_relative_error_is_over_the_largest_of_the_three(left, right, got, relative):
    assert ENTRY.but(left=left, right=right, got=got).relative == relative


def test_an_entry_is_smooth_certain_and_of_the_first_cotangent_unless_it_says_otherwise():
    assert (ENTRY.at_kink, ENTRY.doubt, ENTRY.cotangent) == (False, "", "")


@pytest.mark.parametrize(
    ("got", "severity"),
    [
        (1.0, ""),
        (-1.0, "unrelated"),
        (2.0, "unrelated"),
        (0.0, "unrelated"),
        (1.06, "unrelated"),
        (1.001, "3 digits"),
        (1 + 1e-9, "9 digits"),
        (1.04, "1 digit"),
        (NAN, "unrelated"),
    ],
)
def test_the_severity_counts_digits_that_agree(got, severity):
    assert ENTRY.but(left=1.0, right=1.0, got=got).severity == severity


@pytest.mark.parametrize(
    ("changes", "count", "off"),
    [
        ({"looked": 4}, "0 of 4", False),
        ({"looked": 4, "wrong": 3}, "3 of 4", True),
        ({}, "0", False),
        ({"worst": WORST}, "along a direction", True),
        # Each share of a tie may pass where their sum does not.
        ({"looked": 4, "worst": WORST}, "along a direction", True),
        ({"worst": WORST.but(doubt="too near")}, "0", False),
    ],
)
def test_a_leaf_counts_what_is_wrong(changes, count, off):
    seen = LeafCheck("x", (4,), 4, "every entry", ENTRY.but(got=1.5), 1.0, 0.5)
    seen = replace(seen, **changes)
    assert (seen.count, seen.off) == (count, off)


# The text


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (
            ENTRY.but(left=2.0),
            "dw[1, 2]: the pullback gives 3, the derivative is 2; "
            "off by 1 (0.333 relative), allowed 0.5",
        ),
        (
            ENTRY.but(left=2.5, got=4.0),
            "dw[1, 2]: the pullback gives 4, the derivative is 2.5; "
            "off by 1.5 (0.375 relative), allowed 0.5",
        ),
        (
            ENTRY,
            "dw[1, 2]: the pullback gives 3, the derivative is between 1 (left) and 2 (right); "
            "off by 1 (0.333 relative), allowed 0.5",
        ),
        (
            ENTRY.but(left=2.0, index=None),
            "dw along a random direction: the pullback gives 3, the derivative is 2; "
            "off by 1 (0.333 relative), allowed 0.5",
        ),
        (
            ENTRY.but(left=1 / 3, right=1 / 3, got=NAN, index=()),
            "dw[]: the pullback gives nan, the derivative is 0.3333333333",
        ),
    ],
)
def test_an_entry_says_what_came_and_what_was_expected(entry, text):
    assert str(entry) == text
