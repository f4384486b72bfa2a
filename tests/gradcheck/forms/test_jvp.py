"""Forward mode: in both ways of calling it, small and large, right and planted wrong."""

import numpy as np
import pytest

from npcbam.gradcheck import WrongGradientError
from npcbam.gradcheck.forms import check_jvp

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))
BIG = RNG.normal(size=(20, 15))


def product(x, w):
    return np.tanh(x @ w)


def product_jvp(x, w, dx, dw):
    return (dx @ w + x @ dw) / np.cosh(x @ w) ** 2


def in_tuples(primals, tangents):
    return product(*primals), product_jvp(*primals, *tangents)


# Right, in every form


RIGHT = {
    "flat": (product, product_jvp, (X, W)),
    "tuples": (product, in_tuples, (X, W)),
    "large": (product, product_jvp, (BIG, BIG.T.copy())),
    "one argument": (np.sin, lambda x, v: np.cos(x) * v, (X,)),
    "one argument in tuples": (np.sin, lambda p, t: np.cos(p[0]) * t[0], (X,)),
    "as jax gives it": (np.sin, lambda p, t: (np.sin(p[0]), np.cos(p[0]) * t[0]), (X,)),
    "beside a pullback": (
        lambda x: (x**2, lambda dy: 2 * x * dy),
        lambda x, v: 2 * x * v,
        (X,),
    ),
    "a whole number": (lambda x, n: x**n, lambda x, n, v, _: n * x ** (n - 1) * v, (X, 3)),
    "a tree": (
        lambda p: p["a"] * p["b"][0],
        lambda p, v: p["a"] * v["b"][0] + v["a"] * p["b"][0],
        ({"a": X, "b": [2 * X]},),
    ),
    "two results": (
        lambda x: (np.sin(x), x**2),
        lambda x, v: (np.cos(x) * v, 2 * x * v),
        (X,),
    ),
    "a number": (lambda x: float((x**2).sum()), lambda x, v: 2 * (x * v).sum(), (X,)),
    "no axes": (np.sin, lambda x, v: np.cos(x) * v, (np.array(0.5),)),
    "magnitudes": (np.abs, lambda x, v: np.sign(x) * v, (BIG,)),
    "float32": (product, product_jvp, (X.astype("f4"), W.astype("f4"))),
    "large float32": (product, product_jvp, (BIG.astype("f4"), BIG.T.astype("f4"))),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    f, jvp, args = RIGHT[name]
    assert check_jvp(f, jvp, *args).outcome == "right"


@pytest.mark.parametrize("n", [3, 17])
def test_domains(n):
    x = RNG.uniform(0.1, 2, (n, n))
    assert check_jvp(np.log, lambda x, v: v / x, x, domain="positive").outcome == "right"
    a = x + x.T + n * np.eye(n)
    report = check_jvp(
        np.linalg.inv, lambda a, v: -np.linalg.inv(a) @ v @ np.linalg.inv(a), a, domain="symmetric"
    )
    assert report.outcome == "right"


def test_said_how_it_is_called():
    def either(*given):
        return in_tuples(*given) if isinstance(given[0], tuple) else None

    assert check_jvp(product, either, X, W, takes="tuples").outcome == "right"


# Planted wrong


WRONG = {
    "one argument lost": (product, lambda x, w, dx, dw: dx @ w / np.cosh(x @ w) ** 2, (X, W), "dw"),
    "one argument lost, large": (
        product,
        lambda x, w, dx, dw: x @ dw / np.cosh(x @ w) ** 2,
        (BIG, BIG.T.copy()),
        "dx",
    ),
    "a factor": (np.sin, lambda x, v: 1.001 * np.cos(x) * v, (X,), "dx"),
    "the size of the tangent": (np.sin, lambda x, v: np.cos(x) * np.abs(v), (X,), "dx"),
    "entries of a tangent that meet": (
        np.sin,
        lambda x, v: np.cos(x) * v + 0.01 * np.roll(v, 1) * v,
        (X,),
        "together",
    ),
    "another shape": (np.sin, lambda x, v: (np.cos(x) * v).sum(), (X,), "shape"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_is_said_of_the_argument(name):
    f, jvp, args, said = WRONG[name]
    with pytest.raises(WrongGradientError, match=said):
        check_jvp(f, jvp, *args)


def test_fixed():
    def lost(x, w, dx, dw):
        return dx @ w / np.cosh(x @ w) ** 2

    big = (BIG, BIG.T.copy())
    for args in ((X, W), big):
        assert check_jvp(product, lost, *args, fixed=("w",)).outcome == "right"
        assert check_jvp(product, lost, *args, fixed=("x",), raises=False).outcome == "wrong"


def test_the_report_repeats_itself():
    report = check_jvp(product, lambda x, w, dx, dw: dx @ w, X, W, raises=False)
    assert "check_jvp(product, jvp, x, w, seed=0, raises=False)" in report.snippet


# Errors


BAD = [
    ((3, np.cos, X), TypeError, "f: expected a function, got int"),
    ((np.sin, X, X), TypeError, "jvp: expected a function, got ndarray"),
    (
        (np.sin, np.cos, 3),
        TypeError,
        "args: expected an array of floats among the arguments, got x: int",
    ),
]


@pytest.mark.parametrize(("args", "kind", "said"), BAD)
def test_misuse_has_its_sentence(args, kind, said):
    with pytest.raises(kind) as caught:
        check_jvp(*args)
    assert str(caught.value) == said


def test_the_two_ways_of_calling():
    with pytest.raises(ValueError, match="takes: expected 'flat', 'tuples' or None, got 'list'"):
        check_jvp(np.sin, np.cos, X, takes="list")
