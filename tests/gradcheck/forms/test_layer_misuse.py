"""What is said of objects that are no layers, and of layers that leave something out."""

import threading

import numpy as np
import pytest
from layers_in_the_wild import Attributes

from npcbam.gradcheck.forms import check_layer

X = np.random.default_rng(1).normal(size=(4, 3))


class Passes(Attributes):
    fprop, bprop = Attributes.forward, Attributes.backward
    forward = backward = None


class OwnNames:
    def __init__(self):
        self.kernel, self.parts = np.ones((3, 2)), {"shift": np.ones(2)}

    def forward(self, x):
        self.x = x
        return x @ self.kernel + self.parts["shift"]

    def backward(self, dout):
        self.step = self.x.T @ dout
        self.parts["back"] = dout.sum(0)
        return dout @ self.kernel.T


class Unset(Attributes):
    def __init__(self):
        super().__init__()
        self.dW = None

    def backward(self, dout):
        self.db = dout.sum(0)
        return dout @ self.W.T


class Captured(Attributes):
    def __init__(self):
        super().__init__()
        self.act = lambda x: x @ self.W


class Silent(Attributes):
    def forward(self, x):
        self.x = x


class Raises(Attributes):
    def backward(self, dout):
        raise ValueError("not yet")


class Locked(Attributes):
    def __reduce_ex__(self, version):
        raise TypeError("it holds a lock")


BAD = [
    (
        (Attributes, X),
        {},
        "obj: expected an object, got the class Attributes; build it: "
        "check_layer(Attributes(...), x)",
    ),
    (
        (3, X),
        {},
        "obj: expected an object with forward and backward, got int, which has no forward",
    ),
    (
        (Passes(), X),
        {},
        "obj: expected an object with forward and backward, got Passes, which has no forward",
    ),
    ((Attributes(),), {}, "inputs: expected at least one array for forward"),
    ((Unset(), X), {}, "W: backward does not set dW"),
    (
        (Captured(), X),
        {},
        "obj: act is a function (<lambda>) that refers to the object, so that a copy would still "
        "use the original; make it a method",
    ),
    ((Silent(), X), {}, "forward: expected it to return y, got None"),
    ((Locked(), X), {}, "obj: it cannot be copied: it holds a lock"),
    (
        (Attributes(), X),
        {"params": {"V": "dV"}},
        "params: expected names of what Attributes holds after backward, got 'V', of which there "
        "is no V",
    ),
    (
        (Attributes(), X),
        {"params": {"W": "slope"}},
        "grads: expected names of what Attributes holds after backward, got 'slope', of which "
        "there is no slope",
    ),
    (
        (Attributes(), X),
        {"params": ("fault",)},
        "params: expected fault to be an array of floats, got float",
    ),
    (
        (OwnNames(), X),
        {"params": ("kernel",)},
        "kernel: backward leaves no gradient for it, neither beside it, as in dkernel, nor in "
        "grads, and returns none; say where: params={'kernel': 'dkernel'}",
    ),
]


@pytest.mark.parametrize(("args", "how", "said"), BAD)
def test_misuse_has_its_sentence(args, how, said):
    with pytest.raises(TypeError) as caught:
        check_layer(*args, **how)
    assert str(caught.value) == said


def test_a_backward_that_raises():
    report = check_layer(Raises(), X, raises=False)
    assert (report.outcome, report.code) == ("wrong", "exception")
    assert "ValueError: not yet" in report.reason


def test_a_lock_and_a_module_inside_are_shared():
    layer = Attributes()
    layer.lock, layer.xp = threading.Lock(), np
    assert check_layer(layer, X).outcome == "right"


def test_as_many_gradients_as_parameters():
    with pytest.raises(ValueError, match="grads: expected 2 names, one a parameter, got 1"):
        check_layer(Attributes(), X, params=("W", "b"), grads=("dW",))
