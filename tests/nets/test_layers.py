"""Strided convolution, pooling in windows, and the linear layer."""

import dataclasses
import functools

import numpy as np
import pytest
import scipy.signal
import torch
from helpers import (
    DTYPES,
    assert_adjoint,
    assert_derivative,
    assert_empty_batch,
    assert_laws,
    assert_layouts,
    assert_raises,
    assert_refuses,
    assert_same,
    assert_samples_apart,
    assert_stencil,
    bad_arrays,
    bad_cotangents,
    cotangent,
    distinct,
    integers,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import STENCIL

from npcbam import Conv
from npcbam.nets import Convolution, Linear, avg_pool_vjp, max_pool_vjp
from npcbam.nets.layers import windows_vjp
from npcbam.strategies import cotangents_like, feature_maps, layouts

# Kernel, stride, padding and map. In some the last rows are seen by no window, in some a window
# sees nothing but padding, and in some there is one position only.
GEOMETRIES = [
    ((1, 1), 1, 0, (3, 2)),
    ((3, 3), 1, 1, (4, 5)),
    ((3, 3), 2, 1, (5, 6)),
    ((2, 2), 2, 0, (5, 4)),
    ((3, 2), 1, 0, (3, 2)),
    ((1, 1), 3, 2, (2, 3)),
    ((5, 3), 2, 3, (1, 4)),
]
EVERY_GEOMETRY = pytest.mark.parametrize(("kernel", "stride", "padding", "space"), GEOMETRIES)
# Window, stride and map.
POOLED = [(2, None, (4, 4)), (2, None, (5, 3)), (3, 2, (5, 7)), (2, 1, (3, 4)), (1, 3, (4, 2))]
EVERY_POOL = pytest.mark.parametrize("pool_vjp", [max_pool_vjp, avg_pool_vjp])
EVERY_WINDOW = pytest.mark.parametrize(("window", "stride", "space"), POOLED)


def vjp(layer, x):
    return layer.vjp(x)


def whole(kernel, stride, padding, dtype=np.float64):
    """Return a layer of small integers, from 2 to 3 planes."""
    w = integers(3, 2, *kernel, dtype=dtype, seed=1)
    return Convolution(w, integers(3, dtype=dtype, seed=2), stride, padding)


# By hand


def test_convolution_by_hand():
    conv = Convolution(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.array([100.0]), 2, 1)
    x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    # The windows are the corners: each sees one element, through the opposite tap.
    y, pullback = conv.vjp(x)
    assert y.tolist() == conv(x).tolist() == [[[[104, 106], [106, 104]]]]
    dconv, dx = pullback(np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]))
    assert dconv.w.tolist() == [[[[4000, 300], [20, 1]]]]
    assert dconv.b.tolist() == [1111]
    assert dx.tolist() == [[[[4, 30], [200, 1000]]]]


def test_pools_by_hand():
    x = np.array([[[[1.0, 5.0, 2.0], [5.0, 4.0, 3.0]]]])
    y, pullback = max_pool_vjp(x, 2, 1)
    assert y.tolist() == [[[[5, 5]]]]
    # Both windows see the 5 of the first row, and the first of two gets the gradient.
    assert pullback(np.array([[[[1.0, 10.0]]]])).tolist() == [[[[0, 11, 0], [0, 0, 0]]]]
    y, pullback = avg_pool_vjp(x, 2, 1)
    assert y.tolist() == [[[[3.75, 3.5]]]]
    assert pullback(np.array([[[[4.0, 8.0]]]])).tolist() == [[[[1, 3, 2], [1, 3, 2]]]]


def test_linear_by_hand():
    linear = Linear(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 20.0]))
    f = np.array([[5.0, 6.0]])
    z, pullback = linear.vjp(f)
    assert z.tolist() == linear(f).tolist() == [[27, 59]]
    dlinear, df = pullback(np.array([[1.0, 100.0]]))
    assert dlinear.w.tolist() == [[5, 6], [500, 600]]
    assert (dlinear.b.tolist(), df.tolist()) == ([1, 100], [[301, 402]])


# An independent forward


