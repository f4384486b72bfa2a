"""What is said of the names that the lines of rules take from around them."""

import ast
from dataclasses import replace

import pytest

from npcbam.oracle.rules import lines
from npcbam.oracle.rules.catalogue import RULES
from npcbam.oracle.rules.names import KNOWN, names
from npcbam.oracle.rules.rule import Rule

RULE = Rule("a", "spatial", "wrong", "it is so")


def test_by_hand():
    assert names(replace(RULE, fix="ms = spatial(f)", bad="ms = sigmoid(dy)")) == [
        "spatial(f) = sigmoid(conv(f.mean(1), f.max(1)))  # (N, 1, H, W)",
        "f = mc * x",
        "dy: the cotangent of y, of its shape",
    ]
    assert names(replace(RULE, fix="dw0 = v0 @ w1", bad="")) == ["v0: (C/r, C)", "w1: (C, C/r)"]


def test_what_is_said_in_the_lines_is_not_said_again():
    assert names(replace(RULE, fix="# w0: (C, C)\nmc = column(w0)")) == [
        "column(z) = z[:, :, None, None]  # (N, C, 1, 1)"
    ]
    assert names(replace(RULE, fix="def block(x): return x")) == []
    assert names(replace(RULE, fix="# torch\ny = x")) == []


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_name_is_said(rule):
    said = " ".join(names(rule))
    for text in filter(lines.is_run, (rule.bad, rule.fix)):
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
        bound = {node.id for node in nodes if isinstance(node.ctx, ast.Store)} | KNOWN
        for node in nodes:
            if node.id in (lines.SHAPES.keys() | lines._FUNCTIONS.keys()) - bound:
                assert node.id in said or f"# {node.id}: (" in text or f"def {node.id}" in text


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_each_line_fits(rule):
    assert all(len(line) <= 100 for line in names(rule))
