"""(loss, grad): in every shape of the gradient, right and planted wrong."""

import inspect

import ml_dtypes
import numpy as np
import pytest

from npcbam.gradcheck import WrongGradientError, examine
from npcbam.gradcheck.forms import check_loss, loss_vjp

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4))
LABELS = np.array([0, 3, 1, 1, 2])


def softmax_loss(w, x, y, reg):
    scores = x @ w
    scores = scores - scores.max(1, keepdims=True)
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean() + reg * (w * w).sum()
    p[np.arange(len(y)), y] -= 1
    return loss, x.T @ p / len(y) + 2 * reg * w


def squares(x, w):
    r = x @ w
    return float((r * r).sum()), r


def both(x, w):
    loss, r = squares(x, w)
    return loss, (2 * r @ w.T, 2 * x.T @ r)


# By hand


def test_the_pullback_by_hand():
    loss, pullback = loss_vjp(lambda x: (3.0 * x[0], np.array([3.0])))(np.array([2.0]))
    assert loss == 6
    assert (pullback(np.array(2.0))[0] == [6]).all()


ONE, TWO = np.ones(2), np.ones(3)


@pytest.mark.parametrize(
    ("grads", "found"),
    [
        ((10 * ONE, 20 * TWO), [10, 20, None]),  # of the arrays of floats, in order
        ((10 * ONE, 20 * TWO, None), [10, 20, None]),
        ((None, 20 * TWO, 3), [None, 20, None]),
        ({"b": 20 * TWO}, [None, 20, None]),
        ({"db": 20 * TWO, "a": 10 * ONE}, [10, 20, None]),
        (10 * ONE, [10, None, None]),
        (20 * TWO, [None, 20, None]),  # told by its shape
        (np.ones(7), [1, None, None]),  # or taken for that of the first
    ],
)
def test_gradients_are_laid_where_they_belong(grads, found):
    def f(a, b, n):
        return 5.0, grads

    loss, pullback = loss_vjp(f)(ONE, TWO, 3)
    assert loss == 5
    got = [each if each is None else each.flat[0] for each in pullback(np.array(1.0))]
    assert got == found


def test_more_gradients_than_arrays_are_refused():
    def f(a, n, k, b):
        return 5.0, (ONE, ONE, ONE)

    with pytest.raises(TypeError) as caught:
        loss_vjp(f)(ONE, 1, 2, TWO)
    said = "f: expected gradients of a, b, which are arrays of floats; got 3"
    assert str(caught.value) == said
    assert inspect.signature(loss_vjp(f)) == inspect.signature(f)


# Right, in every shape


