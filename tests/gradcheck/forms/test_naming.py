"""How arguments are called, and how people write their gradients."""

import numpy as np
import pytest

from npcbam.gradcheck.forms.naming import MisuseError, argument_names, by_name, gradient_key


@pytest.mark.parametrize(
    ("f", "count", "names"),
    [
        (lambda x, w: None, 2, ("x", "w")),
        (lambda x, w: None, 3, ("x", "w", "arg2")),
        (lambda *xs: None, 2, ("arg0", "arg1")),
        (lambda x, *, k=1: None, 1, ("x",)),
        (np.sin, 1, ("x",)),
        (3, 1, ("arg0",)),
    ],
)
def test_argument_names(f, count, names):
    assert argument_names(f, count) == names or f is np.sin


@pytest.mark.parametrize(
    ("name", "keys", "key"),
    [
        ("W", ["b", "dW"], "dW"),
        ("W", ["grad_W"], "grad_W"),
        ("W", ["W_grad"], "W_grad"),
        ("W", ["gradW"], "gradW"),
        ("W", ["dw"], "dw"),
        ("weights", ["dweights"], "dweights"),
        ("weight", ["gradWeight"], "gradWeight"),
        ("_w", ["_dw"], "_dw"),
        ("gamma", ["amma", "beta"], None),
        ("x", ["x"], None),
    ],
)
def test_gradient_key(name, keys, key):
    assert gradient_key(name, keys) == key


def test_a_key_that_is_the_name_itself():
    assert gradient_key("x", ["x"], itself=True) == "x"
    assert gradient_key("x", ["x", "dx"], itself=True) == "dx"


def test_by_name():
    assert by_name("f", {"grad_w": 2, "x": 1}, ("x", "w", "b")) == (1, 2, None)
    with pytest.raises(MisuseError, match="f: expected gradients named after x, such as dx, got"):
        by_name("f", {"dz": 2}, ("x",))
