"""The dot product test of a linear map and its transpose."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npcbam.gradcheck import check_adjoint

EPS = float(np.finfo(np.float64).eps)


def captured(f, adjoint, x, seed=0):
    """Return the message, and what f and the adjoint were asked for."""
    asked = []

    def keep(g):
        return lambda z: asked.append(z) or g(z)

    with pytest.raises(AssertionError) as caught:
        check_adjoint(keep(f), keep(adjoint), x, seed=seed)
    return str(caught.value), asked


# By hand


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_a_matrix_and_its_transpose(dtype):
    a = np.random.default_rng(0).normal(size=(3, 5)).astype(dtype)
    assert check_adjoint(lambda x: a @ x, lambda y: a.T @ y, np.zeros(5, dtype)) is None


@pytest.mark.parametrize(
    ("f", "adjoint"),
    [
        (np.cumsum, lambda y: np.cumsum(y[::-1])[::-1]),
        (lambda x: x[::2], lambda y: np.array([y[0], 0, y[1], 0])),
        (lambda x: np.pad(x, 1), lambda y: y[1:-1]),
        (lambda x: x.sum(), lambda y: np.full(4, y)),
        (lambda x: x[:0], lambda y: np.zeros(4)),
    ],
)
def test_linear_maps(f, adjoint):
    check_adjoint(f, adjoint, np.zeros(4))


def test_what_is_no_adjoint_is_told_with_both_sides():
    x = np.zeros(3)
    message, (u, both, v, dy) = captured(lambda x: x, lambda y: 2 * y, x, seed=7)
    np.testing.assert_array_equal(both, u + v)
    ahead, behind = math.fsum(u * dy), math.fsum(2 * u * dy)
    allowed = 16 * EPS * 3 * np.abs(u * dy).sum()
    assert message == (
        f"⟨f(x), y⟩ = {ahead:.17g} but ⟨x, adjoint(y)⟩ = {behind:.17g}, "
        f"off by {abs(ahead - behind):.3g}, allowed {allowed:.3g}; seed 7"
    )


def test_what_is_not_linear_is_told_with_the_difference():
    message, _ = captured(lambda x: x + 3, lambda y: y, np.zeros(4))
    assert message == "f is not linear: f(u + v) and f(u) + f(v) differ by 3"
    message, _ = captured(lambda x: x, lambda y: y[:2], np.zeros(4))
    assert message == "adjoint: expected shape (4,), got (2,)"


@pytest.mark.parametrize(("share", "linear"), [(0.4, True), (1.1, False)])
@pytest.mark.parametrize("size", [1, 64])
def test_rounding_is_no_lack_of_linearity(share, linear, size):
    """Sixteen roundings for each of the terms that an entry may add up."""
    x, first = np.zeros(size), []

    def f(x):
        first.append(x)
        if len(first) != 2:
            return x.copy()
        # The second call is that of u + v; v comes last.
        allowed = 16 * EPS * size * (np.abs(x).max() + np.abs(first[0]).max())
        return x + share * allowed

    if linear:
        check_adjoint(f, lambda y: y, x)
    else:
        with pytest.raises(AssertionError, match="f is not linear"):
            check_adjoint(f, lambda y: y, x)


def test_the_default_seed_is_0():
    for bad in (lambda y: 2 * y, lambda y: -y):
        messages = [captured(lambda x: x, bad, np.zeros(5), **s)[0] for s in ({}, {"seed": 0})]
        assert messages[0] == messages[1] != captured(lambda x: x, bad, np.zeros(5), seed=1)[0]


# Laws


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_one_entry_of_a_transpose_is_enough_to_fail(rows, columns, seed):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(rows, columns))
    check_adjoint(lambda x: a @ x, lambda y: a.T @ y, np.zeros(columns), seed=seed)
    wrong = a.copy()
    wrong[rng.integers(rows), rng.integers(columns)] += 1e-9 * (1 + np.abs(a).max())
    with pytest.raises(AssertionError, match="off by"):
        check_adjoint(lambda x: a @ x, lambda y: wrong.T @ y, np.zeros(columns), seed=seed)


# Errors


@pytest.mark.parametrize(
    ("f", "adjoint", "message"),
    [
        (lambda x: x[::-1], lambda y: y, "off by"),
        (lambda x: 2 * x, lambda y: 2.000001 * y, "off by"),
        (lambda x: x**2, lambda y: y, "not linear"),
        (lambda x: np.abs(x), lambda y: y, "not linear"),
        (lambda x: x + 1, lambda y: y, "not linear"),
        (lambda x: x, lambda y: y[:2], "expected shape"),
        (lambda x: x, lambda y: y * np.nan, "off by nan"),
    ],
)
def test_what_is_no_adjoint(f, adjoint, message):
    with pytest.raises(AssertionError, match=message):
        check_adjoint(f, adjoint, np.zeros(4))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0], "^x: expected a NumPy array or a layer, got list$"),
        (np.zeros(2, complex), "^x: expected a real dtype, got complex128$"),
        (np.zeros(2, int), "^x: expected dtype float32"),
    ],
)
def test_adjoint_wants_a_real_array(x, message):
    with pytest.raises(TypeError, match=message):
        check_adjoint(lambda x: x, lambda y: y, x)


def test_adjoint_wants_two_functions():
    with pytest.raises(TypeError, match=r"^adjoint: expected a function, got NoneType$"):
        check_adjoint(lambda x: x, None, np.zeros(4))