RIGHT = {
    "bare": (lambda x: ((x**3).sum(), 3 * x**2), (X,)),
    "the first of several": (softmax_loss, (W, X, LABELS, 0.1)),
    "a tuple": (both, (X, W)),
    "flat": (lambda x, w: (both(x, w)[0], *both(x, w)[1]), (X, W)),
    "by name": (
        lambda x, w: (both(x, w)[0], {"dw": both(x, w)[1][1], "x": both(x, w)[1][0]}),
        (X, W),
    ),
    "by one name": (lambda x, w: (both(x, w)[0], {"grad_w": both(x, w)[1][1]}), (X, W)),
    "told by its shape": (lambda x, w: (both(x, w)[0], both(x, w)[1][1]), (X, W)),
    "a dict of parameters": (
        lambda p, x: (squares(x, p["w"])[0], {"w": 2 * x.T @ squares(x, p["w"])[1]}),
        ({"w": W}, X),
    ),
    "an array of one": (lambda x: (np.array([(x * x).sum()]), 2 * x), (X,)),
    "float32": (lambda x: (float((x * x).sum()), 2 * x), (X.astype(np.float32),)),
    "bfloat16": (lambda x: ((x * x).sum(), x + x), (X.astype(ml_dtypes.bfloat16),)),
    "a number": (lambda a: (a**2, 2 * a), (0.5,)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    f, args = RIGHT[name]
    assert check_loss(f, *args).outcome == "right"


def test_a_buffer_that_is_used_again():
    buffer = np.empty_like(X)

    def f(x):
        np.multiply(2, x.real, out=buffer)
        return float((x * x).sum()), buffer

    assert check_loss(f, X).outcome == "right"


# Planted wrong


WRONG = {
    "a factor": (lambda x: ((x**2).sum(), x), (X,), "dx"),
    "the regulariser": (
        lambda w, x, y, reg: (softmax_loss(w, x, y, reg)[0], softmax_loss(w, x, y, 0)[1]),
        (W, X, LABELS, 0.1),
        "dw",
    ),
    "the second": (lambda x, w: (both(x, w)[0], (both(x, w)[1][0], 0 * w)), (X, W), "dw"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_is_said_of_the_argument(name):
    f, args, said = WRONG[name]
    with pytest.raises(WrongGradientError, match=said):
        check_loss(f, *args)


def test_what_is_not_asked_about_is_said():
    report = check_loss(softmax_loss, W, X, LABELS, 0.1, raises=False)
    assert "not asked about, for no gradient is given: x" in report.notes
    assert "check_loss(softmax_loss, w, x, y, reg, seed=0, raises=False)" in report.snippet


def test_what_is_fixed_is_not_taken_for_the_first():
    def of_second(a, b):
        return float((a * b**2).sum()), 2 * a * b

    assert check_loss(of_second, X, 3 * X, fixed=("a",)).leaves[0].leaf == "b"
    assert check_loss(of_second, X, 3 * X, raises=False).outcome == "wrong"


def test_as_a_function_for_examine():
    assert examine(loss_vjp(both), X, W).outcome == "right"


# Errors


BAD = [
    ((3, X), "f: expected a function, got int"),
    (
        (lambda x: (x**2).sum(), X),
        "f: expected it to return (loss, grad), got float64; y alone has no backward to check: "
        "check_grad(f, grad, x) is for a loss and its gradient, "
        "check_cached(forward, backward, *args) for a forward and a backward",
    ),
    (
        (lambda x: (x**2, 2 * x), X),
        "loss: expected one number, got shape (5, 3); check_vjp(f, *args) is for other results",
    ),
    (
        (lambda x: ("loss", 2 * x), X),
        "loss: expected one number, got str; check_vjp(f, *args) is for other results",
    ),
    (
        (lambda x, n: (1.0, x, x, x), X, 3),
        "f: expected gradients of x, which are arrays of floats; got 3",
    ),
    (
        (lambda x: (1.0, {"dw": x}), X),
        "f: expected gradients named after x, such as dx, got 'dw'",
    ),
    (
        (lambda n: (1.0, n), 3),
        "args: expected an array of floats among the arguments, got n: int",
    ),
]


@pytest.mark.parametrize(("args", "said"), BAD)
def test_misuse_has_its_sentence(args, said):
    with pytest.raises(TypeError) as caught:
        check_loss(*args)
    assert str(caught.value) == said


# A method whose object holds the parameters


class TwoLayers:
    def __init__(self, fault=1.0):
        rng = np.random.default_rng(0)
        self.params = {"W1": rng.normal(size=(3, 4)), "W2": rng.normal(size=(4, 4))}
        self.reg, self.fault = 0.1, fault

    def loss(self, x, y):
        w1, w2 = self.params["W1"], self.params["W2"]
        h = np.tanh(x @ w1)
        loss, dw2 = softmax_loss(w2, h, y, self.reg)
        p = np.exp(h @ w2) / np.exp(h @ w2).sum(1, keepdims=True)
        p[np.arange(len(y)), y] -= 1
        dh = p @ w2.T / len(y)
        return loss, {"W1": self.fault * (x.T @ (dh * (1 - h**2))), "W2": dw2}


def test_parameters_that_the_object_holds():
    model = TwoLayers()
    report = check_loss(model.loss, X, LABELS)
    assert report.outcome == "right"
    assert [leaf.leaf for leaf in report.leaves] == ["W1", "W2"]
    with pytest.raises(WrongGradientError, match="W1"):
        check_loss(TwoLayers(1.01).loss, X, LABELS)


def test_gradients_of_nothing_that_is_held():
    class Odd(TwoLayers):
        def loss(self, x, y):
            return super().loss(x, y)[0], {"V": x}

    with pytest.raises(TypeError, match="f: expected gradients named after x, y, such as dx"):
        check_loss(Odd().loss, X, LABELS)
