"""Routes of dy to x: what a rule sets is what its lines compute."""

import numpy as np
import pytest

from npcbam import CBAM
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.oracle.rules import lines
from npcbam.oracle.rules.gradient_routes import ANY, RULES
from npcbam.routes import pulled
from npcbam.spatial_attention import SpatialAttention

RNG = np.random.default_rng(0)
X, DY = RNG.standard_normal((2, 3, lines.CHANNELS, 8, 9))
LEAVES = {"w0": "channel.mlp.w0", "w1": "channel.mlp.w1", "k": "spatial.conv.w"}
WEIGHTS = {
    "w0": RNG.standard_normal((4, 16)) / 4,
    "w1": RNG.standard_normal((16, 4)) / 2,
    "k": RNG.standard_normal((1, 2, 7, 7)) / 7,
}
BLOCK = CBAM(
    ChannelAttention(SharedMLP(WEIGHTS["w0"], WEIGHTS["w1"])), SpatialAttention(Conv(WEIGHTS["k"]))
)
RUN = [rule for rule in RULES if lines.is_run(rule.bad)]
NUMBERS = (2.0, 0.5)


def gains(rule):
    """Return what the rule may set the routes to."""
    if ANY in rule.sets.values():
        return [dict.fromkeys(rule.sets, number) for number in NUMBERS]
    return [{route: g(X.shape) if callable(g) else g for route, g in rule.sets.items()}]


def test_gains_by_hand():
    by_code = {rule.code: rule for rule in RULES}
    assert gains(by_code["channel-avg-not-divided"]) == [{"channel avg": 8 * 9}]
    assert gains(by_code["spatial-avg-not-divided"]) == [{"spatial avg": 16}]


@pytest.mark.parametrize("rule", RUN, ids=lambda rule: rule.code)
def test_lines_pull_back_what_the_rule_sets(rule):
    f, _ = lines.candidate(rule, "bad")
    dparams, dx = f(WEIGHTS, X)[1](DY)
    left = []
    for tried in gains(rule):
        dleaves, expected = pulled(BLOCK, X, DY, tried)
        gaps = [np.abs(dparams[name] - dleaves[path]).max() for name, path in LEAVES.items()]
        left.append(max(*gaps, np.abs(dx - expected).max()))
    assert min(left) < 1e-12


def test_right_lines_pull_back_the_gradient():
    f, _ = lines.candidate(RUN[0], "fix")
    y, pullback = f(WEIGHTS, X)
    np.testing.assert_allclose(y, BLOCK(X), rtol=1e-12)
    np.testing.assert_allclose(pullback(DY)[1], pulled(BLOCK, X, DY)[1], rtol=1e-9, atol=1e-12)


def test_every_route_has_a_rule_that_shuts_it_and_one_that_scales_it():
    shut = {frozenset(rule.sets) for rule in RULES if set(rule.sets.values()) == {0.0}}
    scaled = {frozenset(rule.sets) for rule in RULES if set(rule.sets.values()) == {ANY}}
    assert shut == scaled
    assert {route for routes in shut for route in routes} == {
        *("channel map", "channel max", "channel avg", "channel features"),
        *("spatial map", "spatial max", "spatial avg", "spatial features", "residual"),
    }
