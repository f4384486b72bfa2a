"""Attention's values: which weights did the backward use?"""

import numpy as np
import pytest
from arrays_seen import draw, said

Q, K, V = draw(4, 3), draw(5, 3, seed=2), draw(5, 3, seed=3)


def softmax(scores, mask=True):
    e = np.exp(np.where(mask, scores, -np.inf))
    return e / e.sum(1, keepdims=True)


SCORES = Q @ K.T
MASK = np.arange(4)[:, None] + 1 >= np.arange(5)


def attended(mask):
    p = softmax(SCORES, mask)
    return lambda v: (p @ v, lambda dy: p.T @ dy)


@pytest.mark.parametrize(
    ("mask", "came", "sentence"),
    [
        (MASK, lambda: softmax(SCORES, np.tril(MASK)),
         "dv is right for another mask: it leaves out 4 weights, such as that of v[1] in y[0]"),
        (MASK, lambda: softmax(SCORES),
         "dv is right for another mask: it has 6 weights that are 0 in the forward, such as that "
         "of v[2] in y[0]"),
        (MASK, lambda: np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True, where=MASK),
         "dv is right for another mask: it has 6 weights that are 0 in the forward"),
        (True, lambda: softmax(0.5 * SCORES),
         "dv is right for the softmax of 0.5 times the scores of v in y: another scale"),
    ],
)  # fmt: skip
def test_weights_are_named(mask, came, sentence):
    found = said(attended(mask), (V,), lambda dy, v: came().T @ dy)
    assert found[0] == "weights"
    assert found[1].startswith(sentence)


def test_other_weights_have_no_name():
    other = np.abs(draw(4, 5, seed=9))
    assert said(attended(True), (V,), lambda dy, v: other.T @ dy) is None


def test_too_few_equations_tell_nothing():
    one = V[:, :1]
    assert said(attended(MASK), (one,), lambda dy, v: softmax(SCORES).T @ dy) is None


def test_a_mask_that_is_missing_shows_in_a_few_columns_too():
    came = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True, where=MASK)
    found = said(attended(MASK), (V[:, :2],), lambda dy, v: came.T @ dy)
    assert found[1].startswith("dv is right for another mask: it has 6 weights that are 0")


def test_a_gate_that_is_not_in_the_operand():
    def gated(x, z, w):
        u = x * np.tanh(z)
        du = u.T

        def back(dy):
            inner = dy @ w.T
            return inner * np.tanh(z), inner * x * (1 - np.tanh(z) ** 2), du @ dy

        return u @ w, back

    args = draw(3, 4), draw(3, 4, seed=2), draw(4, 3, seed=3)
    found = said(gated, args, lambda dy, x, z, w: (*gated(x, z, w)[1](dy)[:2], x.T @ dy))
    assert found == (
        "operand-value",
        "dw is right for other numbers: the numbers that dy is multiplied by, as one array, "
        "lacks the factor tanh(z)",
    )
