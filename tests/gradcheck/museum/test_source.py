"""The page's code is that of the exhibit, and both of its sides are code."""

import ast

import pytest

from npcbam.gradcheck.museum import EXHIBITS
from npcbam.gradcheck.museum.exhibit import Exhibit
from npcbam.gradcheck.museum.source import Line, lines, pair


def shown(make):
    return Exhibit("name", "what", "a/b#1", "kind", "silent", make)


def two_forks(rng, wrong):
    """Two."""
    a = 1
    for _ in range(2):
        if wrong:
            a += 1  # once
            a += 2
        else:
            a += 3
    if not wrong:
        a = 0
    return a


# By hand


def test_each_fork_is_taken_apart():
    assert lines(shown(two_forks)) == [
        Line("", "a = 1"),
        Line("", "for _ in range(2):"),
        Line("wrong", "    a += 1  # once"),
        Line("wrong", "    a += 2"),
        Line("right", "    a += 3"),
        Line("right", "a = 0"),
        Line("", "return a"),
    ]


def test_the_pair_is_what_differs():
    assert pair(shown(two_forks)) == (["a += 1  # once", "a += 2"], ["    a += 3", "a = 0"])


# Laws


@pytest.mark.parametrize("name", EXHIBITS)
def test_both_sides_are_code_and_differ(name):
    both = lines(EXHIBITS[name])
    texts = {
        side: "\n".join(line.text for line in both if line.side in ("", side))
        for side in ("wrong", "right")
    }
    for text in texts.values():
        ast.parse(text)
        assert "wrong" not in text.replace("# wrong", ""), "all forks are taken apart"
    assert (texts["wrong"] != texts["right"]) == (name != "single-precision-alarm")


@pytest.mark.parametrize("name", EXHIBITS)
def test_the_wrong_line_says_why(name):
    wrong, _ = pair(EXHIBITS[name])
    if EXHIBITS[name].truth == "wrong":
        assert any("#" in line.text for line in lines(EXHIBITS[name])), "no comment at all"
    assert all(len(line) <= 100 for line in wrong)


# Errors


def test_without_a_source_there_is_no_code():
    names = {}
    exec("def unseen(rng, wrong):\n    'Unseen.'\n    return 1", names)
    assert lines(shown(names["unseen"])) == []
    assert pair(shown(names["unseen"])) == ([], [])
