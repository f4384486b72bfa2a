"""What falls away beside another finding: the codes are known, and no two rules hide each other."""

from npcbam.oracle.findings import Finding
from npcbam.oracle.rules.catalogue import RULES, settled


def codes(*found):
    """Return the codes that are left of findings with these."""
    findings = [Finding(RULES[code].stage, code, "", RULES[code].status) for code in found]
    return [finding.code for finding in settled(findings)]


def test_superseded_codes_are_those_of_rules():
    assert {code for rule in RULES.values() for code in rule.supersedes} <= RULES.keys()


def test_no_two_rules_hide_each_other():
    hidden = {code: set(rule.supersedes) for code, rule in RULES.items()}
    assert not [(a, b) for a, those in hidden.items() for b in those if a in hidden[b]]


def test_nothing_wrong_is_hidden_by_a_note():
    for rule in RULES.values():
        if rule.status == "note":
            assert not rule.supersedes


def test_what_tells_more_stays():
    assert codes("fails-on-input", "fixed-size") == ["fixed-size"]
    assert codes("one-size-only", "square-only") == ["square-only"]
    assert codes("fails-on-small", "fails-on-point") == ["fails-on-small"]
    assert codes("map-only", "output-shape") == ["map-only"]
    assert codes("output-shape", "compose-unknown") == ["output-shape"]
    assert codes("more-than-rounding", "half-inside") == ["half-inside"]
    assert codes("differs-on-input", "more-than-rounding") == ["differs-on-input"]
    assert codes("batch-statistics", "channel-unknown") == ["batch-statistics"]


def test_what_explains_nothing_stays_beside():
    assert codes("fails-on-empty", "fails-on-input") == ["fails-on-empty", "fails-on-input"]
    assert codes("nan-swallowed", "more-than-rounding") == ["nan-swallowed", "more-than-rounding"]
    assert codes("single-inside", "more-than-rounding") == ["single-inside", "more-than-rounding"]