@EVERY_GEOMETRY
@pytest.mark.parametrize("dtype", DTYPES)
def test_convolution_against_scipy(kernel, stride, padding, space, dtype):
    conv, x = whole(kernel, stride, padding, dtype), integers(2, 2, *space, dtype=dtype)
    y = conv(x)
    margin = ((padding, padding), (padding, padding))
    for n, o in np.ndindex(y.shape[:2]):
        # scipy conjugates its second argument.
        planes = [
            scipy.signal.correlate(np.pad(plane, margin), w.conj(), "valid", "direct")
            for plane, w in zip(x[n], conv.w[o], strict=True)
        ]
        np.testing.assert_array_equal(y[n, o], sum(planes)[::stride, ::stride] + conv.b[o])


def test_with_stride_1_it_is_the_same_padded_correlation():
    w, x = integers(3, 2, 3, 3, seed=1), integers(2, 2, 4, 5)
    conv, same = Convolution(w, padding=1), Conv(w)
    (y, pullback), (want, same_pullback) = conv.vjp(x), same.vjp(x)
    dconv, dx = pullback(cotangent(y).round(1) * 8)
    dsame, same_dx = same_pullback(cotangent(y).round(1) * 8)
    assert_same(y, want)
    np.testing.assert_allclose(dx, same_dx, rtol=1e-14, atol=1e-12)
    np.testing.assert_allclose(dconv.w, dsame.w, rtol=1e-14, atol=1e-12)


@EVERY_WINDOW
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pools_against_torch(window, stride, space, dtype):
    x = integers(2, 3, *space, dtype=dtype)
    x *= window * window  # so that the mean is a whole number
    for pool_vjp, peer in [
        (max_pool_vjp, torch.nn.functional.max_pool2d),
        (avg_pool_vjp, torch.nn.functional.avg_pool2d),
    ]:
        y, pullback = pool_vjp(x, window, stride)
        theirs = torch.from_numpy(x).requires_grad_()
        want = peer(theirs, window, stride)
        np.testing.assert_array_equal(y, want.detach().numpy())
        dy = window * window * integers(*y.shape, dtype=dtype, seed=1)
        want.backward(torch.from_numpy(dy))
        np.testing.assert_array_equal(pullback(dy), theirs.grad.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_against_loops(dtype):
    linear = Linear(integers(3, 4, dtype=dtype, seed=1), integers(3, dtype=dtype, seed=2))
    f = integers(5, 4, dtype=dtype)
    for n, z in enumerate(linear(f)):
        for k, value in enumerate(z):
            terms = [linear.w[k, c] * f[n, c] for c in range(4)]
            assert value == sum(terms) + linear.b[k]


# The derivative


@EVERY_GEOMETRY
@pytest.mark.parametrize("bias", [False, True])
def test_derivative_of_convolution(kernel, stride, padding, space, bias):
    b = distinct(3, seed=1) if bias else None
    conv = Convolution(distinct(3, 2, *kernel), b, stride, padding)
    assert_derivative(vjp, conv, distinct(2, 2, *space, seed=2))
    assert_stencil(vjp, conv, distinct(2, 2, *space, seed=2), tolerance=STENCIL)


@EVERY_GEOMETRY
def test_adjoint_in_either_argument(kernel, stride, padding, space):
    conv, x = whole(kernel, stride, padding), integers(2, 2, *space, low=1)
    like = functools.partial(Convolution, stride=stride, padding=padding)
    y, pullback = like(conv.w).vjp(x)
    dy = integers(*y.shape, seed=3)
    dconv, dx = pullback(dy)
    other_w, other_x = integers(*conv.w.shape, low=1, seed=4), integers(*x.shape, low=1, seed=5)
    assert_adjoint(lambda v: (like(conv.w)(v), lambda _: dx), x, other_x, dy)
    assert_adjoint(lambda v: (like(v)(x), lambda _: dconv.w), conv.w, other_w, dy)


@EVERY_GEOMETRY
def test_adjoint_of_windows(kernel, stride, padding, space):
    x, other = integers(2, 2, *space), integers(2, 2, *space, low=1, seed=1)
    windows = functools.partial(windows_vjp, kernel=kernel, stride=stride, padding=padding)
    assert_adjoint(windows, x, other, integers(*windows(x)[0].shape, low=1, seed=2))


@EVERY_POOL
@EVERY_WINDOW
def test_derivative_of_pools(pool_vjp, window, stride, space):
    pool = functools.partial(pool_vjp, window=window, stride=stride)
    assert_derivative(pool, 4 * distinct(2, 2, *space))
    # Steps of the stencil must not change which element is the largest.
    assert_stencil(pool, 4 * distinct(2, 2, *space), step=2.0**-12, tolerance=STENCIL)


@pytest.mark.parametrize("bias", [False, True])
def test_derivative_of_linear(bias):
    linear = Linear(distinct(3, 4), distinct(3, seed=1) if bias else None)
    assert_derivative(vjp, linear, distinct(5, 4, seed=2))
    assert_stencil(vjp, linear, distinct(5, 4, seed=2), tolerance=STENCIL)


# Laws


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_laws_of_convolution(data):
    x = data.draw(feature_maps(ndim=4, dtype=None, samples=2, max_size=4))
    stride, padding = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 2))
    sizes = [data.draw(st.integers(1, size + 2 * padding)) for size in x.shape[2:]]
    shape = (data.draw(st.integers(1, 3)), x.shape[1], *sizes)
    w = data.draw(cotangents_like(np.ones(shape, x.dtype)))
    b = data.draw(st.none() | cotangents_like(np.ones(shape[0], x.dtype)))
    conv = Convolution(w, b, stride, padding)
    assert_laws(vjp, conv, x)
    assert_layouts(lambda a: data.draw(layouts(a)), vjp, conv, x)


