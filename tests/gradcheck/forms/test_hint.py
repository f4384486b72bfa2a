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


def of(module):
    """Return a value of a class of that module."""
    return type("Array", (), {"__module__": module})()


class Maker:
    @classmethod
    def make(cls, x):
        return x

    def backward(self, dout):
        return dout


ALONE = (
    "y alone has no backward to check: check_grad(f, grad, x) is for a loss and its gradient, "
    "check_cached(forward, backward, *args) for a forward and a backward"
)
LOSS = "(loss, grad) is what check_loss(f, *args) is for"
CACHE = "(out, cache) is what check_cached(forward, backward, *args) is for"
BESIDE = "return two things, y and the pullback: several results go as ((y1, y2), pullback)"
OBJECT = "check_layer(obj, x) is for an object that has forward and backward"
THEIRS = "give its arguments as {}, and check_vjp takes the backward of the framework"
CASES = [
    (0.5, None, ALONE),
    (X, None, ALONE),
    ((0.5, X), None, LOSS),
    ((3, X), None, LOSS),
    ((np.float32(3), X), None, LOSS),
    ((np.array(0.5), {"w": X}), None, LOSS),
    ((True, X), None, CACHE),
    ((X, (X, X)), None, CACHE),
    ((X, {"x": X}), None, CACHE),
    (({"y": X}, X), None, CACHE),
    ((X, X), None, f"{CACHE}, and (y, tangent) what check_jvp(f, jvp, *args) is for"),
    ((X, X, {"cache": X}), None, CACHE),
    ((X, X, X), None, CACHE),
    ((X, X, lambda dy: dy), None, BESIDE),
    (lambda dy: dy, None, "return y beside the pullback: `return y, pullback`"),
    ({"y": X}, None, "return (y, pullback); y may be a dict"),
    ([X, lambda dy: dy], None, "return a tuple: `return y, pullback`"),
    ([X, X], None, ALONE),
    ((y for y in (X,)), None, "a function with yield or async has not run when it returns"),
    (None, None, "it returns None: a return is missing"),
    (of("torch"), None, THEIRS.format("tensors")),
    (of("torch.nn"), None, THEIRS.format("tensors")),
    (of("jaxlib._jax"), None, THEIRS.format("jax arrays")),
    (of("jax"), None, THEIRS.format("jax arrays")),
    (of("torchlike"), None, ALONE),
    (Layer(), Layer, "check_layer(Layer(...), x) is for an object that has forward and backward"),
    (X, Layer(), OBJECT),
    (X, Layer().forward, OBJECT),
    (X, Maker.make, ALONE),
]


@pytest.mark.parametrize(("result", "f", "said"), CASES)
def test_the_form_is_named(result, f, said):
    assert which_form(result, f) == said


def test_a_coroutine_has_not_run():
    async def f():
        return X

    result = f()
    assert which_form(result) == "a function with yield or async has not run when it returns"
    result.close()


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
