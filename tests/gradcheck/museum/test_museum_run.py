"""The whole museum, from several seeds: nothing false, and what is wrong has its name."""

import pytest
from run import tally, totals

from npcbam.gradcheck.museum import EXHIBITS, exhibit

SEEDS = 3


# By hand


def test_one_exhibit_is_counted():
    seen = tally(exhibit("bias-mean"), 2)
    assert (seen.right, seen.wrong) == ({"right": 2}, {"wrong": 2})
    assert (seen.false, seen.undecided) == (0, 0)
    assert (seen.coded, seen.leaves, seen.named) == (2, 2, 2)


# Laws


@pytest.mark.second_tier
def test_nothing_false_is_said_of_the_museum():
    rows = [tally(each, SEEDS) for each in EXHIBITS.values()]
    assert [row.exhibit.name for row in rows if row.false or row.undecided] == []
    found = totals(rows)
    assert found["exhibits that are wrong"] == 94
    assert found["named, always"] >= 74
