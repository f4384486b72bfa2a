"""Arrays of another shape."""

import numpy as np
import pytest
from arrays_seen import draw, of, said


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (lambda w: w.T, "transposed", "dw is transposed: its shape is (4, 3), not (3, 4)"),
        (lambda w: w.reshape(-1), "shape", "dw has the right numbers in the shape (12,), and"),
        (lambda w: w[None], "shape", "dw has the right numbers in the shape (1, 3, 4), and"),
        (lambda w: w.reshape(4, 3, order="F"),
         "shape", "dw has the right numbers in the shape (4, 3), column by column, for (3, 4)"),
        (lambda w: np.stack([0.3 * w, 0.7 * w]), "not-summed", "dw is not summed over axis 0: its"),
        (lambda w: np.stack([0.3 * w, 0.7 * w], -1), "not-summed", "dw is not summed over axis 2"),
    ],
)  # fmt: skip
def test_a_shape_is_named(change, code, sentence):
    found = of("dw", change)
    assert found[0] == code
    assert found[1].startswith(sentence)


def test_not_spread():
    wants = [np.broadcast_to(draw(3, 1, seed=s), (3, 4)) for s in (1, 2)]
    assert of("dx", lambda w: w[:, :1], wants)[1].startswith("dx has the shape (3, 1): spread it")
    divided = of("dx", lambda w: w[:, :1] * 4, wants)
    assert divided[1].endswith("spread it to (3, 4) and divide by their ratio")


def test_summed_over_another_axis():
    def bias(x, b):
        return x + b, lambda dy: (dy, dy.sum(0))

    found = said(bias, (draw(5, 3), draw(3)), lambda dy, x, b: (dy, dy.sum(1)))
    assert found == ("other-axis", "db is dy summed over axis 1, not over axis 0")


def test_wrong_numbers_of_another_shape_have_no_name():
    assert of("dw", lambda w: np.sin(w).T) is None
