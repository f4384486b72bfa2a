"""Parts of an array that hold what others should, or have factors of their own; ties."""

import numpy as np
import pytest
from arrays_seen import draw, of, said

GATES = [draw(3, 8, seed=s) for s in (1, 2)]


def cut(*order):
    def change(w):
        parts = np.split(w, 4, 1)
        return np.concatenate([np.sign(i + 0.5) * parts[i if i >= 0 else -i - 1] for i in order], 1)

    return change


@pytest.mark.parametrize(
    ("order", "code", "sentence"),
    [
        ((0, 0, 2, 3), "copied", "dw holds parts in the place of others along axis 1: 2:4 hold what"
         " 0:2 should"),
        ((1, 0, 2, 3), "copied", "dw holds parts in the place of others along axis 1: 0:2 hold what"
         " 2:4 should; 2:4 hold what 0:2 should"),
        ((0, 1, 2, -3), "copied", "dw holds parts in the place of others along axis 1: 6:8 hold "
         "minus what 4:6 should"),
    ],
)  # fmt: skip
def test_gates(order, code, sentence):
    assert of("dw", cut(*order), GATES) == (code, sentence)


def test_a_factor_for_each_row():
    by = np.array([0.5, 1.7, 2.3])[:, None]
    found = of("dw", lambda w: by * w, GATES)
    assert found == (
        "factor-by-index",
        "dw is off by a factor of its own for each index along axis 0: 0.5, 1.7, 2.3",
    )


def test_a_slope_along_another_axis():
    w = np.array([0.5, 1.5, 2.5])

    def scaled(x, w):
        return x * w[:, None], lambda dy: (dy * w[:, None], (dy * x).sum(1))

    found = said(scaled, (draw(3, 3), w), lambda dy, x, w: (dy * w, (dy * x).sum(1)))
    assert found == ("other-axis", "dx takes w along axis 1 in place of axis 0")


def test_whole_multiples():
    many = np.array([1, 2, 3, 1, 2, 5, 1, 1])
    found = of("dw", lambda w: many * w, GATES)
    assert found[0] in ("counted-several", "factor-by-index")


def test_another_mask():
    one, two = draw(3, 8, seed=5) > 0, draw(3, 8, seed=6) > 0
    wants = [w * one for w in GATES]
    drawn = iter([GATES[0] * two, GATES[1] * two])
    found = of("dx", lambda w: next(drawn), wants)
    assert found[1].startswith("dx has zeros at other places: ")


@pytest.mark.parametrize("first", [False, True])
def test_every_tied_entry_gets_all(first):
    x = np.array([[1.0, 3, 3], [2, 2, 2], [5, 1, 0]])
    hit = x == x.max(1, keepdims=True)
    share = hit & (np.cumsum(hit, 1) == 1) if first else hit / hit.sum(1, keepdims=True)

    def largest(x):
        return x.max(1), lambda dy: share * dy[:, None]

    found = said(largest, (x,), lambda dy, x: hit * dy[:, None])
    assert found == ("ties", "dx gives every tied entry of x the whole gradient")
