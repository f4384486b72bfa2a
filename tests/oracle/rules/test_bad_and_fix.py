"""Each rule's lines, checked: the bad ones give exactly its code, the right ones give nothing."""

import functools
import warnings

import pytest
from planted import everything  # noqa: F401, which fills the registry
from planted.registry import ALL

import npcbam
from npcbam.oracle.rules import given_weights, lines
from npcbam.oracle.rules.catalogue import RULES
from npcbam.oracle.rules.rule import FAITHFUL, NOTE

# Why some are read and not run: they need what NumPy has not.
NOT_RUN = {
    "residual-detached": "only autograd can detach the x that is added",
    "residual-scaled": "only autograd can detach half of the x that is added",
    "gradient-ties": "of golden vectors: a check takes either rule for ties",
    "tf32-inside": "it is how a GPU multiplies",
    "autocast-inside": "it is torch that casts",
    "buffer-kept": "a function of NumPy has no buffers",
    "second-call-fails": "each call of the lines starts anew",
    "hangs": "it would take the test with it",
    "crashes": "it would take the test with it",
    "exits": "it would take the test with it",
    "one-size-only": "NumPy has no window of a fixed size",
}
# What given weights alone can show, no check can; their own tests run their lines.
GIVEN = {rule.code for rule in given_weights.RULES}
RUN = [code for code, rule in RULES.items() if lines.is_run(rule.bad) and code not in GIVEN]


@functools.cache
def found(text, stage):
    """Return the verdict, and the codes of findings and of notes; many rules share their fix."""
    rule = next(r for r in RULES.values() if r.stage == stage and text in (r.bad, r.fix))
    f, parameters = lines.candidate(rule, "bad" if rule.bad == text else "fix")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of what is wrong: it overflows
        report = npcbam.check(f, parameters=parameters, channels=lines.CHANNELS)
    each = report.findings
    notes = {f.code for f in each if f.status == NOTE}
    return report.verdict, [f.code for f in each if f.status != NOTE], notes


# A planted block has these, and must be told so.
PLANTED = {code for each in ALL.values() for code in (*each.notes, *each.found)}
PLANTED = {code.rpartition(": ")[2] for code in PLANTED}
BAD = [pytest.param(code, marks=pytest.mark.second_tier if code in PLANTED else ()) for code in RUN]


@pytest.mark.parametrize("code", BAD)
def test_bad_gives_its_code(code):
    rule = RULES[code]
    verdict, codes, notes = found(rule.bad, rule.stage)
    if rule.status == NOTE:
        assert (code in notes, codes) == (True, [])
    elif rule.status == FAITHFUL:
        assert (verdict, codes) == (FAITHFUL, [])
    else:
        assert verdict == rule.status
        assert codes == [code]


@pytest.mark.second_tier
@pytest.mark.parametrize("code", [code for code in RUN if lines.is_run(RULES[code].fix)])
def test_fix_gives_nothing(code):
    rule = RULES[code]
    verdict, codes, notes = found(rule.fix, rule.stage)
    assert (verdict, codes) == (FAITHFUL, [])
    assert rule.status == FAITHFUL or code not in notes


def test_what_is_not_run_has_its_reason():
    assert {code for code, rule in RULES.items() if not lines.is_run(rule.bad)} == set(NOT_RUN)
    assert all(NOT_RUN.values())
