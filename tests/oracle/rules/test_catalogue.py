"""The catalogue: every rule is in it, whole, under a code of its own that stays."""

import ast
import importlib
import pkgutil
import string
from pathlib import Path

import pytest

import npcbam.oracle
from npcbam.oracle import rules
from npcbam.oracle.findings import STAGES, Finding
from npcbam.oracle.rules import catalogue
from npcbam.oracle.rules.catalogue import FILES, RULES, WAS, rule, settled
from npcbam.oracle.rules.rule import Rule

# Stages as a whole: what their files hold together.
SUMS = ("channel", "spatial", "compositions", "catalogue")
# Words for scripts: a code is never given to anything else, and one that goes stays in `was`.
CODES = Path(__file__).with_name("codes.txt").read_text(encoding="utf-8").split()


def test_the_codes_are_these():
    assert sorted(RULES) == CODES


def test_every_file_of_rules_is_in_it():
    names = [each.name for each in pkgutil.iter_modules(rules.__path__) if each.name not in SUMS]
    files = [importlib.import_module(f"npcbam.oracle.rules.{name}") for name in names]
    holding = [
        file for file in files if any(isinstance(each, Rule) for each in getattr(file, "RULES", ()))
    ]
    assert set(holding) == set(FILES)
    assert len(FILES) == len(set(FILES))


@pytest.mark.parametrize("code", RULES)
def test_a_rule_is_whole(code):
    each = RULES[code]
    assert each.code == code
    assert set(code) <= {*string.ascii_lowercase, *string.digits, "-"}
    assert each.stage in STAGES
    assert each.status in ("faithful", "variant", "wrong", "undecided", "note")
    assert each.sentence == each.sentence.strip(" .\n") != ""
    for name in ("why", "bad", "fix"):
        text = getattr(each, name)
        assert text == text.strip() != "", name
    assert each.why.endswith((".", "?"))
    assert each.why[0].isupper() or each.why.startswith("float")
    assert each.sources
    assert all(each.sources)
    assert len(each.bad.splitlines()) <= 6
    assert len(each.fix.splitlines()) <= 6
    assert not set(each.supersedes) & {code}
    for name in ("sources", "supersedes", "was", "alone"):
        assert len(set(getattr(each, name))) == len(getattr(each, name)), name


def test_the_numbers_of_a_rule_are_said_or_alike():
    for each in RULES.values():
        if each.parameter is not None and "{value}" in each.sentence:
            assert "{" not in each.sentence.replace("{value}", "")


def test_a_code_finds_its_rule():
    assert rule("channel-first").code == "channel-first"
    assert rule("spatial-shifted-back").code == "spatial-shifted"
    with pytest.raises(ValueError, match=r"^code: expected one that .*, got 'residul'; the ") as e:
        rule("residul")
    assert "residual" in str(e.value)
    with pytest.raises(ValueError, match=r"got '!'$"):
        rule("!")


def test_old_codes_lead_to_one_rule_each():
    assert not WAS.keys() & RULES.keys()
    told = [code for each in RULES.values() for code in each.was if code not in RULES]
    assert {code for code in told if told.count(code) > 1} == set()


def test_a_code_stands_once():
    one = RULES["channel-first"]
    with pytest.raises(ValueError, match=r"^code: expected one that is new, got channel-first a "):
        catalogue._by_code([one, one])


def found(*codes):
    return [Finding("compose", code, "so") for code in codes]


def test_settled():
    assert settled([]) == []
    alone = found("output-shape")
    assert settled(alone) == alone
    both = found("output-shape", "map-only", "no-rule-has-this")
    assert [each.code for each in settled(both)] == ["map-only", "no-rule-has-this"]
    # Twice the same, once with other words, is twice said.
    assert len(settled(found("map-only", "map-only"))) == 2


# Where in a call the code stands.
PLACES = {"Finding": 1, "rule": 0}


def said_by_the_oracle():
    """Yield the codes that stand as words in the oracle's own calls."""
    for file in Path(npcbam.oracle.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            place = PLACES.get(getattr(getattr(node, "func", None), "id", ""))
            if place is not None:
                yield from (w.value for w in node.args[place:][:1] if isinstance(w, ast.Constant))


def test_all_that_is_said_has_a_rule():
    found = set(said_by_the_oracle())
    assert len(found) > 20
    assert found - RULES.keys() - WAS.keys() == set()
