"""What rules make of given weights: which can be made of a block, and what each gives."""

import numpy as np
import pytest

from npcbam import presets
from npcbam.cbam import CBAM
from npcbam.oracle.probing.inputs import telling
from npcbam.oracle.rules import composition, mistaken
from npcbam.oracle.rules.catalogue import RULES
from npcbam.oracle.rules.mistaken import MISTAKES, made
from npcbam.oracle.rules.right_block import right_block
from npcbam.presets import PRESETS
from npcbam.tree import leaves

X = telling(np.random.default_rng(0), 8, 9, 10)
ALL = {name: dict(leaves(CBAM.init(1, 8, 4, preset=name))) for name in PRESETS}


def block(preset):
    rng = np.random.default_rng(2)
    drawn = {
        path: rng.uniform(0.3, 1, value.shape) * rng.choice([-1, 1], value.shape)
        for path, value in ALL[preset].items()
    }
    drawn = {path: abs(a) if path.endswith("var") else a for path, a in drawn.items()}
    return right_block(drawn, presets.preset(preset)), drawn


def codes(preset):
    return {rule.code for rule, _ in mistaken.mistaken(block(preset)[0], X)}


def rule_of(code):
    return next(rule for rule in MISTAKES if rule.code == code)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_right_block_is_right(preset):
    right, weights = block(preset)
    np.testing.assert_allclose(right(X), CBAM.build(preset, weights)(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_mistake_is_another_function(preset):
    right = block(preset)[0]
    y, seen = right(X), 0
    for rule, other in mistaken.mistaken(right, X):
        seen += 1
        scale = max(np.abs(y).max(), np.abs(other).max())
        same = other.shape == y.shape and np.abs(other - y).max() < 1e-9 * scale
        assert not same or rule.code == "channel-relu6", rule.code
    assert seen > 40


def test_which_there_are():
    assert {rule.code for rule in MISTAKES} <= RULES.keys()
    biased = {"channel-bias-once", "channel-no-bias"}
    assert biased <= codes("official")
    assert not biased & codes("paper")
    normed = {"spatial-norm-ignored", "spatial-eps", "spatial-no-eps", "spatial-norm-not-affine"}
    assert normed <= codes("timm")
    assert not normed & codes("seed")
    assert "residual-left-out" in codes("seed") - codes("paper")
    assert "residual" in codes("paper") - codes("seed")
    assert not {code for code in codes("se") if code.startswith("spatial")}
    assert {rule.code for rule in composition.RULES} - codes("paper") == {
        "channel-first",
        "channel-only",
    }


def test_a_number_gives_one_mistake_each():
    dilated = [rule for rule in MISTAKES if rule.code == "spatial-dilated"]
    assert [rule.sets["dilation"] for rule in dilated] == [2, 3, 4]
    ys = [made(rule, block("paper")[0], X) for rule in dilated]
    assert np.abs(ys[0] - ys[1]).max() > 1e-3


def test_a_residual_is_added_but_where_the_mistake_is_about_x():
    right = block("seed")[0]
    assert right.residual
    np.testing.assert_array_equal(made(rule_of("identity"), right, X), X)
    np.testing.assert_allclose(
        made(rule_of("subtracted"), right, X), X - (right(X) - X), atol=1e-12
    )
    np.testing.assert_allclose(made(rule_of("final-relu-residual"), right, X), right(X).clip(0))
    y = made(rule_of("spatial-not-applied"), right, X)
    np.testing.assert_allclose(y, right.stages().mc(X) * X + X)
    plain = block("paper")[0]
    assert made(rule_of("final-relu-residual"), plain, X) is None
    np.testing.assert_allclose(made(rule_of("residual"), plain, X), plain(X) + X)
