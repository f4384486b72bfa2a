"""Planted faults are all caught, under the right name; right pullbacks are not called wrong."""

import pytest
import tiers
from faults import CODES, FAULTS
from right import check_one

from npcbam.gradcheck import WrongGradientError, check_vjp, examine


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_caught(name):
    f, args = FAULTS[name]()
    with pytest.raises(WrongGradientError) as caught:
        check_vjp(f, *args)
    assert CODES.get(name, "mismatch") in {each.code for each in caught.value.report.findings}


@pytest.mark.parametrize(
    "name",
    ["factor 1 001", "max branch dropped", "weight transposed", "residual forgotten in backward"],
)
def test_faults_are_caught_along_directions_too(name):
    f, args = FAULTS[name]()
    report = examine(f, *args, directions=2)
    assert (report.outcome, report.code) == ("wrong", "mismatch")
    assert report.worst.index is not None, "the entry that is wrong is found"


def test_the_wrong_entry_of_ten_thousand_is_named():
    f, args = FAULTS["one entry in ten thousand wrong by a twentieth"]()
    worst = examine(f, *args).worst
    assert worst.index == (71, 33)
    assert worst.relative == pytest.approx(0.05 / 1.05)


def test_there_are_enough_kinds():
    assert len(FAULTS) >= 25


@pytest.mark.parametrize("first", tiers.first(2, range(0, 120, 20)))
def test_right_pullbacks_are_never_wrong(first):
    reports = [check_one(seed) for seed in range(first, first + 20)]
    assert not [what for what, report in reports if report.outcome == "wrong"]
    told = [what for what, report in reports if report.outcome == "right"]
    assert len(told) >= 15, "most places can be judged"


def test_a_gradient_that_underflows_is_not_called_wrong():
    _, report = check_one(60213)
    assert (report.outcome, report.code) == ("cannot tell", "resolution")
