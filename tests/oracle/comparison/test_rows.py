"""The worst entry of a tensor, in units of the allowed error."""

import numpy as np

from npcbam.oracle.comparison.rows import Row, evidence_of, worst


def test_by_hand():
    got, expected = np.array([[1.0, 2.0], [3.5, 4.0]]), np.array([[1.0, 2.0], [3.0, -4.0]])
    row = worst("noise", "dx", got, expected, 2.0)
    assert row == Row("noise", "dx", 4.0, 2.0, (1, 1), 4.0, -4.0)
    assert not row.ok
    assert worst("noise", "dx", got, got, 0.0).ok
    assert worst("noise", "dx", np.array([np.nan]), np.ones(1), 1.0).times == np.inf
    assert worst("noise", "dx", np.array([3.0]), np.zeros(1), 1.0).times == 3
    # What may overflow may be anything.
    assert worst("noise", "dx", np.array([np.inf]), np.ones(1), np.array([np.inf])).ok


def test_as_evidence():
    row = worst("ties", "y", np.array([[1.0, 3.0]]), np.ones((1, 2)), 0.5)
    assert evidence_of(row) == {
        "input": "ties", "tensor": "y", "times": 4.0, "index": [0, 1], "got": 3.0, "expected": 1.0
    }  # fmt: skip


def test_of_nothing_nothing_is_off():
    assert worst("noise", "d w", np.zeros((0, 2)), np.zeros((0, 2)), 1.0).ok
