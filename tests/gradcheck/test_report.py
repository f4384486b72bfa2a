"""The report as text, as JSON and as an error."""

import json
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from reported import right, wrong

from npcbam.gradcheck.findings import Entry, Finding, LeafCheck
from npcbam.gradcheck.report import CannotTellError, GradientError, GradReport, WrongGradientError

ENTRY = Entry("w", (1, 2), got=3.0, left=1.0, right=2.0, allowed=0.5)
NAN = math.nan


# By hand


def test_what_would_be_caught_is_told_for_each_leaf():
    assert REPORT.smallest_caught == {"w": 2e-9, "bias": 0.25}
    assert REPORT.worst is WORST
    assert GradReport("right", "right", "all is well", 0).worst is None


# The text


WORST = ENTRY.but(leaf="bias", left=2.0)
REPORT = GradReport(
    outcome="wrong",
    code="writes",
    reason="something is written to",
    seed=7,
    findings=(
        Finding("writes", "w", "something is written to"),
        Finding("mismatch", "bias", "dbias differs", "factor", "unrelated", "an entry"),
    ),
    reference="complex step",
    leaves=(
        LeafCheck("w", (2, 3), 6, "every entry", ENTRY.but(left=2.0, got=2.1), 2e-9, 4.0),
        LeafCheck("bias", (5000,), 5000, "12 directions", WORST, 0.25, 0.0),
    ),
    ties="the rule",
    switch="w[0] sits on a kink",
    notes=("one note", "another"),
    snippet="first line\n\nsecond line",
    evidence="it is seen here",
)
TABLE = """\

       checked                            wrong  agrees to  worst / allowed  smallest caught
dw     every entry of 6                       0                         0.2  2.0e-09 (5.0e-10 of the largest)
dbias  12 directions of 5000  along a direction   no digit                2  2.5e-01"""  # noqa: E501
TEXT = f"""\
wrong: something is written to
  it is seen here
  dbias differs
    an entry
{TABLE}
ties: the rule
switch: w[0] sits on a kink
note: one note
note: another
reference: complex step; seed 7

To see it again:
    first line

    second line"""


def test_the_report_is_a_text_with_the_outcome_first():
    assert str(REPORT) == TEXT


def test_a_report_without_evidence_is_two_lines():
    report = GradReport("wrong", "shape", "dx: expected a shape", 3)
    assert str(report) == ("wrong: dx: expected a shape\nseed 3")


def test_the_snippet_is_left_out_where_all_is_right():
    report = GradReport(
        "right", "right", "all is well", 0, reference="complex step", snippet="a line"
    )
    assert str(report) == "right: all is well\nreference: complex step; seed 0"


def test_empty_leaves_are_called_so():
    seen = LeafCheck("x", (0,), 0, "every entry", ENTRY.but(got=2.0), 1.0, 0.5)
    text = str(GradReport("right", "right", "all is well", 0, leaves=(seen,)))
    assert f"dx  empty    {'0':>15}  1.0e+00 (2.0e+00 of the largest)" in text


def test_the_table_says_how_many_digits_agree_where_something_is_wrong():
    near = ENTRY.but(left=1.0, right=1.0, got=1.001, allowed=1e-9)
    seen = LeafCheck("x", (4,), 4, "every entry", near, 1.0, 0.5, wrong=1, looked=4)
    text = str(GradReport("wrong", "mismatch", "one entry", 0, leaves=(seen,)))
    assert text.split("\n")[2].split()[:4] == ["checked", "wrong", "agrees", "to"]
    assert "1 of 4   3 digits" in text.split("\n")[3]


def test_the_rule_for_ties_is_said_once():
    report = replace(REPORT, reason="the shares do not add up: the rule")
    assert "ties:" not in str(report)


@pytest.mark.parametrize("kind", [GradientError, WrongGradientError, CannotTellError])
def test_errors_carry_the_report(kind):
    error = kind(REPORT)
    assert isinstance(error, AssertionError)
    assert isinstance(error, GradientError)
    assert error.report is REPORT
    assert str(error) == TEXT


# As JSON


def finite(value):
    """Tell whether all numbers below are finite."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("report", [right(), wrong(), REPORT])
def test_a_report_as_a_dict_has_all_of_it(report):
    found = report.to_dict()
    assert set(found) == set(vars(report))
    assert [each["sentence"] for each in found["findings"]] == [
        each.sentence for each in report.findings
    ]
    for told, leaf in zip(found["leaves"], report.leaves, strict=True):
        assert set(told) == set(vars(leaf)) - {"got", "want"}
        assert told["shape"] == list(leaf.shape)
        assert told["worst"]["error"] == leaf.worst.error
    assert json.loads(report.to_json()) == json.loads(json.dumps(found))


def test_all_of_a_leaf_as_json():
    found = json.loads(wrong().to_json())["leaves"][0]
    assert found == {
        "leaf": "x", "shape": [3, 4], "size": 12, "how": "every entry", "caught": 1e-13,
        "scale": 1.0, "wrong": 4, "looked": 12,
        "worst": {
            "leaf": "x", "index": [1, 3], "got": 16.0, "left": 8.0, "right": 8.0,
            "allowed": 1e-13, "at_kink": False, "doubt": "", "cotangent": "", "value": "nan",
            "error": 8.0, "relative": 0.5,
        },
    }  # fmt: skip


def test_numbers_that_are_not_finite_become_strings():
    worst = ENTRY.but(got=math.inf, left=NAN)
    leaf = LeafCheck("x", (1,), 1, "every entry", worst, np.float64(2.0), math.inf)
    found = GradReport("wrong", "nan", "it is not finite", 0, leaves=(leaf,)).to_dict()
    assert finite(found)
    told = found["leaves"][0]
    assert (told["scale"], told["worst"]["got"], told["worst"]["left"]) == ("inf", "inf", "nan")
    assert (type(told["caught"]), told["caught"]) == (float, 2.0)


# Errors


@pytest.mark.parametrize("kind", [GradientError, WrongGradientError, CannotTellError])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_errors_go_from_one_process_to_another(kind, protocol):
    again = pickle.loads(pickle.dumps(kind(wrong()), protocol))
    assert type(again) is kind
    assert str(again) == str(wrong())
    np.testing.assert_array_equal(again.report.leaves[0].got, wrong().leaves[0].got)
