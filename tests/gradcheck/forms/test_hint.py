"""What came, and which of the checks it is a form of."""

import numpy as np
import pytest

from npcbam.gradcheck.forms import which_form

X = np.ones(3)


class Layer:
    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


CASES = [
    (0.5, None, "check_grad(f, grad, x)"),
    (X, None, "check_cached(forward, backward, *args)"),
    ((0.5, X), None, "check_loss(f, *args)"),
    ((np.array(0.5), {"w": X}), None, "check_loss(f, *args)"),
    ((X, (X, X)), None, "check_cached(forward, backward, *args)"),
    ((X, {"x": X}), None, "check_cached(forward, backward, *args)"),
    ((X, X), None, "check_jvp(f, jvp, *args)"),
    ((X, X, {"cache": X}), None, "check_cached(forward, backward, *args)"),
    ((X, X, lambda dy: dy), None, "((y1, y2), pullback)"),
    (lambda dy: dy, None, "return y, pullback"),
    ({"y": X}, None, "return (y, pullback); y may be a dict"),
    (None, None, "it returns None: a return is missing"),
    (Layer(), Layer, "check_layer(Layer(...), x)"),
    (X, Layer(), "check_layer(obj, x)"),
    (X, Layer().forward, "check_layer(obj, x)"),
]


@pytest.mark.parametrize(("result", "f", "said"), CASES)
def test_the_form_is_named(result, f, said):
    assert said in which_form(result, f)
