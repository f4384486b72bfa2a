"""The channel gate by its axes, beside the lines of NumPy that each rule has of itself."""

import numpy as np
import pytest

from npcbam.oracle.rules import channel as channel_rules
from npcbam.oracle.rules.block import CBAM, CHANNEL_STAGE
from npcbam.oracle.rules.channel import CHANNEL_PAPER, channel_logits, channel_map
from npcbam.oracle.rules.lines import candidate
from npcbam.oracle.rules.rule import counted
from npcbam.oracle.rules.stage import Way

RNG = np.random.default_rng(0)
# What the lines have for the number of a rule, where it is not the first.
SHOWN = {
    "channel-temperature": 0.25,
    "channel-std-pool": ("avg", "std-biased"),
    "channel-std-for-avg": ("std-biased", "max"),
    "channel-median-for-avg": ("median-between", "max"),
    "channel-median-for-max": ("avg", "median-between"),
}
KEYS = {"v0": "w0'", "v1": "w1'"}
COMPUTED = [rule for rule in channel_rules.RULES if rule.sets or rule.parameter]


def refined(axes, weights, x):
    """Return y of Eq. 1 with the channel gate by these axes."""
    channel, spatial = CBAM.stages
    gates = Way(channel, (), axes).gates(weights) | spatial.way().gates(weights)
    return CBAM.compositions[0](x, CBAM.maps(gates))


def axes_of(rule):
    if rule.code in SHOWN:
        return CHANNEL_PAPER | {rule.parameter.axis: SHOWN[rule.code]}
    return CHANNEL_PAPER | dict(counted([rule])[0].sets)


@pytest.mark.parametrize("rule", COMPUTED, ids=lambda rule: rule.code)
def test_the_axes_of_a_rule_are_its_lines(rule):
    f, parameters = candidate(rule, "bad")
    params = {name: RNG.normal(size=value.shape) for name, value in parameters.items()}
    # Large enough for what is cut off at 6; and two channels that are nowhere above 0.
    x = 3 * RNG.normal(size=(2, 16, 5, 4))
    x[:, :2] = -abs(x[:, :2])
    weights = {KEYS.get(name, name): value for name, value in params.items()}
    want = refined(axes_of(rule), weights, x)
    np.testing.assert_allclose(f(params, x), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rule", COMPUTED, ids=lambda rule: rule.code)
def test_what_is_put_right_is_the_paper(rule):
    f, parameters = candidate(rule, "fix")
    params = {name: RNG.normal(size=value.shape) for name, value in parameters.items()}
    x = RNG.normal(size=(2, 16, 5, 4))
    want = refined(CHANNEL_PAPER, params, x)
    np.testing.assert_allclose(f(params, x), want, rtol=1e-10, atol=1e-12)


def test_by_hand():
    # One channel of 1, 2, 3, 6: the average is 3, the maximum 6.
    x = np.array([1.0, 2, 3, 6]).reshape(1, 1, 2, 2)
    weights = {"w0": np.array([[1.0], [-1.0]]), "w1": np.array([[2.0, 5.0]])}
    z = channel_logits(CHANNEL_PAPER, weights, x)
    assert z.tolist() == [[[[2 * 3 + 2 * 6]]]]
    assert channel_map(CHANNEL_PAPER, weights, x) == 1 / (1 + np.exp(-18.0))


def test_three_axes_of_space_are_pooled_as_one():
    x = RNG.normal(size=(2, 4, 3, 2, 2))
    weights = {"w0": RNG.normal(size=(2, 4)), "w1": RNG.normal(size=(4, 2))}
    flat = channel_map(CHANNEL_PAPER, weights, x.reshape(2, 4, 12))
    whole = channel_map(CHANNEL_PAPER, weights, x)
    assert whole.shape == (2, 4, 1, 1, 1)
    assert np.array_equal(whole.ravel(), flat.ravel())


def test_what_is_tried_sets_an_axis_or_is_the_paper():
    tried = CHANNEL_STAGE.rules
    assert [rule.code for rule in tried if not rule.sets] == ["channel-paper"]
    seen = {rule.code for rule in channel_rules.RULES} - {rule.code for rule in tried}
    assert seen == {
        "channel-temperature",
        "channel-reads-positions",
        "channel-reads-more",
        "channel-unknown",
    }
