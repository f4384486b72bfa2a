"""SpatialAttention."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import scipy.ndimage
from helpers import (
    DTYPES,
    assert_close,
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
    cast,
    distinct,
    integers,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logsumexp
from tolerances import COMPLEX_STEP, STENCIL

from npcbam import BatchNorm, Conv, SpatialAttention
from npcbam.pooling import MAX, MAX_EVEN, POOLS
from npcbam.strategies import cbams, feature_maps, layouts

GEOMETRIES = [((3,), (4,)), ((3, 3), (3, 2)), ((7, 7), (2, 3)), ((3, 1, 3), (2, 2, 1))]
EVERY_GEOMETRY = pytest.mark.parametrize(("kernel", "space"), GEOMETRIES)
POOL_ORDERS = [p for n in (1, 2) for p in itertools.permutations(POOLS, n)] + [tuple(POOLS)]


def vjp(layer, x):
    return layer.vjp(x)


def logits_vjp(layer, x):
    return layer.logits_vjp(x)


def train_vjp(layer, x):
    return layer.train_vjp(x)[:2]


def train_logits_vjp(layer, x):
    return layer.in_training().logits_vjp(x)


def attention(kernel, pools=("avg", "max"), values=distinct, dtype=np.float64, **rest):
    planes = 1 if rest.get("blend") else len(pools)
    bias = rest.pop("bias", True)
    w = values(1, planes, *kernel, dtype=dtype, seed=1)
    conv = Conv(w, values(1, dtype=dtype, seed=2) if bias else None)
    return SpatialAttention(conv, pools, **rest)


def norm(dtype=np.float64, **rest):
    values = (np.array([v]) for v in (1.5, -0.5, 0.25, 2.0))
    return cast(BatchNorm(*values, **rest), dtype)


# By hand


def test_by_hand():
    # Over the channels, the averages are [[1, 2], [3, 4]] and the maxima [[2, 4], [6, 8]].
    x = np.array([[[[2.0, 0.0], [6.0, 0.0]], [[0.0, 4.0], [0.0, 8.0]]]])
    # The middle of the kernel alone: z = log 3 (avg / 4 + max / 8), that is log 3 / 2 times avg.
    layer = SpatialAttention(Conv(math.log(3) * np.array([1 / 4, 1 / 8]).reshape(1, 2, 1, 1)))
    ms, pullback = layer.vjp(x)
    assert ms.shape == (1, 1, 2, 2)
    odds = [3**0.5, 3, 3**1.5, 9]
    np.testing.assert_allclose(ms.ravel(), [r / (1 + r) for r in odds], rtol=1e-15)
    np.testing.assert_array_equal(ms, layer(x))
    # σ' = 3/16 where the odds are 3, and 9/100 where they are 9.
    dspatial, dx = pullback(np.array([[[[0.0, 16.0], [0.0, 100.0]]]]))
    np.testing.assert_allclose(dspatial.conv.w.ravel(), [3 * 2 + 9 * 4, 3 * 4 + 9 * 8], rtol=1e-14)
    u = math.log(3) / 8  # through either pool: half of 1/4 from the average, and 1/8
    want = [[[0, 3 * u], [0, 9 * u]], [[0, 6 * u], [0, 18 * u]]]
    np.testing.assert_allclose(dx[0], want, rtol=1e-14)


def test_ties_by_hand():
    # z = 8 max - 8 is 0, where sigmoid' is 1/4.
    conv = Conv(np.array([[[8.0]]]), np.array([-8.0]))
    x = np.ones((1, 2, 1))
    for pool, want in [(MAX, [[6], [0]]), (MAX_EVEN, [[3], [3]])]:
        ms, pullback = SpatialAttention(conv, (pool,)).vjp(x)
        assert ms.tolist() == [[[0.5]]]
        assert pullback(np.array([[[3.0]]]))[1].tolist() == [want]


# An independent forward


def pooled(name, x):
    """Pool the channels of `x` by other means than the layer does."""
    if name == "lse":
        return logsumexp(x, axis=1)
    rules = {
        "avg": lambda row: sum(row) / len(row),
        "max": max,
        "lp": lambda row: math.sqrt(sum(v * v for v in row)),
    }
    return np.apply_along_axis(lambda row: rules[name](row.tolist()), 1, x)


def correlated(planes, conv):
    """Return (N, *S) logits of (N, *S) planes."""
    bias = 0 if conv.b is None else conv.b[0]
    return bias + sum(
        np.stack([scipy.ndimage.correlate(sample, w, mode="constant") for sample in plane])
        for plane, w in zip(planes, conv.w[0], strict=True)
    )


@EVERY_GEOMETRY
@pytest.mark.parametrize("pools", [("avg", "max"), ("max", "avg"), ("max",), ("avg",)])
def test_logits_against_scipy(kernel, space, pools):
    # Four channels are averaged, so that the averages are exact.
    layer, x = attention(kernel, pools, values=integers), integers(2, 4, *space)
    z = layer.logits_vjp(x)[0]
    assert_same(z, correlated([pooled(name, x) for name in pools], layer.conv)[:, None])
    np.testing.assert_allclose(layer(x), expit(z), rtol=1e-15)


@EVERY_GEOMETRY
def test_the_norm_stands_between_convolution_and_sigmoid(kernel, space):
    whole = BatchNorm(*(np.array([v]) for v in (6.0, 1.0, -3.0, 4.0)), eps=0)
    layer, x = attention(kernel, values=integers), integers(2, 4, *space)
    z = layer.logits_vjp(x)[0]
    normed = dataclasses.replace(layer, norm=whole)
    assert_same(normed.logits_vjp(x)[0], 3 * (z + 3) + 1)


@EVERY_GEOMETRY
@pytest.mark.parametrize("pools", POOL_ORDERS)
@pytest.mark.parametrize("blend", [False, True])
def test_any_pools_against_scipy(kernel, space, pools, blend):
    layer, x = attention(kernel, pools, blend=blend), distinct(2, 3, *space)
    planes = [pooled(name, x) for name in pools]
    if blend:
        planes = [sum(planes) / len(planes)]
    assert_close(layer(x), expit(correlated(planes, layer.conv))[:, None])


# The derivative


@EVERY_GEOMETRY
@pytest.mark.parametrize("pools", POOL_ORDERS)
def test_derivative(kernel, space, pools):
    assert_derivative(vjp, attention(kernel, pools), distinct(2, 3, *space))


@EVERY_GEOMETRY
@pytest.mark.parametrize("f_vjp", [vjp, logits_vjp, train_vjp, train_logits_vjp])
@pytest.mark.parametrize("blend", [False, True])
def test_derivative_with_a_norm(kernel, space, f_vjp, blend):
    # No bias: a norm in training takes any away, so that its gradient is 0.
    layer = attention(kernel, ("max", "avg"), blend=blend, norm=norm(), bias=False)
    x = distinct(3, 3, *space)
    assert_derivative(f_vjp, layer, x)
    assert_stencil(f_vjp, layer, x, tolerance=STENCIL)


def test_a_norm_in_training_takes_any_bias_away():
    layer, x = attention((3, 3), norm=norm()), distinct(3, 3, 3, 2)
    dspatial, _ = train_vjp(layer, x)[1](distinct(3, 1, 3, 2))
    assert abs(dspatial.conv.b[0]) <= COMPLEX_STEP * np.abs(dspatial.conv.w).max()
    dspatial, _ = vjp(layer, x)[1](distinct(3, 1, 3, 2))
    assert abs(dspatial.conv.b[0]) > 0.01


# Laws


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_laws(data):
    x = data.draw(feature_maps(dtype=None, samples=2, max_size=4))
    axes = x.ndim - 2
    cbam = data.draw(cbams(channels=x.shape[1], dtype=x.dtype, spatial_axes=axes, pools="any"))
    assume(cbam.spatial is not None)
    assert_laws(vjp, cbam.spatial, x)
    assert_layouts(lambda a: data.draw(layouts(a)), vjp, cbam.spatial, x)
    assert_samples_apart(cbam.spatial.vjp, x)


@EVERY_GEOMETRY
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f_vjp", [train_vjp, train_logits_vjp, logits_vjp])
def test_laws_of_the_other_calls(kernel, space, dtype, f_vjp):
    layer = attention(kernel, dtype=dtype, norm=norm(dtype), bias=False)
    assert_laws(f_vjp, layer, distinct(3, 3, *space, dtype=dtype))


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_channels_may_stand_in_any_order(data):
    x = data.draw(feature_maps(ties="none", ndim=4))
    layer = attention((3, 3), data.draw(st.sampled_from(POOL_ORDERS)))
    order = data.draw(st.permutations(range(x.shape[1])))
    assert_close(layer(x[:, order]), layer(x))


@EVERY_GEOMETRY
def test_training_steps_the_norm(kernel, space):
    x = distinct(3, 3, *space)
    layer = attention(kernel, norm=norm(momentum=0.25))
    ms, _, stepped = layer.train_vjp(x)
    z = dataclasses.replace(layer, norm=None).logits_vjp(x)[0]
    y, _, want = layer.norm.train_vjp(z)
    assert_same((stepped.norm, stepped.conv), (want, layer.conv))
    assert_close(ms, expit(y))
    plain = attention(kernel)
    assert plain.train_vjp(x)[2].norm is None
    assert_same(plain.train_vjp(x)[0], plain(x))


@EVERY_GEOMETRY
@pytest.mark.parametrize("pools", POOL_ORDERS)
def test_empty_batch(kernel, space, pools):
    assert_empty_batch(vjp, attention(kernel, pools, norm=norm()), distinct(2, 3, *space))


def test_threads():
    assert_threads(vjp, attention((7, 7), norm=norm()), distinct(2, 8, 16, 16))


# Errors

LAYER, X = attention((3, 3), norm=norm()), distinct(2, 4, 3, 2)
CAST = "; cast one of them with .astype"


BAD_POOLS = [(), "avg", ["avg"], ("mean",), ("avg", "avg"), (["avg"],), None, (MAX, MAX_EVEN)]


def refuse_pools(bad):
    return f"pools: expected a tuple out of avg, max, lp, lse, got {bad!r}"


def conv(*shape, dtype=np.float64):
    return Conv(np.ones(shape, dtype))


def norms(*shape, dtype=np.float64):
    return BatchNorm(*(np.ones(shape, dtype) for _ in range(4)))


FIELDS = [
    *[("pools", bad, ValueError, refuse_pools(bad)) for bad in BAD_POOLS],
    ("pools", ("max",), ValueError, "conv.w: expected shape (1, 1, K, K), got (1, 2, 3, 3)"),
    ("blend", True, ValueError, "conv.w: expected shape (1, 1, K, K), got (1, 2, 3, 3)"),
    ("blend", 0, ValueError, "blend: expected False or True, got 0"),
    ("conv", None, TypeError, "conv: expected Conv, got NoneType"),
    ("conv", X, TypeError, "conv: expected Conv, got numpy.ndarray"),
    ("conv", conv(2, 2, 3), ValueError, "conv.w: expected shape (1, 2, K), got (2, 2, 3)"),
    ("conv", conv(1, 3, 1), ValueError, "conv.w: expected shape (1, 2, K), got (1, 3, 1)"),
    ("norm", conv(1, 2, 1), TypeError, "norm: expected BatchNorm, got npcbam.conv.Conv"),
    ("norm", norms(2), ValueError, "norm.gamma: expected shape (1,), got (2,)"),
    (
        "norm",
        norms(1, dtype="f4"),
        TypeError,
        f"norm.gamma: expected dtype float64 like conv.w, got float32{CAST}",
    ),
]


@pytest.mark.parametrize(("name", "bad", "kind", "message"), FIELDS)
def test_bad_fields(name, bad, kind, message):
    assert_raises(kind, message, lambda: dataclasses.replace(LAYER, **{name: bad}))


CALLS = [LAYER, LAYER.vjp, LAYER.logits_vjp, LAYER.train_vjp, LAYER.stepped]


@pytest.mark.parametrize("f", CALLS)
def test_bad_x(f):
    cases = [
        *bad_arrays("x", X),
        (X[0], ValueError, "x: expected shape (N, C, H, W), got (4, 3, 2)"),
        (X[None], ValueError, "x: expected shape (N, C, H, W), got (1, 2, 4, 3, 2)"),
        (X[:, :0], ValueError, "x: expected at least one element a sample, got (2, 0, 3, 2)"),
        (X[:, :, :0], ValueError, "x: expected at least one element a sample, got (2, 4, 0, 2)"),
        (X.astype("f4"), TypeError, f"x: expected dtype float64 like conv.w, got float32{CAST}"),
    ]
    assert_refuses(f, cases)


@pytest.mark.parametrize("shape", [(0, 4, 3, 2), (1, 4, 1, 1)])
def test_training_needs_two_elements(shape):
    message = f"x: expected at least 2 elements a channel in training, got shape {shape}"
    assert_raises(ValueError, message, LAYER.train_vjp, np.ones(shape))


@pytest.mark.parametrize(
    ("f_vjp", "name", "like"),
    [
        (vjp, "dy", "y"),
        (train_vjp, "dy", "y"),
        (logits_vjp, "dz", "z"),
        (train_logits_vjp, "dz", "z"),
    ],
)
def test_bad_cotangents(f_vjp, name, like):
    y, pullback = f_vjp(LAYER, X)
    assert_refuses(pullback, bad_cotangents(y, name, like))
