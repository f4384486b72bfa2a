"""How a forward-mode derivative is called, and what it gives."""

import numpy as np
import pytest

from npcbam.gradcheck.forms.tangents import Push, columns, dot, leaves_of, y_of

X, V = np.array([1.0, -2.0]), np.array([10.0, 100.0])


def flat(x, v):
    return 3 * v


def tuples(primals, tangents):
    return 3 * primals[0], 3 * tangents[0]


# By hand


def test_y_of_a_result():
    y, pullback = (1.0, 2.0), len
    assert y_of(3.0) == 3.0
    assert y_of((y, pullback)) == y
    assert y_of(y) == y
    assert y_of((1.0, 2.0, len)) == (1.0, 2.0, len)
    assert y_of((1.0, len, 2.0)) == (1.0, len, 2.0)


def test_leaves_and_their_product():
    assert [leaf.tolist() for leaf in leaves_of(2.0)] == [2.0]
    assert [leaf.tolist() for leaf in leaves_of((X, {"b": V}))] == [X.tolist(), V.tolist()]
    assert dot((X, {"b": np.array(2.0)}), [V, np.array(5.0)]) == 10 - 200 + 10
    # In float64 whatever came: 2²⁴ + 1 is no float32.
    assert dot(np.ones(2), [np.array([2.0**24, 1], np.float32)]) == 2**24 + 1


@pytest.mark.parametrize(
    ("jvp", "takes", "args", "found"),
    [
        (flat, None, (X,), "flat"),
        (tuples, None, (X,), "tuples"),
        (lambda p, t: 3 * t[0][:2], None, (np.ones(2),), "tuples"),
        (flat, "tuples", (X,), "tuples"),
        (lambda x, w, v, u: v, None, (X, X), "flat"),
        (lambda p, t: t[0], None, (X, X), "tuples"),
        (lambda *all_: all_[2], None, (X, X), "flat"),
        (lambda x, w, v, u, *, k=1: v, None, (X, X), "flat"),
        (lambda p, t, *, k=1: t[0], None, (X, X), "tuples"),
        (lambda x, v: None, None, (X,), "flat"),
    ],
)
def test_the_way_of_calling_it_is_found(jvp, takes, args, found):
    push = Push.of(jvp, takes, args, 3 * X)
    assert (push.takes == "flat", push.jvp is jvp) == (found == "flat", True)


def test_both_ways_give_the_tangent_of_y():
    for push in (Push(flat, "flat"), Push(tuples, "tuples")):
        (found,) = push((X,), (V,), 3 * X)
        assert found.tolist() == [30, 300]
    pair = Push(lambda x, v: (v, 2 * v), "flat")
    assert [leaf.tolist() for leaf in pair((X,), (V,), (X, X))] == [[10, 100], [20, 200]]
    beside = Push(lambda x, v: ((x, x), (v, 2 * v)), "flat")
    assert [leaf.tolist() for leaf in beside((X,), (V,), (X, X))] == [[10, 100], [20, 200]]


def test_one_entry_after_the_other_is_a_gradient():
    g = columns(lambda x, n: (n * x[0] ** 2 + x[1], len), Push(jvp, "flat"), [0])
    y, pullback = g(X, 4)
    assert y == 2
    dx, none = pullback(np.array(10.0))
    assert (dx.tolist(), none) == ([80.0, 10.0], None)


def jvp(x, n, v, none):
    assert none is None
    return np.asarray(2 * n * x[0] * v[0] + v[1])


# Errors


@pytest.mark.parametrize(
    ("given", "y", "said"),
    [
        (None, X, "(2,), got None"),
        (np.ones(3), X, "(2,), got (3,)"),
        (1.0, X, "(2,), got ()"),
        ((np.ones(2), np.ones(3)), (X, X), "[(2,), (2,)], got [(2,), (3,)]"),
    ],
)
def test_what_does_not_fit_y(given, y, said):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Push(lambda x, v: given, "flat")((X,), (V,), y)
    assert str(caught.value) == f"jvp: expected a tangent of y's shape {said}"


def test_an_unknown_way():
    with pytest.raises(ValueError, match="takes: expected 'flat', 'tuples' or None, got 'both'"):
        Push.of(flat, "both", (X,), X)
