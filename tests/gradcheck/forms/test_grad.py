"""A loss and its gradient as two functions, as scipy.optimize takes them."""

import inspect

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from npcbam.gradcheck import WrongGradientError, examine
from npcbam.gradcheck.forms import check_grad, grad_vjp

X = np.random.default_rng(0).normal(size=6)


# By hand


def test_the_pullback_by_hand():
    y, pullback = grad_vjp(lambda x, k: k * x[0] ** 2, lambda x, k: 2 * k * x)(np.array([3.0]), 5)
    assert y == 45
    assert (pullback(np.array(2.0))[0] == [60]).all()


def test_the_form_of_the_function_has_the_names_of_f():
    def f(x, k):
        return k * x

    assert inspect.signature(grad_vjp(f, f)) == inspect.signature(f)
    with pytest.raises(TypeError, match="f: expected one number, got shape "):
        grad_vjp(f, f)(X, 2)
    assert grad_vjp(np.sum, f)(X, None)[0] == X.sum()  # whose signature is of no use


# Right and planted wrong


def test_functions_of_scipy():
    assert check_grad(rosen, rosen_der, X).outcome == "right"


RIGHT = {
    "any shape": (lambda x: (x**3).sum(), lambda x: 3 * x**2, (X.reshape(2, 3),)),
    "more arguments": (lambda x, a, k: k * (a @ x), lambda x, a, k: k * a, (X, 2 * X, 3)),
    "a float": (lambda x: float((x**2).sum()), lambda x: 2 * x, (X,)),
    "a dict": (
        lambda p: p["a"] @ p["b"],
        lambda p: {"a": p["b"], "b": p["a"]},
        ({"a": X, "b": -X},),
    ),
    "float32": (lambda x: float((x**2).sum()), lambda x: 2 * x, (X.astype(np.float32),)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    f, grad, args = RIGHT[name]
    assert check_grad(f, grad, *args).outcome == "right"


def test_wrong():
    with pytest.raises(WrongGradientError, match=r"dx\[2\]") as caught:
        check_grad(rosen, lambda x: rosen_der(x) * (np.arange(x.size) != 2), X)
    assert caught.value.report.code == "mismatch"


def test_a_gradient_of_another_shape():
    report = check_grad(rosen, lambda x: rosen_der(x)[:, None], X, raises=False)
    assert (report.outcome, report.code) == ("wrong", "shape")
    assert "check_grad(rosen, rosen_der" not in report.snippet
    assert "check_grad(rosen, grad, x, seed=0, raises=False)" in report.snippet


def test_as_a_function_for_examine():
    assert examine(grad_vjp(rosen, rosen_der), X).outcome == "right"


# Errors


BAD = [
    ((3, rosen_der, X), "f: expected a function, got int"),
    ((rosen, X, X), "grad: expected a function, got ndarray"),
    (
        (lambda x: x**2, rosen_der, X),
        "f: expected one number, got shape (6,); check_vjp(f, *args) is for other results",
    ),
]


@pytest.mark.parametrize(("args", "said"), BAD)
def test_misuse_has_its_sentence(args, said):
    with pytest.raises(TypeError) as caught:
        check_grad(*args)
    assert str(caught.value) == said


def test_the_report_calls_the_gradient_what_it_is():
    report = check_grad(rosen, lambda x: 2 * rosen_der(x), X, raises=False)
    assert "]: grad gives " in report.evidence
    assert "pullback" not in str(report)
