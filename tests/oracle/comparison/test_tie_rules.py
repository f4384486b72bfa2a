"""The rules for ties that candidates follow: by hand, and without a tie all the same."""

import numpy as np
import pytest
from helpers import assert_same, cotangent, distinct

from npcbam import CBAM
from npcbam.oracle.comparison.tie_rules import (
    IN_TURN,
    LAST,
    OF_SPACE,
    other_tie_rules,
    rules_of,
    tie_rules,
    with_maxima,
)
from npcbam.oracle.rules.conventions import VALUES
from npcbam.pooling import AVG, MAX, MAX_EVEN, POOLS

BY_NAME = {pool.ties: pool for pool in OF_SPACE}


@pytest.mark.parametrize(
    ("ties", "dx"),
    [
        ("even-in-turn", [[1, 0, 2], [1, 2, 0]]),
        ("even-in-turn-from-last", [[1.5, 0, 1.5], [1.5, 1.5, 0]]),
        ("first-in-turn", [[6, 0, 0], [0, 0, 0]]),
        ("last", [[0, 0, 0], [0, 6, 0]]),
    ],
)
def test_by_hand(ties, dx):
    y, pullback = BY_NAME[ties].vjp(np.array([[1.0, 0, 1], [1, 1, 0]]), (0, 1))
    assert (y.tolist(), pullback(np.array([[6.0]])).tolist()) == ([[1]], dx)


def test_the_first_in_turn_is_that_of_the_first_column():
    _, pullback = BY_NAME["first-in-turn"].vjp(np.array([[0.0, 1], [1, 0]]), (0, 1))
    assert pullback(np.array([[6.0]])).tolist() == [[0, 0], [6, 0]]


@pytest.mark.parametrize("pool", [*IN_TURN, LAST])
def test_without_a_tie_they_are_as_the_first(pool):
    x = distinct(2, 3, 4, dtype=np.complex128)
    (y, pullback), (first, first_pullback) = (rule.vjp(x, (2, 1)) for rule in (pool, MAX))
    assert_same(y, first)
    assert_same(pullback(cotangent(y)), first_pullback(cotangent(y)))


def test_both_gates_have_a_rule():
    cbam = CBAM.init(0, 4, 2, 3, "official")
    mixed = with_maxima(cbam, IN_TURN[0], LAST)
    assert mixed.channel.pools == (AVG, IN_TURN[0])
    assert mixed.spatial.pools == (LAST, AVG)
    assert [rules_of(each) for each in tie_rules(cbam)] == [
        "first", "first+even", "even+first", "even"
    ]  # fmt: skip
    others = [rules_of(each) for each in other_tie_rules(cbam)]
    assert len(set(others)) == len(others) == 6 * 3 - 4
    assert {"last", "first-in-turn+even", "even+last"} <= set(others)


def test_a_gate_alone_has_one():
    se = CBAM.init(0, 4, 2, preset="se")
    assert [rules_of(each) for each in tie_rules(se)] == ["none", "none"]
    alone = with_maxima(CBAM(CBAM.init(0, 4, 2).channel), MAX_EVEN, LAST)
    assert (rules_of(alone), alone.spatial) == ("even", None)


def test_every_rule_but_the_last_can_be_asked_for():
    cbam = CBAM.init(0, 4, 2, 3)
    named = {rules_of(each) for each in (*tie_rules(cbam), *other_tie_rules(cbam))}
    assert {name for name in named if "last" not in name.split("+")} <= set(VALUES["ties"])
    assert set(BY_NAME) & set(POOLS) == set()
