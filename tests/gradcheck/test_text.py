"""A report as text: what many findings and leaves come to, and what stands in the table."""

from dataclasses import replace

import pytest
from reported import right, wrong

from npcbam.gradcheck.findings import Finding
from npcbam.gradcheck.text import FINDINGS, LEAVES, indented, table


def renamed(leaf, name):
    return replace(leaf, leaf=name)


# By hand


@pytest.mark.parametrize(
    ("text", "lines"),
    [("", []), ("one", ["  one"]), ("one\n\n  two", ["  one", "", "    two"])],
)
def test_indented(text, lines):
    assert indented(2, text) == lines


def test_where_all_is_right_nothing_is_counted():
    head, row = table(right().leaves)
    assert head.endswith("  worst / allowed  smallest caught")
    assert "wrong" not in head
    assert row.startswith("dx  every entry of 6  ")


def test_where_something_is_wrong_each_leaf_is_counted():
    head, x, w = table(wrong().leaves)
    assert head.split()[:4] == ["checked", "wrong", "agrees", "to"]
    assert "  4 of 12   no digit  " in x
    assert "   0 of 2  " in w
    assert "digit" not in w


# Many


def test_of_many_findings_some_are_shown():
    report = wrong()
    more = tuple(
        Finding("mismatch", f"w{i}", f"dw{i} differs", evidence="so") for i in range(FINDINGS + 5)
    )
    lines = str(replace(report, findings=(*report.findings, *more))).split("\n")
    assert lines.count("    so") == FINDINGS - 1
    assert "  and 6 more, which the report has as `findings`" in lines
    assert f"dw{FINDINGS - 1} differs" not in "\n".join(lines)


def test_of_many_leaves_those_that_are_wrong_are_shown():
    fine, off = right().leaves[0], wrong().leaves[0]
    leaves = [renamed(fine, f"a{i}") for i in range(LEAVES)] + [renamed(off, "b")]
    lines = table(leaves)
    assert len(lines) == LEAVES + 2
    assert lines[1].startswith("db ")
    assert lines[-1] == "and 1 more, which the report has as `leaves`"
    assert len(table(leaves[1:])) == LEAVES + 1
