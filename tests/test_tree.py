"""Trees of arrays: leaves, map, add, zeros_like, replace_leaves."""

from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
from helpers import assert_raises, assert_same
from hypothesis import given, settings

from npcbam import tree
from npcbam.norm import BatchNorm
from npcbam.strategies import cbams

Pair = namedtuple("Pair", "first second")


@dataclass(frozen=True)
class Layer:
    w: np.ndarray
    rule: str = "first"
    b: np.ndarray | None = None


def nested():
    return {"a": [np.array([1.0]), (np.array([2.0]), None)], "b": Layer(np.array([3.0, 4.0]))}


# By hand


def test_leaves_are_named_by_their_path_in_order():
    found = [(name, leaf.tolist()) for name, leaf in tree.leaves(nested())]
    assert found == [("a.0", [1.0]), ("a.1.0", [2.0]), ("b.w", [3.0, 4.0])]
    assert [name for name, _ in tree.leaves(np.ones(1))] == [""]
    assert [name for name, _ in tree.leaves((np.ones(1),), "args")] == ["args.0"]
    assert list(tree.leaves(None)) == list(tree.leaves("ab")) == list(tree.leaves(Layer)) == []


def test_map_keeps_the_structure():
    doubled = tree.map(lambda leaf: 2 * leaf, nested())
    assert type(doubled["b"]) is Layer
    assert doubled["b"].rule == "first"
    assert doubled["b"].b is None
    assert doubled["a"][1][1] is None
    assert doubled["b"].w.tolist() == [6.0, 8.0]


def test_map_knows_named_tuples():
    found = tree.map(np.negative, Pair(np.ones(1), None))
    assert type(found) is Pair
    assert found.first.tolist() == [-1.0]


def test_add_and_zeros_like():
    a, b = Layer(np.array([1.0, 2.0])), Layer(np.array([10.0, 20.0]))
    assert tree.add(a, b).w.tolist() == [11.0, 22.0]
    assert tree.zeros_like(a).w.tolist() == [0.0, 0.0]
    assert a.w.tolist() == [1.0, 2.0]


def test_replace_leaves_follows_the_order_of_leaves():
    replaced = tree.replace_leaves(nested(), iter([np.zeros(i) for i in range(3)]))
    assert [(name, leaf.size) for name, leaf in tree.leaves(replaced)] == [
        ("a.0", 0), ("a.1.0", 1), ("b.w", 2),
    ]  # fmt: skip


# Laws


@settings(deadline=None, max_examples=30)
@given(cbams(dtype=None, pools="any"))
def test_laws_of_a_whole_cbam(cbam):
    assert_same(tree.map(np.copy, cbam), cbam)
    assert_same(tree.replace_leaves(cbam, (leaf for _, leaf in tree.leaves(cbam))), cbam)
    assert_same(tree.add(cbam, tree.zeros_like(cbam)), cbam)
    assert_same(tree.add(cbam, tree.map(np.negative, cbam)), tree.zeros_like(cbam))


# Errors

ONE = np.ones(1)
MISFITS = [
    ((ONE, None), (ONE, ONE), "1: expected the same structure, got NoneType and ndarray"),
    ((ONE,), [ONE], "tree: expected the same structure, got list and tuple"),
    (ONE, None, "tree: expected the same structure, got NoneType and ndarray"),
    ({"a": 1}, {"a": 2}, "a: expected the same structure, got 1 and 2"),
    (1, 2, "tree: expected the same structure, got 1 and 2"),
    (
        {"a": 1, "b": 1},
        {"b": 1},
        "tree: expected the same structure, got the keys a, b and the keys b",
    ),
    ((1, 2), (1,), "tree: expected the same structure, got 2 items and 1 items"),
    ((), (1,), "tree: expected the same structure, got 0 items and 1 items"),
    (Layer(ONE), Layer(ONE, "even"), "rule: expected the same structure, got 'first' and 'even'"),
    (
        {"n": BatchNorm(ONE, ONE, ONE, ONE, eps=0.5)},
        {"n": BatchNorm(ONE, ONE, ONE, ONE, eps=0.25)},
        "n.eps: expected the same structure, got 0.5 and 0.25",
    ),
]


@pytest.mark.parametrize(("a", "b", "message"), MISFITS)
def test_misfits(a, b, message):
    assert_raises(ValueError, message, tree.add, a, b)
