"""Reverse and forward mode of one function, held against each other."""

import numpy as np
import pytest

from npcbam.gradcheck import WrongGradientError
from npcbam.gradcheck.forms import check_pair

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))


def product(x, w):
    return x @ w, lambda dy: (dy @ w.T, x.T @ dy)


def product_jvp(x, w, dx, dw):
    return dx @ w + x @ dw


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_right(dtype):
    assert check_pair(product, product_jvp, X.astype(dtype), W.astype(dtype)).outcome == "right"


def test_right_with_a_whole_number():
    def power(x, n):
        return x**n, lambda dy: (n * x ** (n - 1) * dy, None)

    assert check_pair(power, lambda x, n, v, _: n * x ** (n - 1) * v, X, 3).outcome == "right"


def test_right_at_a_kink():
    def relu(x):
        return np.maximum(x, 0), lambda dy: dy * (x > 0)

    assert check_pair(relu, lambda x, v: v * (x > 0), np.array([0.0, 1.0, -2.0])).outcome == "right"


def test_right_for_a_tree():
    def f(p):
        return p["a"] * p["b"], lambda dy: {"a": dy * p["b"], "b": dy * p["a"]}

    def jvp(p, v):
        return p["a"] * v["b"] + v["a"] * p["b"]

    assert check_pair(f, jvp, {"a": X, "b": 2 * X}).outcome == "right"


WRONG = {
    "the transpose": (lambda x: (x @ W, lambda dy: dy @ -W.T), lambda x, v: v @ W, (X,), "dx"),
    "one argument": (product, lambda x, w, dx, dw: dx @ w + 2 * x @ dw, (X, W), "dw"),
    "not linear": (
        lambda x: (x**2, lambda dy: 2 * x * dy),
        lambda x, v: 2 * x * v * np.abs(v),
        (X,),
        "dx",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_is_said_of_the_argument(name):
    f, jvp, args, said = WRONG[name]
    with pytest.raises(WrongGradientError, match=said):
        check_pair(f, jvp, *args)


def test_where_x_may_lie_says_nothing_of_its_tangent():
    def f(x):
        return np.log(x), lambda dy: dy / x

    report = check_pair(f, lambda x, v: v / x, np.abs(X), domain="positive")
    assert report.outcome == "right"
    (note,) = [note for note in report.notes if "tangent" in note]
    assert note == (
        "x stands for the tangent of x: jvp is linear in it, and the pullback must be its "
        "transpose; check_vjp and check_jvp tell which of the two is off"
    )


def test_the_same_mistake_in_both_agrees():
    def f(x):
        return np.sin(x), lambda dy: dy * np.sin(x)

    assert check_pair(f, lambda x, v: v * np.sin(x), X).outcome == "right"


def test_a_fixed_argument_has_no_tangent_to_look_at():
    f, jvp, args, _ = WRONG["one argument"]
    report = check_pair(f, jvp, *args, fixed=("w",))
    assert (report.outcome, [leaf.leaf for leaf in report.leaves]) == ("right", ["x"])


def test_what_the_function_raises_is_the_users_own():
    with pytest.raises(ZeroDivisionError):
        check_pair(lambda x: 1 / 0, lambda x, v: v, X, raises=False)


def test_tangents_have_either_sign_and_sizes_around_one():
    seen = []

    def jvp(x, v):
        seen.append(v.real)
        return 2 * x * v

    check_pair(lambda x: (x**2, lambda dy: 2 * x * dy), jvp, np.ones(100))
    drawn = next(v for v in seen if v.any())
    size = np.abs(drawn)
    seen.clear()
    check_pair(lambda x: (x**2, lambda dy: 2 * x * dy), jvp, np.ones(100), seed=1)
    assert not (drawn == next(v for v in seen if v.any())).any()
    assert 20 < (drawn < 0).sum() < 80
    assert (size.min() >= 0.5, size.max() <= 1.5) == (True, True)
    assert np.unique(size).size == 100


def test_whole_numbers_in_a_tree_stay():
    """Their tangent is 0, and a function is given them as they are."""

    def f(p):
        assert p["n"].dtype.kind == "i"
        return p["x"] ** p["n"], lambda dy: {"x": p["n"] * p["x"] ** (p["n"] - 1) * dy, "n": None}

    def jvp(p, v):
        assert not v["n"].any()
        return p["n"] * p["x"] ** (p["n"] - 1) * v["x"]

    assert check_pair(f, jvp, {"x": X, "n": np.array(3)}).outcome == "right"


BAD = [
    ((3, np.cos, X), "f: expected a function, got int"),
    ((product, X, X), "jvp: expected a function, got ndarray"),
    (
        (product, product_jvp, 3, 4),
        "args: expected an array of floats among the arguments, got x: int, w: int",
    ),
]


@pytest.mark.parametrize(("args", "said"), BAD)
def test_misuse_has_its_sentence(args, said):
    with pytest.raises(TypeError) as caught:
        check_pair(*args)
    assert str(caught.value) == said
