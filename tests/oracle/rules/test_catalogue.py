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
CODES = """
approximate-sigmoid autocast-inside backward-fails bam batch-statistics both-residual
channel-abs-max channel-all-pools channel-avg-detached channel-avg-not-divided channel-avg-only
channel-avg-scaled channel-avg-twice channel-bias-once channel-bias-twice channel-clamp
channel-difference channel-doubled channel-elu channel-features-detached channel-features-scaled
channel-features-squared channel-first channel-first-position channel-first-window
channel-gate-last-too channel-gate-on-input channel-gate-squared channel-gate-twice channel-gelu
channel-gelu-tanh channel-hardsigmoid channel-hardswish channel-last-axis channel-leaky-relu
channel-light channel-linear channel-lp channel-lse channel-map-added channel-map-detached
channel-map-only channel-map-scaled channel-max-detached channel-max-from-zero
channel-max-of-logits channel-max-only channel-max-scaled channel-max-twice
channel-mean-of-logits channel-mean-of-sigmoids channel-median-for-avg channel-median-for-max
channel-merged-before-mlp channel-min-for-avg channel-min-for-max channel-mish channel-no-bias
channel-no-mlp channel-no-sigmoid channel-not-applied channel-one-axis channel-one-minus
channel-one-plus channel-only channel-over-channels channel-over-samples channel-paper
channel-pools-detached channel-pools-scaled channel-product channel-product-of-sigmoids
channel-reads-more channel-reads-positions channel-relu-after channel-relu-before
channel-relu-gate channel-relu-on-pools channel-relu6 channel-scrambled channel-selu
channel-separate-mlps channel-sigmoid-hidden channel-sigmoid-twice channel-silu
channel-silu-gate channel-single-layer channel-softmax channel-softplus channel-square-for-avg
channel-std-for-avg channel-std-pool channel-sum-for-avg channel-tanh channel-tanh-hidden
channel-temperature channel-two-sigmoids channel-unknown compose-unknown constant-added
coordinate-attention crashes dead-parameter differs-on-input eca exits exp-overflow
fails-on-empty fails-on-even fails-on-input fails-on-odd fails-on-point fails-on-single
fails-on-small features-squared final-relu final-relu-residual final-sigmoid final-silu
fixed-batch fixed-size gated-channel-transformation gaussian-context-transformer
gradient-detached gradient-explained gradient-not-finite gradient-of-dead gradient-scaled
gradient-ties gradient-transposed gradient-wrong half-inside halved hangs identity inf-swallowed
kernel-size kernels-apart layout-dependent layout-refused map-only maps-added maps-averaged
maps-only mean-loses-digits more-planes more-than-rounding nan-spread nan-swallowed never-finite
never-runs no-cbam not-finite not-repeatable nothing-known one-size-only output-dtype
output-kind output-shape parallel parameter-detached precision prints raises relu-first residual
residual-detached residual-left-out residual-scaled samples-mixed scse second-call-fails
second-gate-on-input shared-weight-half simam single-inside spatial-abs-max spatial-avg-detached
spatial-avg-not-divided spatial-avg-only spatial-avg-scaled spatial-avg-twice
spatial-batch-statistics spatial-circular-padding spatial-clamp spatial-dilated spatial-eps
spatial-features-detached spatial-features-scaled spatial-features-squared spatial-first
spatial-first-channels spatial-flipped-kernel spatial-gate-squared spatial-gate-twice
spatial-hardsigmoid spatial-kernel-3 spatial-light spatial-lp-for-avg spatial-map-added
spatial-map-detached spatial-map-of-input-only spatial-map-scaled spatial-max-avg
spatial-max-detached spatial-max-number spatial-max-only spatial-max-scaled spatial-max-twice
spatial-median-for-avg spatial-median-for-max spatial-min-for-avg spatial-min-for-max
spatial-no-bias spatial-no-eps spatial-no-sigmoid spatial-norm-ignored spatial-norm-not-affine
spatial-norm-sqrt spatial-not-applied spatial-one-minus spatial-one-number
spatial-one-number-before spatial-one-plus spatial-paper spatial-planes-swapped
spatial-pools-detached spatial-pools-scaled spatial-reads-channels spatial-reads-far
spatial-reads-input spatial-reflect-padding spatial-relu spatial-relu-before-sigmoid
spatial-replicate-padding spatial-sample-statistics spatial-shifted spatial-sigmoid-twice
spatial-silu spatial-softmax spatial-std-for-avg spatial-std-for-max spatial-sum-for-avg
spatial-sum-plane spatial-tanh spatial-temperature spatial-transposed-kernel spatial-unknown
square-only subtracted tf32-inside tie-rule-last tie-rule-other tie-rule-unknown
unsupported-precision weights-elsewhere weights-out-of-reach weights-unplaced writes-input
writes-parameters
"""


def test_the_codes_are_these():
    assert sorted(RULES) == CODES.split()


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
    assert set(each.supersedes) <= RULES.keys()


def test_the_numbers_of_a_rule_are_said_or_alike():
    for each in RULES.values():
        if each.parameter is not None and "{value}" in each.sentence:
            assert "{" not in each.sentence.replace("{value}", "")


def test_no_two_supersede_each_other():
    for each in RULES.values():
        assert not [c for c in each.supersedes if each.code in RULES[c].supersedes]


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
