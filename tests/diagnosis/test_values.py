"""What an array holds in place of a gradient; factors too many and too few; the arrays at hand."""

import numpy as np
import pytest
from arrays_seen import draw, said

from npcbam.diagnosis import Wrong
from npcbam.diagnosis.arrays import at_hand, joined, lengths, summed, summed_anyhow

A, B = draw(3, 4), np.abs(draw(3, 4, seed=2)) + 0.5


def over(a, b):
    return a / b, lambda dy: (dy / b, -dy * a / b**2)


@pytest.mark.parametrize(
    ("came", "code", "sentence"),
    [
        (lambda dy, a, b: -dy * a / b, "factor-twice", "db is multiplied by b once too often"),
        (lambda dy, a, b: -dy / b**2, "factor-missing", "db lacks the factor a"),
        (lambda dy, a, b: -a / b**2, "factor-missing", "db lacks the factor dy"),
        (lambda dy, a, b: dy, "cotangent", "db is dy itself: the derivative is not multiplied in"),
        (lambda dy, a, b: dy**2, "cotangent-squared", "db is dy squared"),
        (lambda dy, a, b: np.sign(dy), "cotangent-sign", "db is the sign of dy, without its size"),
        (lambda dy, a, b: a, "other-array", "db is what a is"),
        (lambda dy, a, b: a / b, "other-array", "db is what y is"),
        (lambda dy, a, b: dy / b, "other-cotangent", "db is what da should be"),
        (lambda dy, a, b: dy * (a > 0), "mask", "db is dy where a > 0, and zero elsewhere"),
        (lambda dy, a, b: np.clip(-dy * a / b**2, -0.2, 0.2), "clipped", "db is clipped at ±0.2"),
        (lambda dy, a, b: 0 * dy + 7, "unwritten", "db is 7 everywhere: as if nothing was written"),
    ],
)  # fmt: skip
def test_a_value_is_named(came, code, sentence):
    found = said(over, (A, B), lambda dy, a, b: (dy / b, came(dy, a, b)))
    assert found[0] == code
    assert found[1].startswith(sentence)


def test_a_cotangent_that_is_spread_or_summed_otherwise():
    def total(x):
        return (x * x).sum(), lambda dy: 2 * x * dy

    assert said(total, (A,), lambda dy, x: 0 * x + dy)[1] == "dx is dy spread to (3, 4)"

    def bias(x, b):
        return x + b, lambda dy: (dy, dy.sum(0))

    found = said(bias, (draw(4, 4), draw(4)), lambda dy, x, b: (dy, dy.sum(1)))
    assert found == ("cotangent", "db is dy summed over axis 1")


def test_one_factor_where_another_is_due():
    def angle(a, b):
        r = a * a + b * b
        return np.arctan2(a, b), lambda dy: (dy * b / r, -dy * a / r)

    found = said(angle, (A, B), lambda dy, a, b: (dy * a / (a * a + b * b), angle(a, b)[1](dy)[1]))
    assert found == ("factor-exchanged", "da has the factor a where b is due")


def test_the_arrays_at_hand():
    w = Wrong("dw", A, A, 0.0, B, {"w": B, "x": A}, {"y": A}, {"y": B})
    assert list(at_hand(w)) == ["dy", "w", "x", "y"]
    assert lengths(w)["the length of axis 1 of dy"] == 4


def test_sums_that_give_a_shape():
    a = draw(2, 3, 3)
    np.testing.assert_array_equal(summed(a, (3,)), a.sum((0, 1)))
    np.testing.assert_array_equal(summed(a, (1, 3)), a.sum((0, 1))[None])
    assert summed(a, (4,)) is None
    assert summed(a, (2, 2, 3, 3)) is None
    assert [axes for axes, _ in summed_anyhow(a, (3,))] == [(0, 1), (0, 2)]


def test_joined_as_in_speech():
    assert [joined(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
