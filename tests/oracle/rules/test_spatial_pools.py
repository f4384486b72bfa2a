"""Another statistic for one of two pools: in either order of the planes, one alone is another."""

import pytest

from npcbam.oracle.rules.rule import counted
from npcbam.oracle.rules.spatial_pools import RULES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_one_pool_is_left_and_both_orders_are_known(rule):
    planes = [each.sets["pools"] for each in counted([rule])]
    left = "max" if rule.code.endswith("-for-avg") else "avg"
    other = {"avg": "max", "max": "avg"}[left]
    assert all(left in each and other not in each for each in planes)
    assert {each[::-1] for each in planes} == set(planes)
    assert len(set(planes)) == len(planes)