@EVERY_POOL
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_laws_of_pools(pool_vjp, data):
    x = data.draw(feature_maps(ndim=4, dtype=None, samples=2, max_size=5))
    window = data.draw(st.integers(1, min(x.shape[2:])))
    pool = functools.partial(
        pool_vjp, window=window, stride=data.draw(st.none() | st.integers(1, 3))
    )
    assert_laws(pool, x)
    assert_layouts(lambda a: data.draw(layouts(a)), pool, x)
    order = data.draw(st.permutations(range(x.shape[1])))
    assert_same(pool(x[:, order])[0], pool(x)[0][:, order])


@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_laws_of_linear(data):
    f = data.draw(feature_maps(ndim=3, dtype=None, samples=2, max_size=1))[..., 0]
    w = data.draw(cotangents_like(np.ones((data.draw(st.integers(1, 4)), f.shape[1]), f.dtype)))
    b = data.draw(st.none() | cotangents_like(np.ones(len(w), f.dtype)))
    assert_laws(vjp, Linear(w, b), f)
    assert_layouts(lambda a: data.draw(layouts(a)), vjp, Linear(w, b), f)


@EVERY_GEOMETRY
@pytest.mark.parametrize("dtype", DTYPES)
def test_samples_are_apart(kernel, stride, padding, space, dtype):
    conv, x = whole(kernel, stride, padding, dtype), distinct(2, 2, *space, dtype=dtype)
    if stride > kernel[0]:
        # Let a window see the first element, where the NaN will stand.
        conv = dataclasses.replace(conv, padding=0)
    assert_samples_apart(conv.vjp, x)


@EVERY_POOL
def test_nan_stays_in_its_window(pool_vjp):
    x = distinct(2, 2, 4, 4)
    assert_samples_apart(lambda v: pool_vjp(v, 2), x)
    spoilt = x.copy()
    spoilt[0, 0, 0, 0] = np.nan
    y = pool_vjp(spoilt, 2)[0]
    assert np.isnan(y[0, 0, 0, 0])
    assert np.isnan(y).sum() == 1


@EVERY_GEOMETRY
def test_empty_batch(kernel, stride, padding, space):
    conv = whole(kernel, stride, padding, np.float32)
    assert_empty_batch(vjp, conv, integers(2, 2, *space, dtype="f4"))


def test_empty_batch_of_linear_and_pools():
    linear, x = Linear(integers(3, 2), integers(3)), np.zeros((0, 2, 4, 4))
    assert_empty_batch(vjp, linear, integers(2, 2))
    for pool_vjp in (max_pool_vjp, avg_pool_vjp):
        y, pullback = pool_vjp(x, 2)
        assert (y.shape, pullback(y).shape) == ((0, 2, 2, 2), x.shape)


# Errors

CONV = Convolution(np.ones((3, 2, 3, 3)), np.ones(3), 2, 1)
LINEAR = Linear(np.ones((3, 2)), np.ones(3))
X, F = distinct(2, 2, 4, 5), distinct(4, 2)
CAST = "cast one of them with .astype"
BAD_B = [
    *[case for case in bad_arrays("b", np.ones(3)) if case[0] is not None],
    (np.ones(2), ValueError, "b: expected shape (3,), got (2,)"),
    (np.ones(3, "f4"), TypeError, f"b: expected dtype float64 like w, got float32; {CAST}"),
]


