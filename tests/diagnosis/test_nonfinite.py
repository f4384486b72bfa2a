"""Where an array is NaN or infinite."""

import numpy as np
import pytest
from arrays_seen import draw

from npcbam.diagnosis import Wrong, diagnose

X = draw(4, 3)
X[1, 2] = 0


def nan(mask, value=np.nan, x=X, dys=2):
    wants = [draw(*x.shape, seed=s) for s in range(dys)]
    seen = [Wrong("dx", np.where(mask, value, w), w, 1e-12, x, {"x": x}) for w in wants]
    return diagnose(seen).sentence


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (X == 0, "dx is NaN where x = 0"),
        (X < 0, "dx is NaN where x < 0"),
        (np.arange(4)[:, None] == [0] * 3, "dx is NaN at index 0 along axis 0"),
        (np.arange(12).reshape(4, 3) == 4, "dx is NaN at [1, 1]"),
        (np.ones((4, 3), bool), "dx is NaN everywhere"),
        (np.arange(12).reshape(4, 3) % 4 == 3, "dx is NaN at [0, 0]"),
    ],
)
def test_where(mask, sentence):
    if sentence.endswith("[0, 0]"):
        sentence = "dx is NaN at [1, 0], [2, 1] and [3, 2]"
        mask = np.isin(np.arange(12).reshape(4, 3), (3, 7, 11))
    assert nan(mask) == sentence


def test_infinite_and_zero():
    assert nan(X == 0, np.inf) == "dx is infinite where x = 0"
    assert nan(np.ones(3, bool), x=np.zeros(3)) == "dx is NaN everywhere, where x is all zeros"


def test_other_shapes():
    seen = [Wrong("dx", np.full(n, np.nan), np.ones(n), 0.0) for n in (2, 3)]
    assert diagnose(seen).sentence == "dx is NaN everywhere"
    seen = [Wrong("dx", np.array([np.nan] + [1.0] * n), np.ones(n + 1), 0.0) for n in (2, 3)]
    assert diagnose(seen).sentence == "dx has NaN entries"
