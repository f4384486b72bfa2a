"""relu, sigmoid and scale."""

import math

import numpy as np
import pytest
from helpers import (
    DTYPES,
    assert_adjoint,
    assert_derivative,
    assert_laws,
    assert_layouts,
    assert_raises,
    assert_refuses,
    assert_same,
    assert_samples_apart,
    assert_stencil,
    assert_threads,
    bad_arrays,
    bad_cotangents,
    cotangent,
    distinct,
    integers,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from tolerances import STENCIL, ULP_ELEMENTARY

from npcbam.pointwise import relu, relu_vjp, scale, scale_vjp, sigmoid, sigmoid_vjp
from npcbam.strategies import cotangents_like, dtypes, feature_maps, layouts

ONE_ARRAY = pytest.mark.parametrize("f_vjp", [relu_vjp, sigmoid_vjp])
GATES = [(2, 3, 1, 1), (2, 1, 4, 5), (2, 3, 4, 5), (1, 1, 1, 1), (1, 3, 1, 5)]
# The largest finite exponent differs: exp(-1000) is 0 but in longdouble.
FAR = [(np.float32, 1000), (np.float64, 1000), (np.longdouble, 20000), (np.complex128, 1000)]


# By hand


def test_relu_by_hand():
    y, pullback = relu_vjp(np.array([[-1.0, 2.0], [0.0, 3.0]]))
    assert y.tolist() == relu(np.array([[-1.0, 2.0], [0.0, 3.0]])).tolist() == [[0, 2], [0, 3]]
    assert pullback(np.array([[5.0, 6.0], [7.0, 8.0]])).tolist() == [[0, 6], [0, 8]]


def test_sigmoid_by_hand():
    z = np.array([[0.0, np.log(3)], [-np.log(3), np.log(7)]])
    y, pullback = sigmoid_vjp(z)
    np.testing.assert_array_almost_equal_nulp(y, np.array([[1 / 2, 3 / 4], [1 / 4, 7 / 8]]), 2)
    np.testing.assert_array_equal(y, sigmoid(z))
    dz = pullback(np.array([[4.0, 16.0], [32.0, 64.0]]))
    np.testing.assert_array_almost_equal_nulp(dz, np.array([[1.0, 3.0], [6.0, 7.0]]), 4)


def test_scale_by_hand():
    gate, x = np.array([[2.0], [3.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    y, pullback = scale_vjp(gate, x)
    assert y.tolist() == scale(gate, x).tolist() == [[2, 4], [9, 12]]
    dgate, dx = pullback(np.array([[1.0, 10.0], [100.0, 1000.0]]))
    assert dgate.tolist() == [[21], [4300]]
    assert dx.tolist() == [[2, 20], [300, 3000]]


# An independent forward


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_against_a_loop(dtype):
    z = integers(3, 4, 5, dtype=dtype)
    want = [v if (v.real, v.imag) > (0, 0) else 0 for v in z.ravel().tolist()]
    assert relu(z).ravel().tolist() == want


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_sigmoid_against_scipy(dtype):
    z = np.arange(-80, 81).astype(dtype)
    np.testing.assert_array_almost_equal_nulp(sigmoid(z), expit(z), ULP_ELEMENTARY)


def test_sigmoid_of_complex_numbers():
    z = np.array([[0.5 + 1j, -0.5 + 1j], [3 - 2j, -30 + 0.1j]])
    np.testing.assert_allclose(sigmoid(z), 1 / (1 + np.exp(-z)), rtol=1e-15)
    np.testing.assert_allclose(sigmoid(-z), 1 - sigmoid(z), rtol=0, atol=1e-15)


@pytest.mark.parametrize("shape", GATES)
def test_scale_against_a_loop(shape):
    gate, x = integers(*shape), integers(2, 3, 4, 5, seed=1)
    y = scale(gate, x)
    for at in np.ndindex(x.shape):
        inside = tuple(min(i, size - 1) for i, size in zip(at, shape, strict=True))
        assert y[at] == gate[inside] * x[at]


# The derivative


@ONE_ARRAY
@pytest.mark.parametrize("shape", [(6,), (2, 3), (2, 3, 2, 2)])
def test_derivative(f_vjp, shape):
    assert_derivative(f_vjp, 3 * distinct(*shape))
    assert_stencil(f_vjp, distinct(*shape), tolerance=STENCIL)


@pytest.mark.parametrize("shape", GATES)
def test_derivative_of_scale(shape):
    gate, x = distinct(*shape), distinct(2, 3, 4, 5, seed=1)
    assert_derivative(scale_vjp, gate, x)
    assert_stencil(scale_vjp, gate, x, tolerance=STENCIL)


@pytest.mark.parametrize("shape", GATES)
def test_scale_is_linear_in_either_argument(shape):
    gate, x = integers(*shape, low=1), integers(2, 3, 4, 5, low=1, seed=1)
    dy = integers(2, 3, 4, 5, seed=2)
    dgate, dx = scale_vjp(gate, x)[1](dy)
    assert_adjoint(lambda g: (scale(g, x), lambda _: dgate), gate, gate + 1, dy)
    assert_adjoint(lambda v: (scale(gate, v), lambda _: dx), x, x + 1, dy)


def test_relu_at_a_kink_takes_no_gradient_and_passes_nan():
    y, pullback = relu_vjp(np.array([0.0, -0.0, np.nan, np.inf, -np.inf]))
    np.testing.assert_array_equal(y, [0, 0, np.nan, np.inf, 0])
    assert pullback(np.arange(1.0, 6.0)).tolist() == [0, 0, 3, 4, 0]


def test_relu_orders_complex_numbers_by_the_real_part_then_the_imaginary_part():
    z = np.array([-1 + 5j, 1 - 5j, 1j, -1j, 0])
    y, pullback = relu_vjp(z)
    assert y.tolist() == [0, 1 - 5j, 1j, 0, 0]
    assert pullback(z + 2).tolist() == [0, 3 - 5j, 2 + 1j, 0, 0]


@pytest.mark.parametrize(("dtype", "far"), FAR)
def test_sigmoid_far_out_is_exact_and_silent(dtype, far):
    z = np.array([far, -far, np.inf, -np.inf], dtype)
    with np.errstate(all="raise", under="ignore"):
        y, pullback = sigmoid_vjp(z)
        assert y.tolist() == [1, 0, 1, 0]
        assert pullback(cotangent(z)).tolist() == [0, 0, 0, 0]


def test_sigmoid_lets_its_tails_vanish_silently():
    with np.errstate(all="raise"):
        y, pullback = sigmoid_vjp(np.array([-1000.0, 0.0, 1000.0]))
        assert y.tolist() == [0, 0.5, 1]
        assert pullback(np.array([4.0, 4.0, 4.0])).tolist() == [0, 1, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_sigmoid_passes_nan_silently(dtype):
    y, pullback = sigmoid_vjp(np.array([np.nan, 0], dtype))
    np.testing.assert_array_equal(y, [np.nan, 0.5])
    np.testing.assert_array_equal(pullback(np.array([4, 4], dtype)), [np.nan, 1])


@pytest.mark.parametrize("imaginary", [1.0, -3.0, 700.0])
def test_sigmoid_far_out_on_complex_numbers(imaginary):
    z = np.array([1000 + imaginary * 1j, -1000 + imaginary * 1j])
    y, pullback = sigmoid_vjp(z)
    assert y.tolist() == [1, 0]
    assert pullback(np.array([1 + 1j, 2 - 1j])).tolist() == [0, 0]


def test_the_slope_of_sigmoid_keeps_its_digits_where_y_is_1():
    z = np.array([40.0, -40.0])
    y, pullback = sigmoid_vjp(z)
    assert y[0] == 1
    np.testing.assert_array_almost_equal_nulp(
        pullback(np.ones(2)), np.full(2, math.exp(-40)), ULP_ELEMENTARY
    )


# Laws


@ONE_ARRAY
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_laws(f_vjp, data):
    x = data.draw(feature_maps(dtype=None, samples=2))
    assert_laws(f_vjp, x)
    assert_layouts(lambda a: data.draw(layouts(a)), f_vjp, x)
    assert_samples_apart(f_vjp, x)
    order = data.draw(st.permutations(range(x.shape[1])))
    assert_same(f_vjp(x[:, order])[0], f_vjp(x)[0][:, order])


@settings(deadline=None, max_examples=40)
@given(st.data(), dtypes())
def test_laws_of_scale(data, dtype):
    x = data.draw(feature_maps(dtype=dtype, samples=2))
    kept = data.draw(st.tuples(*[st.booleans()] * x.ndim))
    first = x[tuple(slice(None if keep else 1) for keep in kept)]
    gate = data.draw(cotangents_like(first))
    assert_laws(scale_vjp, gate, x)
    assert_layouts(lambda a: data.draw(layouts(a)), scale_vjp, gate, x)
    assert_samples_apart(lambda v: scale_vjp(gate, v), x)


@ONE_ARRAY
@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_without_axes(f_vjp, dtype):
    z = np.array([3, 7], dtype)
    row, row_pullback = f_vjp(z)
    y, pullback = f_vjp(z[0, ...])
    assert_same((y, pullback(z[1, ...])), (row[0, ...], row_pullback(z[::-1])[0, ...]))


def test_scale_without_axes():
    gate, x, dy = (np.array(v) for v in (2.0, 3.0, 5.0))
    y, pullback = scale_vjp(gate, x)
    assert_same((y, *pullback(dy)), tuple(np.array(v) for v in (6.0, 15.0, 10.0)))


@ONE_ARRAY
def test_empty(f_vjp):
    x = np.zeros((0, 3, 2), np.float32)
    y, pullback = f_vjp(x)
    assert_same((y, pullback(y)), (x, x))


def test_empty_scale():
    gate, x = np.ones((1, 3, 1)), np.zeros((0, 3, 2))
    y, pullback = scale_vjp(gate, x)
    assert_same((y, *pullback(y)), (x, np.zeros((1, 3, 1)), x))


def test_threads():
    x = distinct(2, 8, 16, 16)
    assert_threads(relu_vjp, x)
    assert_threads(sigmoid_vjp, x)
    assert_threads(scale_vjp, distinct(2, 8, 1, 1), x)


# Errors

X = distinct(2, 3)


@pytest.mark.parametrize("f", [relu, relu_vjp, sigmoid, sigmoid_vjp])
def test_bad_z(f):
    assert_refuses(f, bad_arrays("z", X))


@pytest.mark.parametrize("f", [scale, scale_vjp])
def test_bad_arguments_of_scale(f):
    assert_refuses(lambda x: f(X, x), bad_arrays("x", X))
    assert_refuses(lambda gate: f(gate, X), bad_arrays("gate", X))
    for shape, wanted in [((2,), (2, 3)), ((1, 2), (1, 3)), ((3, 1), (2, 1)), ((2, 3, 1), (2, 3))]:
        message = f"gate: expected shape {wanted}, got {'(2,)' if shape == (2,) else shape}"
        assert_raises(ValueError, message, f, np.ones(shape), X)
    message = "gate: expected dtype float64 like x, got float32; cast one of them with .astype"
    assert_raises(TypeError, message, f, X.astype("f4"), X)


@pytest.mark.parametrize(("f_vjp", "args"), [(sigmoid_vjp, [X]), (scale_vjp, [X, X])])
def test_bad_cotangents(f_vjp, args):
    y, pullback = f_vjp(*args)
    assert_refuses(pullback, bad_cotangents(y))


def test_bad_cotangents_of_relu():
    assert_refuses(relu_vjp(X)[1], bad_cotangents(X))
