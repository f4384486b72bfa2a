"""Rules in words."""

from dataclasses import replace

from npcbam.oracle.rules.rule import Parameter, Rule
from npcbam.oracle.rules.text import by_stage, codes, entries, listed, of_rule

RULE = Rule(
    code="spatial-far",
    stage="spatial",
    status="wrong",
    sentence="the kernel is dilated by {value}",
    why="It sees further. " * 12,
    bad="k = 2 * k\nms = spatial(f)",
    fix="ms = spatial(f)",
    sources=("Eq. 3", "some/code#1"),
    supersedes=("spatial-unknown",),
    parameter=Parameter("dilation"),
    was=("far",),
)
PLAIN = Rule("a", "channel", "variant", "it is so", bad="mc = x", fix="mc = 2 * x")


def test_a_rule():
    lines = of_rule(RULE).splitlines()
    assert lines[:2] == ["WRONG: the kernel is dilated by <value>", "  code      spatial-far"]
    assert lines[2] == "  stage     spatial: the spatial gate, Eq. 3"
    assert lines[3].startswith("  why       It sees further. It sees")
    assert lines[4].startswith("            It")
    assert max(map(len, lines)) <= 100
    assert lines[-9:] == [
        "  bad       k = 2 * k",
        "            ms = spatial(f)",
        "  fix       ms = spatial(f)",
        "  sources   Eq. 3, some/code#1",
        "  number    dilation, a number that is read off the candidate",
        "  replaces  spatial-unknown",
        "  was       far",
        "  names     spatial(f) = sigmoid(conv(f.mean(1), f.max(1)))  # (N, 1, H, W)",
        "            f = mc * x",
    ]


def test_what_is_not_known_is_left_out():
    labels = [label for label, _ in entries(PLAIN)]
    assert labels == ["code", "stage", "here", "paper"]


def test_a_relative_is_not_bad():
    assert codes(PLAIN) == [("here", "mc = x"), ("paper", "mc = 2 * x")]
    assert [label for label, _ in codes(RULE)] == ["bad", "fix"]
    same = Rule("a", "channel", "faithful", "it is so", bad="mc = x", fix="mc = x")
    assert codes(same) == [("paper", "mc = x")]


def test_a_table():
    text = listed([RULE, PLAIN])
    assert text.splitlines() == [
        "channel: the channel gate, Eq. 2",
        "  a            variant    it is so",
        "",
        "spatial: the spatial gate, Eq. 3",
        "  spatial-far  wrong      the kernel is dilated by <value>",
        "",
        "2 rules. `npcbam explain CODE` shows one in full.",
    ]
    cut = listed([RULE, PLAIN], columns=30).splitlines()
    assert cut[4] == "  spatial-far  wrong      th …"
    assert [(stage, len(group)) for stage, group in by_stage([RULE, PLAIN])] == [
        ("channel", 1),
        ("spatial", 1),
    ]


def test_a_long_sentence_is_wrapped():
    said = of_rule(replace(RULE, sentence="a word of it " * 20)).splitlines()
    assert said[0].startswith("WRONG: a word of it ")
    assert said[1][:2] == "  " != said[1][2:4]
    assert max(map(len, said)) <= 100
