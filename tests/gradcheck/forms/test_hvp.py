"""Second order: Hessian-vector products of a loss and of ⟨dy, f⟩, and pullbacks of pullbacks."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess_prod

from npcbam.gradcheck import WrongGradientError, check_vjp
from npcbam.gradcheck.forms import check_hvp, pullback_as_function

X = np.random.default_rng(0).normal(size=5)
DY = np.array([1.0, -2.0, 0.5, 3.0, 1.5])


def cube(x):
    return x**3, lambda dy: 3 * x**2 * dy


# Right


RIGHT = {
    "as in scipy": (rosen, rosen_hess_prod, (X,), {"grad": rosen_der}),
    "beside the loss": (lambda x: (rosen(x), rosen_der(x)), rosen_hess_prod, (X,), {}),
    "of a pullback": (cube, lambda x, v: 6 * x * DY * v, (X,), {"dy": DY}),
    "of a loss with a pullback": (
        lambda x: ((x**3).sum(), lambda dy: 3 * x**2 * dy),
        lambda x, v: 6 * x * v,
        (X,),
        {},
    ),
    "more arguments": (
        lambda x, a, n: (a * x**n).sum(),
        lambda x, v, a, n: a * n * (n - 1) * x ** (n - 2) * v,
        (X, DY, 3),
        {"grad": lambda x, a, n: a * n * x ** (n - 1)},
    ),
    "gradients of more arguments": (
        lambda x, a: ((a * x**3).sum(), (3 * a * x**2, x**3)),
        lambda x, v, a: 6 * a * x * v,
        (X, DY),
        {},
    ),
    "float32": (
        lambda x: ((x**3).sum(), 3 * x**2),
        lambda x, v: 6 * x * v,
        (X.astype(np.float32),),
        {},
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    f, hvp, args, how = RIGHT[name]
    report = check_hvp(f, hvp, *args, **how)
    assert report.outcome == "right"
    assert not any(note.startswith("this is the gradient") for note in report.notes)


# Planted wrong


def test_a_wrong_product():
    with pytest.raises(WrongGradientError, match="dx") as caught:
        check_hvp(rosen, lambda x, v: rosen_hess_prod(x, v) + 0.1 * v, X, grad=rosen_der)
    assert any(note.startswith("y is the gradient here") for note in caught.value.report.notes)


def test_a_wrong_gradient_is_said_first():
    report = check_hvp(rosen, rosen_hess_prod, X, grad=lambda x: 2 * rosen_der(x), raises=False)
    assert report.outcome == "wrong"
    assert any(note.startswith("this is the gradient") for note in report.notes)
    assert "check_hvp(rosen, rosen_hess_prod, x, grad=grad, seed=0" in report.snippet


def test_a_product_that_is_not_symmetric():
    # The Jacobian of what is no gradient of anything is not its own transpose.
    def f(x):
        return (x**2).sum(), 2 * x

    report = check_hvp(f, lambda x, v: 2 * v + 0.1 * np.roll(v, 1), X, raises=False)
    assert report.outcome == "wrong"


# A pullback of a pullback


def test_a_pullback_as_a_function_by_hand():
    g = pullback_as_function(cube)
    assert (g(np.array([2.0]), np.array([5.0])) == [60]).all()


@pytest.mark.parametrize(("factor", "outcome"), [(6, "right"), (3, "wrong")])
def test_a_pullback_of_a_pullback(factor, outcome):
    g = pullback_as_function(cube)

    def g_vjp(x, dy):
        return g(x, dy), lambda ddx: (factor * x * dy * ddx, 3 * x**2 * ddx)

    if outcome == "wrong":
        with pytest.raises(WrongGradientError, match="dx"):
            check_vjp(g_vjp, X, DY)
    else:
        assert check_vjp(g_vjp, X, DY).outcome == outcome


# Errors


BAD = [
    ((3, rosen_hess_prod, X), {}, "f: expected a function, got int"),
    ((rosen, X, X), {}, "hvp: expected a function, got ndarray"),
    ((rosen, rosen_hess_prod, X), {"grad": X}, "grad: expected a function, got ndarray"),
    (
        (rosen, rosen_hess_prod, X),
        {},
        "f: expected it to give (loss, grad) or (y, pullback), got float64; or give grad=",
    ),
    (
        (cube, rosen_hess_prod, X),
        {},
        "dy: y has 5 elements; expected the cotangent whose gradient is meant",
    ),
]


@pytest.mark.parametrize(("args", "how", "said"), BAD)
def test_misuse_has_its_sentence(args, how, said):
    with pytest.raises(TypeError) as caught:
        check_hvp(*args, **how)
    assert str(caught.value) == said
