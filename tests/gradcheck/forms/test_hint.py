"""What came, and which of the checks it is a form of."""

import numpy as np
import pytest

from npcbam.gradcheck import examine
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
    ([X, lambda dy: dy], None, "return a tuple: `return y, pullback`"),
    ((y for y in (X,)), None, "yield"),
    (None, None, "it returns None: a return is missing"),
    (Layer(), Layer, "check_layer(Layer(...), x)"),
    (X, Layer(), "check_layer(obj, x)"),
    (X, Layer().forward, "check_layer(obj, x)"),
]


@pytest.mark.parametrize(("result", "f", "said"), CASES)
def test_the_form_is_named(result, f, said):
    assert said in which_form(result, f)


BAD = [
    (
        Layer,
        "f: expected a function, got the class Layer; check_layer(Layer(...), x) is for an object "
        "that has forward and backward",
    ),
    (
        Layer(),
        "f: expected a function, got Layer; check_layer(obj, x) is for an object that has forward "
        "and backward",
    ),
    (3, "f: expected a function, got int"),
]


@pytest.mark.parametrize(("f", "said"), BAD)
def test_what_is_no_function(f, said):
    with pytest.raises(TypeError) as caught:
        examine(f, X)
    assert str(caught.value) == said
