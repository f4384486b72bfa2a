"""The report: how far apart, the sentence, the table and the JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from npcbam.oracle.report import TOLERANCE, Report, Row, compare, gaps

RIGHT = Row("noise", "y", 1e-16, (0, 1, 2), 0.25, 0.25)
WRONG = Row("ties", "y", 0.5, (1, 0, 0), 1.5, 1.0)
REPORT = Report(
    "a.py:A", "faithful", "faithful", ("paper",), {"ties": "first"}, (), (), (RIGHT,),
    {"noise": "any values"}, 0,
)  # fmt: skip
VARIANT = replace(REPORT, verdict="variant", presets=("seed",), departures=("x is added back",))
BAD = replace(REPORT, verdict="wrong", presets=(), reasons=("y differs",), rows=(RIGHT, WRONG))


def test_gaps_by_hand():
    expected = np.array([[1.0, -4.0], [0.0, 2.0]])
    got = np.array([[1.0, -4.0], [1.0, np.nan]])
    np.testing.assert_array_equal(gaps(got, expected), [[0, 0], [0.25, np.inf]])
    np.testing.assert_array_equal(gaps(np.array([3.0]), np.zeros(1)), [3])
    np.testing.assert_array_equal(gaps(np.array([np.inf]), np.ones(1)), [np.inf])


def test_compare_finds_the_worst():
    row = compare(
        "noise", "dx", np.array([[1.0, 2.0], [3.5, 4.0]]), np.arange(1.0, 5).reshape(2, 2)
    )
    assert row == Row("noise", "dx", 0.125, (1, 0), 3.5, 3.0)
    assert not row.ok


@pytest.mark.parametrize(
    ("error", "ok"), [(0, 1), (TOLERANCE, 1), (1.01 * TOLERANCE, 0), (np.inf, 0)]
)
def test_what_counts(error, ok):
    assert replace(RIGHT, error=error).ok == bool(ok)


@pytest.mark.parametrize(
    ("report", "expect", "ok"),
    [
        (REPORT, "faithful", True),
        (REPORT, "paper", True),
        (REPORT, "seed", False),
        (VARIANT, "faithful", False),
        (VARIANT, "seed", True),
        (BAD, "faithful", False),
        (replace(BAD, presets=("seed",)), "seed", False),
    ],
)
def test_ok(report, expect, ok):
    assert replace(report, expect=expect).ok == ok


@pytest.mark.parametrize(
    ("report", "headline"),
    [
        (REPORT, "FAITHFUL: a.py:A computes CBAM, Eqs. 1 to 3, as preset `paper` does"),
        (
            replace(REPORT, presets=(), expect="seed"),
            "FAITHFUL: a.py:A computes CBAM, Eqs. 1 to 3; `seed` was expected",
        ),
        (
            VARIANT,
            "VARIANT: a.py:A computes a documented relative of CBAM, as preset `seed` does: "
            "x is added back; `faithful` was expected",
        ),
        (BAD, "WRONG: a.py:A does not compute CBAM"),
    ],
)
def test_headline(report, headline):
    assert report.headline == headline
    assert str(report).splitlines()[0] == headline


def test_text():
    assert str(BAD).splitlines() == [
        "WRONG: a.py:A does not compute CBAM",
        "  y differs",
        "  compared with CBAM of: ties first",
        "",
        "  tensor  worst error  on    at         got  expected",
        "  y       5.0e-01      ties  [1, 0, 0]  1.5  1         differs",
        "",
        "  2 inputs in float64, seed 0; weights drawn anew, none is 0.",
        "  Errors in units of the largest entry of the tensor; 1e-10 is allowed.",
        "  Gradients were not seen.",
    ]
    assert str(replace(BAD, rows=(), conventions={})).splitlines()[1:] == ["  y differs"]
    assert "not seen" not in str(replace(BAD, rows=(replace(RIGHT, tensor="dx"),)))


def test_json():
    nan = replace(WRONG, error=np.inf, got=np.nan)
    data = json.loads(replace(BAD, rows=(RIGHT, nan)).to_json())
    assert (data["schema"], data["verdict"], data["ok"]) == (1, "wrong", False)
    assert data["conventions"] == {"ties": "first"}
    assert data["rows"] == [
        {"input": "noise", "tensor": "y", "error": 1e-16, "index": [0, 1, 2], "got": 0.25,
         "expected": 0.25, "ok": True},
        {"input": "ties", "tensor": "y", "error": None, "index": [1, 0, 0], "got": None,
         "expected": 1.0, "ok": False},
    ]  # fmt: skip
