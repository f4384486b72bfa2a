"""The report: how far apart, the sentence, the tables and the JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from npcbam.oracle.findings import Finding, Row
from npcbam.oracle.reports.report import Report
from npcbam.oracle.rules.conventions import AXES, Convention, preset_axes

RIGHT = Row("noise", "y", 1e-6, 1e-10, (0, 1, 2), 0.25, 0.25)
WRONG = Row("ties", "y", 5e9, 1e-10, (1, 0, 0), 1.5, 1.0)


def rows(**values):
    values = {axis: paper for axis, (paper, _) in AXES.items()} | values
    return tuple(Convention(axis, value, *AXES[axis]) for axis, value in values.items())


PAPER = rows(**preset_axes("paper"))
SEED = rows(**preset_axes("seed"))
ADDED = Finding("compose", "residual", "x is added to the output", "variant")
TWICE = Finding("channel", "channel-avg-twice", "the average twice", evidence={
    "input": "ties", "tensor": "y", "index": [1, 0, 0], "got": 1.5, "expected": 1.0, "times": 5e9,
}, snippet="print(1)")  # fmt: skip
REPORT = Report("a.py:A", "faithful", conventions=PAPER, rows=(RIGHT,), inputs={"noise": "any"})
VARIANT = replace(REPORT, verdict="variant", conventions=SEED, findings=(ADDED,))
BAD = replace(REPORT, verdict="wrong", findings=(TWICE,), rows=(RIGHT, WRONG))


@pytest.mark.parametrize(("times", "ok"), [(0, 1), (1, 1), (1.01, 0), (np.inf, 0)])
def test_what_counts(times, ok):
    assert replace(RIGHT, times=times).ok == bool(ok)


@pytest.mark.parametrize(
    ("report", "expect", "ok"),
    [
        (REPORT, "faithful", True),
        (REPORT, "paper", True),
        (REPORT, "seed", False),
        (REPORT, "ties=first", True),
        (REPORT, "ties=even", False),
        (VARIANT, "faithful", False),
        (VARIANT, "seed", True),
        (VARIANT, "residual=yes", True),
        (VARIANT, "residual=yes,ties=even", False),
        (VARIANT, "ties=first", False),
        (BAD, "faithful", False),
        (BAD, "paper", False),
        (replace(REPORT, verdict="undecided"), "paper", False),
    ],
)
def test_ok(report, expect, ok):
    assert replace(report, expect=expect).ok == ok


@pytest.mark.parametrize(
    ("report", "headline"),
    [
        (REPORT, "FAITHFUL: a.py:A computes CBAM, Eqs. 1 to 3, as preset `paper` does"),
        (
            replace(REPORT, conventions=rows(**{"mlp-biases": "b0"}), expect="seed"),
            "FAITHFUL: a.py:A computes CBAM, Eqs. 1 to 3; `seed` was expected",
        ),
        (
            VARIANT,
            "VARIANT: a.py:A computes a documented relative of CBAM, as preset `seed` does; "
            "`faithful` was expected",
        ),
        (BAD, "WRONG: a.py:A does not compute CBAM"),
        (
            replace(REPORT, verdict="undecided", reason="there is none"),
            "UNDECIDED: a.py:A: there is none",
        ),
    ],
)
def test_headline(report, headline):
    assert report.headline == headline
    assert str(report).splitlines()[0] == headline


def test_text():
    text = str(replace(BAD, conventions=PAPER[:1])).splitlines()
    assert text == [
        "WRONG: a.py:A does not compute CBAM",
        "  channel   the average twice",
        "            y[1, 0, 0] on `ties`: got 1.5, expected 1, 5.0e+09 times the allowed error",
        "",
        "  convention  here           paper          authors",
        "  order       channel-first  channel-first  channel-first",
        "",
        "  tried  noise  ties   caught from",
        "  y      1e-06  5e+09  1.0e-10",
        "",
        "  Largest errors in units of the allowed one, beside a block of these conventions;",
        "  last the smallest error of an entry that would have been caught.",
        "  numpy, float64, seed 0; weights drawn anew, none is 0.",
        "  Gradients were not seen.",
        "",
        "  to replay the first:",
        "    print(1)",
    ]
    assert "not seen" not in str(replace(BAD, rows=(replace(RIGHT, tensor="dx"),)))


@pytest.mark.parametrize(
    ("got", "expected", "said"),
    [
        (-0.259308 - 1e-9, -0.259308, "got -0.259308001, expected -0.259308"),
        (np.nextafter(0.1, 1), 0.1, "got 0.10000000000000002, expected 0.10000000000000001"),
        (1 / 3, 1 / 3, "got 0.333333, expected 0.333333"),
        (np.nan, 0.5, "got nan, expected 0.5"),
    ],
)
def test_numbers_that_differ_are_spelled_so(got, expected, said):
    seen = TWICE.evidence | {"got": got, "expected": expected}
    report = replace(BAD, findings=(replace(TWICE, evidence=seen),))
    assert f": {said}, " in str(report)


def test_what_a_half_is_called():
    half = replace(REPORT, stage="channel")
    assert half.headline == (
        "FAITHFUL: a.py:A computes the channel attention of CBAM, Eq. 2, as preset `paper` does"
    )
    assert "  stage     the channel gate alone was judged; the spatial gate and Eq. 1 were not" in (
        str(half)
    )
    wrong = replace(BAD, stage="spatial")
    assert wrong.headline == "WRONG: a.py:A does not compute the spatial attention of CBAM"


def test_what_was_expected_is_said():
    text = str(replace(VARIANT, expect="residual=yes,ties=even"))
    assert "  expected  ties is first, not even\n" in text
    text = str(replace(VARIANT, expect="ties=first"))
    assert "  expected  residual is yes, not no\n" in text
    assert "  expected" not in str(replace(VARIANT, expect="seed"))


def test_the_reason_is_said_once():
    finding = Finding("effects", "hangs", "it hangs", "undecided")
    report = Report("a.py:A", "undecided", reason="it hangs", findings=(finding,))
    assert str(report) == "UNDECIDED: a.py:A: it hangs"


def test_json():
    nan = replace(WRONG, times=np.inf, got=np.nan)
    data = json.loads(replace(BAD, rows=(RIGHT, nan)).to_json())
    assert (data["schema"], data["verdict"], data["ok"]) == (3, "wrong", False)
    assert data["stage"] == "whole"
    assert data["conventions"]["planes"] == "avg+max"
    assert data["departures"] == []
    assert json.loads(VARIANT.to_json())["departures"] == ["residual"]
    assert data["findings"] == [
        {"stage": "channel", "code": "channel-avg-twice", "message": "the average twice",
         "status": "wrong", "evidence": TWICE.evidence, "snippet": "print(1)",
         "rule": "rules.html#channel-avg-twice", "was": []},
    ]  # fmt: skip
    assert data["tried"] == [
        {"input": "noise", "tensor": "y", "times": 1e-6, "smallest": 1e-10, "index": [0, 1, 2],
         "got": 0.25, "expected": 0.25, "ok": True},
        {"input": "ties", "tensor": "y", "times": None, "smallest": 1e-10, "index": [1, 0, 0],
         "got": None, "expected": 1.0, "ok": False},
    ]  # fmt: skip