def test_bad_parameters():
    assert_refuses(Convolution, bad_arrays("w", CONV.w))
    assert_raises(
        ValueError, "w: expected shape (O, I, h, w), got (1, 1, 3)", Convolution, np.ones((1, 1, 3))
    )
    message = "w: expected at least one plane and tap, got (1, 0, 3, 3)"
    assert_raises(ValueError, message, Convolution, np.ones((1, 0, 3, 3)))
    assert_refuses(lambda b: Convolution(CONV.w, b), BAD_B)
    assert_refuses(Linear, bad_arrays("w", LINEAR.w))
    assert_raises(ValueError, "w: expected shape (K, C), got (3,)", Linear, np.ones(3))
    message = "w: expected at least one input and output, got (0, 2)"
    assert_raises(ValueError, message, Linear, np.ones((0, 2)))
    assert_refuses(lambda b: Linear(LINEAR.w, b), BAD_B)


@pytest.mark.parametrize("name", ["stride", "padding"])
def test_bad_steps(name):
    f = functools.partial(Convolution, CONV.w)
    assert_raises(TypeError, f"{name}: expected an integer, got 1.5", f, **{name: 1.5})
    assert_raises(ValueError, f"{name}: expected at least 1, got -1", f, **{name: -1})
    assert_raises(ValueError, "stride: expected at least 1, got 0", f, stride=0)


@pytest.mark.parametrize("f", [CONV, CONV.vjp])
def test_bad_x(f):
    assert_refuses(f, bad_arrays("x", X))
    wide = X.astype("f4")
    assert_raises(TypeError, f"x: expected dtype float64 like w, got float32; {CAST}", f, wide)
    for bad in (X[0], X[:, :1]):
        message = f"x: expected shape (N, 2, H, W), got {bad.shape}"
        assert_raises(ValueError, message, f, bad)


@EVERY_POOL
def test_bad_arguments_of_pools(pool_vjp):
    assert_refuses(lambda x: pool_vjp(x, 2), bad_arrays("x", X))
    message = "x: expected shape (N, C, H, W), got (2, 4, 5)"
    assert_raises(ValueError, message, pool_vjp, X[0], 2)
    message = (
        "x: expected a map that a window of (5, 5) fits into, with 0 zeros on each side, "
        "got (2, 2, 4, 5)"
    )
    assert_raises(ValueError, message, pool_vjp, X, 5)
    assert_raises(ValueError, "window: expected at least 1, got 0", pool_vjp, X, 0)
    assert_raises(ValueError, "stride: expected at least 1, got 0", pool_vjp, X, 2, 0)


def test_a_map_that_no_window_fits_into():
    message = (
        "x: expected a map that a window of (3, 3) fits into, with 0 zeros on each side, "
        "got (2, 2, 2, 4)"
    )
    assert_raises(ValueError, message, Convolution(CONV.w), X[:, :, :2, :4])


@pytest.mark.parametrize("f", [LINEAR, LINEAR.vjp])
def test_bad_f(f):
    assert_refuses(f, bad_arrays("f", F))
    assert_raises(ValueError, "f: expected shape (N, 2), got (4, 1)", f, F[:, :1])
    message = f"f: expected dtype float64 like w, got float32; {CAST}"
    assert_raises(TypeError, message, f, F.astype("f4"))


def test_bad_cotangents():
    y, pullback = CONV.vjp(X)
    assert_refuses(pullback, bad_cotangents(y))
    z, pullback = LINEAR.vjp(F)
    assert_refuses(pullback, bad_cotangents(z, "dz", "z"))
    for pool_vjp in (max_pool_vjp, avg_pool_vjp):
        y, pullback = pool_vjp(X, 2)
        assert_refuses(pullback, bad_cotangents(y))


def test_layers_are_frozen():
    with pytest.raises(AttributeError):
        CONV.w = CONV.w
    with pytest.raises(AttributeError):
        LINEAR.w = LINEAR.w


def test_layers_draw_their_own():
    conv = Convolution.init(0, (3, 5), 3, 2, dtype=np.float32)
    assert (conv.w.shape, conv.w.dtype, conv.b) == ((5, 3, 3, 3), np.float32, None)
    assert (conv.stride, conv.padding) == (2, 1)
    linear = Linear.init(0, 4, 7)
    assert (linear.w.shape, linear.b.tolist()) == ((7, 4), [0] * 7)
    assert 0 < np.abs(linear.w).max() <= 0.5
