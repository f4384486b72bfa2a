"""The functions to try the checker on: right where they are meant to be right, and only there."""

import numpy as np
import pytest

from npcbam.gradcheck import examine
from npcbam.gradcheck.examples import VERDICTS, embedding, layer_norm, softmax

RNG = np.random.default_rng(0)
ARGS = {
    softmax: (RNG.normal(size=(3, 4)),),
    layer_norm: (RNG.normal(size=(3, 5)),),
    embedding: (RNG.normal(size=(4, 3)), np.array([0, 2, 2, 1, 0, 3])),
}


# By hand


def test_softmax():
    y, pullback = softmax(np.log([[1.0, 3.0], [4.0, 1.0]]))
    np.testing.assert_allclose(y, [[0.25, 0.75], [0.8, 0.2]])
    # y (dy - Σ dy y)
    np.testing.assert_allclose(
        pullback(np.array([[8.0, 0.0], [0.0, 10.0]])), [[1.5, -1.5], [-1.6, 1.6]]
    )
    assert np.isfinite(softmax(np.array([1000.0, 0.0]))[0]).all()


def test_layer_norm_lacks_the_mean_of_dy():
    x = np.array([[1.0, 3.0], [5.0, -5.0]])
    y, pullback = layer_norm(x, eps=0.0)
    assert y.tolist() == [[-1.0, 1.0], [1.0, -1.0]]
    # (dy - y mean(dy y)) / std, and with - mean(dy) beside it all of this would be 0
    assert pullback(np.array([[2.0, 4.0], [5.0, 15.0]])).tolist() == [[3.0, 3.0], [2.0, 2.0]]
    np.testing.assert_allclose(layer_norm(np.array([0.0, 2.0]), eps=3.0)[0], [-0.5, 0.5])
    small = layer_norm(np.array([0.0, 2e-3]))[0]
    np.testing.assert_allclose(small, np.array([-1, 1]) / np.sqrt(11))  # eps is ten times as large


def test_an_embedding_counts_a_word_once():
    table, words = np.array([[1.0], [2.0], [3.0]]), np.array([2, 0, 2])
    y, pullback = embedding(table, words)
    assert y.tolist() == [[3.0], [1.0], [3.0]]
    assert pullback(np.array([[1.0], [5.0], [1.0]])).tolist() == [[5.0], [0.0], [1.0]]


# What must be said of each


@pytest.mark.parametrize("f", VERDICTS)
def test_verdicts(f):
    report = examine(f, *ARGS[f])
    assert report.outcome == VERDICTS[f][1]
    assert report.code == ("right" if report.outcome == "right" else "mismatch")
