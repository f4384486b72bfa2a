"""Each rule's lines, checked: the bad ones give exactly its code, the right ones give nothing."""

import functools
import warnings

import numpy as np
import pytest

import npcbam
from npcbam.oracle.rules import given_weights, lines
from npcbam.oracle.rules.catalogue import RULES, settled
from npcbam.oracle.rules.channel import CHANNEL_PAPER
from npcbam.oracle.rules.right_block import RightBlock
from npcbam.oracle.rules.rule import FAITHFUL, NOTE
from npcbam.oracle.rules.spatial import SPATIAL_PAPER

# Why some are read and not run: they need what NumPy has not.
NOT_RUN = {
    "residual-detached": "only autograd can detach the x that is added",
    "residual-scaled": "only autograd can detach half of the x that is added",
    "gradient-ties": "of golden vectors: a check takes either rule for ties",
    "tf32-inside": "it is how a GPU multiplies",
    "autocast-inside": "it is torch that casts",
    "second-call-fails": "each call of the lines starts anew",
    "hangs": "it would take the test with it",
    "crashes": "it would take the test with it",
    "exits": "it would take the test with it",
    "one-size-only": "NumPy has no window of a fixed size",
}
GIVEN = {rule.code: rule for rule in given_weights.RULES}
RUN = [code for code, rule in RULES.items() if lines.is_run(rule.bad) and code not in GIVEN]


@functools.cache
def found(text, stage):
    """Return the verdict, and the codes of findings and of notes; many rules share their fix."""
    rule = next(r for r in RULES.values() if r.stage == stage and text in (r.bad, r.fix))
    f, parameters = lines.candidate(rule, "bad" if rule.bad == text else "fix")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of what is wrong: it overflows
        report = npcbam.check(f, parameters=parameters, channels=lines.CHANNELS)
    each = settled(report.findings)
    notes = {f.code for f in each if f.status == NOTE}
    return report.verdict, [f.code for f in each if f.status != NOTE], notes


@pytest.mark.parametrize("code", RUN)
def test_bad_gives_its_code(code):
    rule = RULES[code]
    verdict, codes, notes = found(rule.bad, rule.stage)
    if rule.status == NOTE:
        assert (code in notes, codes) == (True, [])
    elif rule.status == FAITHFUL:
        assert (verdict, codes) == (FAITHFUL, [])
    else:
        assert (verdict, [code if each in rule.was else each for each in codes]) == (
            rule.status,
            [code],
        )


@pytest.mark.second_tier
@pytest.mark.parametrize("code", [code for code in RUN if lines.is_run(RULES[code].fix)])
def test_fix_gives_nothing(code):
    rule = RULES[code]
    verdict, codes, notes = found(rule.fix, rule.stage)
    assert (verdict, codes) == (FAITHFUL, [])
    assert rule.status == FAITHFUL or code not in notes


@pytest.mark.parametrize("code", GIVEN)
def test_of_given_weights_the_lines_compute_what_the_rule_makes(code):
    rule, rng = GIVEN[code], np.random.default_rng(0)
    wrong, taken = lines.candidate(rule, "bad")
    right, parameters = lines.candidate(rule, "fix")
    assert taken.keys() <= parameters.keys()
    weights = {k: rng.uniform(0.5, 1.5, v.shape) / v[0].size for k, v in parameters.items()}
    x = rng.normal(size=(3, lines.CHANNELS, 9, 8))
    block = RightBlock(
        CHANNEL_PAPER, SPATIAL_PAPER, lambda x, maps: maps.both(x), "+ x" in rule.fix, weights
    )
    np.testing.assert_allclose(right(weights, x), block(x), rtol=0, atol=1e-12)
    expected = rule.made(block, x)
    assert np.abs(expected - block(x)).max() > 1e-3
    got = wrong({name: weights[name] for name in taken}, x)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_what_is_not_run_has_its_reason():
    assert {code for code, rule in RULES.items() if not lines.is_run(rule.bad)} == set(NOT_RUN)
    assert all(NOT_RUN.values())
