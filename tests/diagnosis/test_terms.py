"""Terms too many, lacking or wrong; sums lost or along another axis."""

import numpy as np
import pytest
from arrays_seen import draw, said

X, W = draw(4, 6), draw(6, seed=2)


def scaled(x, w):
    return x * w, lambda dy: (dy * w, (dy * x).sum(0))


@pytest.mark.parametrize(
    ("extra", "code", "sentence"),
    [
        (lambda dy, x, w: 0.125, "added", "dx is off by a constant: 0.125 is added to every entry"),
        (lambda dy, x, w: dy.mean(), "mean-term", "dx is off by a constant, the same number"),
        (lambda dy, x, w: dy, "added", "dx is off by one term: dy is added to it"),
        (lambda dy, x, w: -0.3 * x, "added", "dx is off by one term: it holds 0.3 times x too"),
        (lambda dy, x, w: dy.sum(1, keepdims=True) * x, "projection",
         "dx is off by a multiple of x in each row along axis 1"),
        (lambda dy, x, w: dy.sum(1, keepdims=True) + 0 * x, "mean-term",
         "dx is off by a term that is the same along axis 1"),
        (lambda dy, x, w: dy.sum(0) + dy.mean(0) * x, "statistics",
         "dx is off by a constant and a multiple of x along axis 0"),
        (lambda dy, x, w: 1.7 * dy * x, "added", "dx is off by one term: it holds 1.7 times"),
        (lambda dy, x, w: dy.sum(1, keepdims=True) * (x - x * w), "term-factor",
         "dx has a wrong factor in its term along x: w is one too many"),
    ],
)  # fmt: skip
def test_a_term_is_named(extra, code, sentence):
    def came(dy, x, w):
        return dy * w + extra(dy, x, w), (dy * x).sum(0)

    found = said(scaled, (X, W), came, jacobian=False)
    assert found[0] == code
    assert found[1].startswith(sentence)


def test_a_residual_that_is_forgotten():
    def residual(x):
        return x + np.tanh(x @ M), lambda dy: dy + (dy * (1 - np.tanh(x @ M) ** 2)) @ M.T

    M = draw(6, 6, seed=3)  # noqa: N806
    found = said(residual, (X,), lambda dy, x: (dy * (1 - np.tanh(x @ M) ** 2)) @ M.T)
    assert found == ("term-missing", "dx is off by one term: the term dy is missing")


def test_a_mean_that_is_not_taken_out():
    def centred(x):
        r = np.exp(x[0, 0] * 0 + 1.0)
        return r * (x - x.mean(1, keepdims=True)), lambda dy: r * (dy - dy.mean(1, keepdims=True))

    found = said(centred, (X,), lambda dy, x: np.exp(1.0) * dy - 0.1 * dy.mean(1, keepdims=True),
                 jacobian=False)  # fmt: skip
    assert found == (
        "mean-term",
        "dx is off by a term that is the same along axis 1: its mean there should be 0",
    )


def test_a_use_through_a_sum_that_is_lost():
    def used(x):
        return x * W + np.sin(x).sum(), lambda dy: dy * W + np.cos(x) * dy.sum()

    found = said(used, (X,), lambda dy, x: dy * W, jacobian=False)
    assert found[1].startswith("dx is off by one array times the sum of dy: a way from x to all")


def test_a_sum_along_another_axis():
    def softmax(x):
        p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        return p, lambda dy: p * (dy - (p * dy).sum(1, keepdims=True))

    def came(dy, x):
        p = softmax(x)[0]
        return p * (dy - (p * dy).sum(0))

    assert said(softmax, (X,), came)[1].startswith("dx has a sum times y along one of the axes 0")


def test_what_is_made_of_such_terms_itself_is_off_by_anything():
    def spread(x):
        return x.mean(1), lambda dy: np.repeat(dy[:, None] / 6, 6, 1)

    # Any error that is the same along the axis would be such a term.
    assert said(spread, (X,), lambda dy, x: np.repeat(np.sin(dy)[:, None], 6, 1)) is None
