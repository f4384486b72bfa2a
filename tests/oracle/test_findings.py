"""Findings: the worst entry as evidence, and their order."""

import numpy as np
import pytest

from npcbam.oracle.findings import Finding, Row, by_importance, worst


def test_the_worst_entry_by_hand():
    got, expected = np.array([[1.0, 2.5], [3.0, 4.1]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    row = worst("noise", "y", got, expected, 0.25)
    assert row == Row("noise", "y", 2.0, 0.25, (0, 1), 2.5, 2.0)
    assert not row.ok
    assert row.evidence == {
        "input": "noise",
        "tensor": "y",
        "index": [0, 1],
        "got": 2.5,
        "expected": 2.0,
        "times": 2.0,
    }
    # In units of what each entry is allowed, another is the worst.
    row = worst("noise", "y", got, expected, np.array([[1, 1], [1, 0.01]]))
    assert (row.index, row.times, row.smallest) == ((1, 1), pytest.approx(10), 1)
    assert worst("noise", "y", got, got, 0.0).ok


@pytest.mark.parametrize(
    ("got", "expected", "times"),
    [
        (np.nan, 1.0, np.inf),
        (np.nan, np.nan, 0.0),
        (np.inf, np.inf, 0.0),
        (-np.inf, np.inf, np.inf),
        (1.0, np.nan, np.inf),
        (1.0, 1.0, 0.0),
    ],
)
def test_what_is_no_number(got, expected, times):
    for tolerance in (1.0, 0.0):
        row = worst("nan", "y", np.array([got]), np.array([expected]), tolerance)
        assert row.times == times
    # What may overflow may be anything.
    assert worst("nan", "y", np.array([got]), np.array([expected]), np.array([np.inf])).ok


def test_nothing_is_no_error():
    assert worst("empty", "y", np.ones((0, 3)), np.ones((0, 3)), 1.0).ok


def test_what_decides_comes_first():
    several = [
        Finding("numerics", "d", "", "note"),
        Finding("effects", "b", ""),
        Finding("spatial", "c", "", "variant"),
        Finding("channel", "a", ""),
        Finding("compose", "u", "", "undecided"),
    ]
    assert "".join(each.code for each in by_importance(several)) == "abucd"
