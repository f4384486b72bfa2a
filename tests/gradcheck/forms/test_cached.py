"""A forward with a cache: in every shape in which gradients come back, right and planted wrong."""

import numpy as np
import pytest

from npcbam.gradcheck import WrongGradientError, examine
from npcbam.gradcheck.forms import cached_vjp, check_cached

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=2)


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_back(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(0)


def norm(x, gamma, beta, bn_param):
    mean, var = x.mean(0), x.var(0)
    ready = bn_param.setdefault("running_mean", np.zeros(x.shape[1]))
    bn_param["running_mean"] = 0.9 * ready + 0.1 * mean
    hat = (x - mean) / np.sqrt(var + bn_param["eps"])
    return gamma * hat + beta, (gamma, hat, var + bn_param["eps"])


def norm_back(dout, cache):
    gamma, hat, var = cache
    dhat = dout * gamma
    dx = (dhat - dhat.mean(0) - hat * (dhat * hat).mean(0)) / np.sqrt(var)
    return dx, (dout * hat).sum(0), dout.sum(0)


def cell(x, h):
    a, b = np.tanh(x + h), x * h
    return a, b, (a, x, h)


def cell_back(da, db, cache):
    a, x, h = cache
    ds = da * (1 - a * a)
    return ds + db * h, ds + db * x


# By hand


def test_the_form_of_the_function_by_hand():
    y, pullback = cached_vjp(lambda x: (3 * x, None), lambda dout, cache: 3 * dout)(np.ones(2))
    assert (y == 3).all()
    assert (pullback(np.array([1.0, 2.0])) == [3, 6]).all()


def test_gradients_by_name_are_laid_in_the_order_of_the_arguments():
    def named(dout, cache):
        dx, dw, db = affine_back(dout, cache)
        return {"db": db, "grad_w": dw, "x": dx}

    _, pullback = cached_vjp(affine, named)(X, W, B)
    dy = RNG.normal(size=(4, 2))
    wanted = affine_back(dy, (X, W))
    for got, want in zip(pullback(dy), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


# Right, in every shape


RIGHT = {
    "a tuple": (affine, affine_back, (X, W, B)),
    "a list": (affine, lambda d, c: [*affine_back(d, c)], (X, W, B)),
    "a bare array": (lambda x: (np.tanh(x), x), lambda d, x: d / np.cosh(x) ** 2, (X,)),
    "a tuple of one": (lambda x: (np.tanh(x), x), lambda d, x: (d / np.cosh(x) ** 2,), (X,)),
    "by name": (
        affine,
        lambda d, c: dict(zip(("dx", "dw", "db"), affine_back(d, c), strict=True)),
        (X, W, B),
    ),
    "settings at the end": (norm, norm_back, (X, W[:, 0], B[0] * W[:, 1], {"eps": 1e-5})),
    "None for settings": (
        norm,
        lambda d, c: (*norm_back(d, c), None),
        (X, W[:, 0], W[:, 1], {"eps": 1e-5}),
    ),
    "several outputs": (cell, cell_back, (X, 2 * X[::-1])),
    "whole numbers first": (
        lambda words, table: (table[words], (words, table)),
        lambda d, c: np.stack([d[c[0] == k].sum(0) for k in range(len(c[1]))]),
        (np.array([0, 2, 2]), X),
    ),
    "a number at the end": (lambda x, k: (k * x, k), lambda d, k: k * d, (X, 3)),
    "a tree": (
        lambda p: (p["a"] * p["b"][0], p),
        lambda d, p: {"a": d * p["b"][0], "b": [d * p["a"]]},
        ({"a": X, "b": [2 * X]},),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    forward, backward, args = RIGHT[name]
    assert check_cached(forward, backward, *args).outcome == "right"


def test_float32_stays_float32():
    args = [arg.astype(np.float32) for arg in (X, W, B)]
    assert check_cached(affine, affine_back, *args).outcome == "right"


# Planted wrong


WRONG = {
    "dw": (
        affine,
        lambda d, c: (d @ c[1].T, 2 * c[0].T @ d, d.sum(0)),
        (X, W, B),
        "dw",
        "mismatch",
    ),
    "db": (affine, lambda d, c: (*affine_back(d, c)[:2], d.mean(0)), (X, W, B), "db", "mismatch"),
    "the mean term": (
        norm,
        lambda d, c: (d * c[0] / np.sqrt(c[2]), *norm_back(d, c)[1:]),
        (X, W[:, 0], W[:, 1], {"eps": 1e-5}),
        "dx",
        "mismatch",
    ),
    "one of two outputs": (
        cell,
        lambda da, db, c: (da * (1 - c[0] ** 2) + db * c[2], da * (1 - c[0] ** 2)),
        (X, 2 * X),
        "dh",
        "mismatch",
    ),
    "forgotten": (affine, lambda d, c: affine_back(d, c)[:2], (X, W, B), "3 cotangents", "count"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_is_said_of_the_argument(name):
    forward, backward, args, said, code = WRONG[name]
    with pytest.raises(WrongGradientError, match=said) as caught:
        check_cached(forward, backward, *args)
    assert caught.value.report.code == code


def test_without_raising():
    report = check_cached(affine, lambda d, c: (d, d, d), X, W, B, seed=3, raises=False)
    assert (report.outcome, report.code, report.seed) == ("wrong", "shape", 3)
    assert "check_cached(affine, backward, x, w, b, seed=3, raises=False)" in report.snippet


def test_as_a_function_for_examine():
    assert examine(cached_vjp(affine, affine_back), X, W, B).leaves[1].leaf == "w"


def test_a_cotangent_that_is_written_to():
    def in_place(dout, x):
        dout *= x > 0
        return dout

    report = check_cached(lambda x: (np.maximum(x, 0), x), in_place, X, raises=False)
    assert (report.outcome, report.code) == ("wrong", "writes")


# Apart


def test_settings_are_not_written_to():
    settings = {"eps": 1e-5}
    check_cached(norm, norm_back, X, W[:, 0], W[:, 1], settings)
    assert settings == {"eps": 1e-5}


def test_state_among_the_settings_is_not_asked_about():
    settings = {"eps": 1e-5, "running_mean": np.zeros(3)}
    report = check_cached(norm, norm_back, X, W[:, 0], W[:, 1], settings)
    assert [leaf.leaf for leaf in report.leaves] == ["x", "gamma", "beta"]
    assert "not asked about, for no gradient is given: bn_param" in report.notes


# Errors


BAD = [
    ((None, affine_back, X), "forward: expected a function, got NoneType"),
    ((affine, 3, X), "backward: expected a function, got int"),
    (
        (lambda x: 2 * x, affine_back, X),
        "forward: expected it to return (out, cache), got ndarray; y alone has no backward to "
        "check: check_grad(f, grad, x) is for a loss and its gradient, "
        "check_cached(forward, backward, *args) for a forward and a backward",
    ),
    (
        (lambda x: (x, x), lambda d, c: {"dz": d}, X),
        "backward: expected gradients named after x, such as dx, got 'dz'",
    ),
    (
        (lambda n: (n, n), lambda d, c: d, 3),
        "args: expected an array of floats among the arguments, got n: int",
    ),
]


@pytest.mark.parametrize(("args", "said"), BAD)
def test_misuse_has_its_sentence(args, said):
    with pytest.raises(TypeError) as caught:
        check_cached(*args)
    assert str(caught.value) == said


def test_names_of_all_arguments():
    with pytest.raises(ValueError, match="names: expected 3 names, got 1"):
        check_cached(affine, affine_back, X, W, B, names=("x",))
    with pytest.raises(TypeError, match="names: expected a tuple of strings, got 3"):
        check_cached(affine, affine_back, X, W, B, names=3)
