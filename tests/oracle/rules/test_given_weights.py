"""What given weights alone can show: a rule's function is what its lines compute."""

import numpy as np
import pytest

from npcbam.oracle.rules import lines
from npcbam.oracle.rules.channel import CHANNEL_PAPER
from npcbam.oracle.rules.given_weights import RULES
from npcbam.oracle.rules.right_block import RightBlock
from npcbam.oracle.rules.spatial import SPATIAL_PAPER

X = np.random.default_rng(0).standard_normal((3, lines.CHANNELS, 8, 9))


def eq_1(x, maps):
    return maps.both(x)


# All weights of a block: each rule takes those that its right lines have.
DRAWN = {
    **{"w0": (4, 16), "b0": (4,), "w1": (16, 4), "b1": (16,)},
    **{"k": (1, 2, 7, 7), "kb": (1,), "gamma": (1,), "beta": (1,), "mean": (1,), "var": (1,)},
}


def right_block(rule, names):
    rng = np.random.default_rng(1)
    drawn = {name: rng.uniform(0.1, 1, shape) - 0.3 for name, shape in DRAWN.items()}
    drawn["var"] += 1
    weights = {name: value for name, value in drawn.items() if name in names}
    residual = rule.code == "residual-left-out"
    return RightBlock(CHANNEL_PAPER, SPATIAL_PAPER, eq_1, residual, weights)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_lines_compute_what_the_rule_does(rule):
    right, names = lines.candidate(rule, "fix")
    wrong, fewer = lines.candidate(rule, "bad")
    block = right_block(rule, names)
    np.testing.assert_allclose(right(block.weights, X), block(X), rtol=1e-12)
    weights = {name: block.weights[name] for name in fewer}
    y = wrong(weights, X)
    np.testing.assert_allclose(y, rule.made(block, X), rtol=1e-12)
    assert np.abs(y - block(X)).max() > 1e-3


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_where_there_is_nothing_to_get_wrong(rule):
    only = {"w0", "w1"} if rule.code != "residual-left-out" else {"w0", "w1", "k"}
    block = right_block(rule, only)
    plain = RightBlock(
        CHANNEL_PAPER | {"pools": ("avg",)}, *list(vars(block).values())[1:3], False, block.weights
    )
    # Of the pools and of the batch there is something in every block.
    assert rule.code == "channel-over-samples" or rule.made(plain, X) is None
