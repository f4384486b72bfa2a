"""Findings: the worst entry as evidence, and their order."""

import numpy as np
import pytest

from npcbam.oracle.findings import Finding, by_importance, evidence


def test_the_worst_entry_by_hand():
    got, expected = np.array([[1.0, 2.5], [3.0, 4.1]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    found = evidence("noise", "y", got, expected, 0.25)
    assert found == {
        "input": "noise",
        "tensor": "y",
        "index": [0, 1],
        "got": 2.5,
        "expected": 2.0,
        "times": 2.0,
    }
    # In units of what each entry is allowed, another is the worst.
    found = evidence("noise", "y", got, expected, np.array([[1, 1], [1, 0.01]]))
    assert (found["index"], found["times"]) == ([1, 1], pytest.approx(10))


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
        found = evidence("nan", "y", np.array([got]), np.array([expected]), tolerance)
        assert found["times"] == times


def test_nothing_is_no_error():
    assert evidence("empty", "y", np.ones((0, 3)), np.ones((0, 3)), 1.0)["times"] == 0


def test_what_decides_comes_first():
    several = [
        Finding("numerics", "d", "", "note"),
        Finding("effects", "b", ""),
        Finding("spatial", "c", "", "variant"),
        Finding("channel", "a", ""),
        Finding("compose", "u", "", "undecided"),
    ]
    assert "".join(each.code for each in by_importance(several)) == "abucd"
