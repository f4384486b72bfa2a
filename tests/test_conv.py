"""Conv: same-padded correlation over one to three axes."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
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
    assert_threads,
    bad_arrays,
    bad_cotangents,
    distinct,
    integers,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import STENCIL

from npcbam import Conv
from npcbam.strategies import cotangents_like, feature_maps, layouts

# Kernel and map; some kernels are wider than the map, some maps are one element wide.
GEOMETRIES = [
    ((3,), (5,)),
    ((7,), (2,)),
    ((1, 1), (3, 2)),
    ((3, 3), (4, 5)),
    ((3, 1), (2, 3)),
    ((1, 5), (3, 2)),
    ((7, 7), (1, 3)),
    ((3, 1, 5), (2, 3, 2)),
    ((3, 3, 3), (1, 2, 3)),
]
EVERY_GEOMETRY = pytest.mark.parametrize(("kernel", "space"), GEOMETRIES)


def vjp(conv, x):
    return conv.vjp(x)


def whole(kernel, inputs=2, outputs=3, dtype=np.float64):
    """Return a layer of small integers."""
    w = integers(outputs, inputs, *kernel, dtype=dtype, seed=1)
    return Conv(w, integers(outputs, dtype=dtype, seed=2))


# By hand


def test_by_hand():
    conv = Conv(np.arange(1.0, 10.0).reshape(1, 1, 3, 3), np.array([100.0]))
    x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    y, pullback = conv.vjp(x)
    assert y.tolist() == conv(x).tolist() == [[[[177, 167], [147, 137]]]]
    dconv, dx = pullback(np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]))
    assert dconv.w.tolist() == [[[[1000, 2100, 200], [3010, 4321, 402], [30, 43, 4]]]]
    assert dconv.b.tolist() == [1111]
    assert dx.tolist() == [[[[1245, 2356], [4578, 5689]]]]


# An independent forward


@EVERY_GEOMETRY
@pytest.mark.parametrize("dtype", DTYPES)
def test_against_loops(kernel, space, dtype):
    conv, x = whole(kernel, dtype=dtype), integers(2, 2, *space, dtype=dtype)
    y = conv(x)
    for n, o, *at in np.ndindex(y.shape):
        total = conv.b[o]
        for i, *tap in np.ndindex(conv.w.shape[1:]):
            place = [p + t - size // 2 for p, t, size in zip(at, tap, kernel, strict=True)]
            if all(0 <= p < size for p, size in zip(place, space, strict=True)):
                total += conv.w[(o, i, *tap)] * x[(n, i, *place)]
        assert y[(n, o, *at)] == total


@EVERY_GEOMETRY
def test_against_scipy(kernel, space):
    conv, x = whole(kernel), integers(2, 2, *space)
    y = conv(x)
    for n, o in itertools.product(range(2), range(3)):
        planes = list(zip(x[n], conv.w[o], strict=True))
        filtered = sum(scipy.ndimage.correlate(p, w, mode="constant") for p, w in planes)
        np.testing.assert_array_equal(y[n, o], filtered + conv.b[o])
        # scipy.signal crops to its first argument, whichever is larger.
        crop = tuple(slice(k // 2, k // 2 + s) for k, s in zip(kernel, space, strict=True))
        full = sum(scipy.signal.correlate(p, w, "full", "direct")[crop] for p, w in planes)
        np.testing.assert_array_equal(y[n, o], full + conv.b[o])


# The derivative


@EVERY_GEOMETRY
@pytest.mark.parametrize("bias", [False, True])
def test_derivative(kernel, space, bias):
    conv = Conv(distinct(3, 2, *kernel), distinct(3, seed=1) if bias else None)
    assert_derivative(vjp, conv, distinct(2, 2, *space, seed=2))
    assert_stencil(vjp, conv, distinct(2, 2, *space, seed=2), tolerance=STENCIL)


@EVERY_GEOMETRY
def test_adjoint_in_either_argument(kernel, space):
    w, x = integers(3, 2, *kernel, seed=1), integers(2, 2, *space)
    dy = integers(2, 3, *space, seed=3)
    dconv, dx = Conv(w).vjp(x)[1](dy)
    other_w, other_x = integers(*w.shape, seed=4), integers(*x.shape, seed=5)
    assert_adjoint(lambda v: (Conv(w)(v), lambda _: dx), x, other_x, dy)
    assert_adjoint(lambda v: (Conv(v)(x), lambda _: dconv.w), w, other_w, dy)


def test_absent_bias_has_no_gradient():
    assert Conv(np.ones((1, 1, 3))).vjp(np.ones((1, 1, 2)))[1](np.ones((1, 1, 2)))[0].b is None


# Laws


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_laws(data):
    x = data.draw(feature_maps(dtype=None, samples=2, max_size=4))
    sizes = st.sampled_from([1, 3, 5])
    shape = (data.draw(st.integers(1, 3)), x.shape[1], *(data.draw(sizes) for _ in x.shape[2:]))
    w = data.draw(cotangents_like(np.ones(shape, x.dtype)))
    b = data.draw(st.none() | cotangents_like(np.ones(shape[0], x.dtype)))
    conv = Conv(w, b)
    assert_laws(vjp, conv, x)
    assert_layouts(lambda a: data.draw(layouts(a)), vjp, conv, x)
    assert_samples_apart(conv.vjp, x)


@pytest.mark.parametrize("seed", range(20))
def test_weights_with_gaps_are_multiplied_as_others(seed):
    # BLAS takes a row with gaps by another routine, which rounds otherwise.
    wide, x = distinct(1, 6, 1, seed=seed), distinct(2, 3, 5, seed=seed + 1)
    assert_same(Conv(wide[:, ::2])(x), Conv(wide[:, ::2].copy())(x))


@EVERY_GEOMETRY
@pytest.mark.parametrize("dtype", DTYPES)
def test_channels_are_equivariant(kernel, space, dtype):
    conv, x = whole(kernel, inputs=3, dtype=dtype), integers(2, 3, *space, dtype=dtype)
    order, turn = [2, 0, 1], [1, 2, 0]
    permuted = Conv(conv.w[turn][:, order], conv.b[turn])
    assert_same(permuted(x[:, order]), conv(x)[:, turn])


@EVERY_GEOMETRY
def test_mirrored_maps_under_mirrored_kernels(kernel, space):
    conv, x = whole(kernel), integers(2, 2, *space)
    axes = tuple(range(2, x.ndim))
    assert_same(Conv(np.flip(conv.w, axes), conv.b)(np.flip(x, axes)), np.flip(conv(x), axes))


@EVERY_GEOMETRY
def test_empty_batch(kernel, space):
    assert_empty_batch(vjp, whole(kernel, dtype=np.float32), integers(2, 2, *space, dtype="f4"))


def test_threads():
    assert_threads(vjp, Conv(distinct(3, 2, 7, 7), distinct(3)), distinct(2, 2, 16, 16))


# Errors

CONV, X = Conv(np.ones((3, 2, 3, 3)), np.ones(3)), distinct(2, 2, 4, 5)
BAD_W = [
    *bad_arrays("w", CONV.w),
    *[
        (np.ones(shape), ValueError, f"w: expected shape (O, I, *K), K of 1 to 3 axes, got {shape}")
        for shape in [(1, 1), (1,) * 6, (0, 1, 3), (1, 0, 3), (1, 1, 0)]
    ],
    *[
        (np.ones(shape), ValueError, "w: expected an odd kernel size, got 4")
        for shape in [(1, 1, 3, 4), (1, 1, 4, 3), (1, 1, 4)]
    ],
]
BAD_B = [
    *[case for case in bad_arrays("b", CONV.b) if case[0] is not None],
    (np.ones(2), ValueError, "b: expected shape (3,), got (2,)"),
    (np.ones((3, 1)), ValueError, "b: expected shape (3,), got (3, 1)"),
    (
        np.ones(3, "f4"),
        TypeError,
        "b: expected dtype float64 like w, got float32; cast one of them with .astype",
    ),
]
BAD_X = [
    *bad_arrays("x", X),
    (X[0], ValueError, "x: expected shape (N, 2, H, W), got (2, 4, 5)"),
    (X[None], ValueError, "x: expected shape (N, 2, H, W), got (1, 2, 2, 4, 5)"),
    (X[:, :1], ValueError, "x: expected shape (N, 2, H, W), got (2, 1, 4, 5)"),
    (X[..., :0], ValueError, "x: expected at least one element a sample, got (2, 2, 4, 0)"),
    (
        X.astype("f4"),
        TypeError,
        "x: expected dtype float64 like w, got float32; cast one of them with .astype",
    ),
]


def test_bad_parameters():
    assert_refuses(Conv, BAD_W)
    assert_refuses(lambda b: Conv(CONV.w, b), BAD_B)


@pytest.mark.parametrize("f", [CONV, CONV.vjp])
def test_bad_x(f):
    assert_refuses(f, BAD_X)


def test_bad_cotangents():
    y, pullback = CONV.vjp(X)
    assert_refuses(pullback, bad_cotangents(y))


def test_layers_are_frozen():
    with pytest.raises(AttributeError):
        CONV.w = CONV.w
    assert_raises(TypeError, "w: expected a NumPy array, got NoneType", Conv, None)
