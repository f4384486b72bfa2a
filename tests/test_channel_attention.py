"""SharedMLP and ChannelAttention."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from helpers import (
    DTYPES,
    assert_adjoint,
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
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logsumexp
from tolerances import STENCIL

from npcbam import ChannelAttention, SharedMLP, tree
from npcbam.pooling import AVG, MAX, MAX_EVEN, POOLS
from npcbam.strategies import cbams, feature_maps, layouts

SHAPES = [(2, 4, 3), (2, 4, 3, 2), (2, 4, 2, 1, 3)]
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES)
POOL_ORDERS = [p for n in (1, 2) for p in itertools.permutations(POOLS, n)] + [tuple(POOLS)]


def vjp(layer, x):
    return layer.vjp(x)


def logits_vjp(layer, x):
    return layer.logits_vjp(x)


def mlp(values=distinct, channels=4, hidden=3, biased=True, dtype=np.float64):
    w0 = values(hidden, channels, dtype=dtype, seed=1)
    w1 = values(channels, hidden, dtype=dtype, seed=2)
    if not biased:
        return SharedMLP(w0, w1)
    b0, b1 = values(hidden, dtype=dtype, seed=3), values(channels, dtype=dtype, seed=4)
    return SharedMLP(w0, w1, b0, b1)


def attention(pools=(AVG, MAX), blend=False, **rest):
    return ChannelAttention(mlp(**rest), pools, blend)


# By hand


def test_mlp_by_hand():
    layer = SharedMLP(
        w0=np.array([[1.0, 2.0], [1.0, -3.0]]),
        w1=np.array([[1.0, 5.0], [10.0, 5.0]]),
        b0=np.array([1.0, 2.0]),
        b1=np.array([100.0, 200.0]),
    )
    # a = [1·3 + 2·2 + 1, 1·3 - 3·2 + 2] = [8, -1], so that the second unit is off
    z, pullback = layer.vjp(np.array([[3.0, 2.0]]))
    assert z.tolist() == layer(np.array([[3.0, 2.0]])).tolist() == [[108, 280]]
    dmlp, df = pullback(np.array([[2.0, 3.0]]))
    # dh = [2·1 + 3·10, ...] = [32, off]
    assert df.tolist() == [[32, 64]]
    assert dmlp.w0.tolist() == [[96, 64], [0, 0]]
    assert dmlp.b0.tolist() == [32, 0]
    assert dmlp.w1.tolist() == [[16, 0], [24, 0]]
    assert dmlp.b1.tolist() == [2, 3]


def test_attention_by_hand():
    # The averages are 3 and 0, the maxima 5 and 0: z = [(3 + 5) log 3 / 8, 0]
    layer = ChannelAttention(SharedMLP(np.array([[1.0, 0.0]]), np.array([[math.log(3) / 8], [0]])))
    x = np.array([[[[1.0, 3.0], [3.0, 5.0]], [[0.0, 0.0], [0.0, 0.0]]]])
    mc, pullback = layer.vjp(x)
    assert mc.shape == (1, 2, 1, 1)
    np.testing.assert_allclose(mc.ravel(), [3 / 4, 1 / 2], rtol=1e-15)
    np.testing.assert_array_equal(mc, layer(x))
    dchannel, dx = pullback(np.array([16.0, 4.0]).reshape(mc.shape))
    # dz = [16 · 3/16, 4 · 1/4] = [3, 1], for both descriptors; the hidden units are 3 and 5.
    np.testing.assert_allclose(dchannel.mlp.w1, [[24], [8]], rtol=1e-14)
    # da = 3 log 3 / 8 =: u for both, so dw0 = u (3 + 5), and x gets u / 4 and u at its maximum.
    u = 3 * math.log(3) / 8
    np.testing.assert_allclose(dchannel.mlp.w0, [[8 * u, 0]], rtol=1e-14)
    want = [[[u / 4, u / 4], [u / 4, 5 * u / 4]], [[0, 0], [0, 0]]]
    np.testing.assert_allclose(dx[0], want, rtol=1e-14)


def test_ties_by_hand():
    # z = 8 max, and sigmoid' is 1/4 at 0: dx = 8 · 1/4 dmc shared by the tied maxima.
    one = SharedMLP(np.array([[1.0]]), np.array([[8.0]]), b1=np.array([-8.0]))
    x = np.array([[[1.0, 0.0, 1.0]]])
    for pool, want in [(MAX, [6, 0, 0]), (MAX_EVEN, [3, 0, 3])]:
        mc, pullback = ChannelAttention(one, (pool,)).vjp(x)
        assert mc.tolist() == [[[0.5]]]
        assert pullback(np.array([[[3.0]]]))[1].tolist() == [[want]]


# An independent forward


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_mlp_against_loops(biased, dtype):
    layer, f = mlp(integers, biased=biased, dtype=dtype), integers(3, 4, dtype=dtype)
    z = layer(f)
    for n, c in np.ndindex(z.shape):
        total = layer.b1[c] if biased else 0
        for j in range(3):
            a = sum(layer.w0[j, i] * f[n, i] for i in range(4)) + (layer.b0[j] if biased else 0)
            if (a.real, a.imag) > (0, 0):
                total = total + layer.w1[c, j] * a
        assert z[n, c] == total


def pooled(name, x):
    """Pool the samples and channels of `x` by other means than the layer does."""
    rows = x.reshape(*x.shape[:2], -1)
    if name == "lse":
        return logsumexp(rows, axis=-1)
    rules = {
        "avg": lambda row: sum(row) / len(row),
        "max": max,
        "lp": lambda row: math.sqrt(sum(v * v for v in row)),
    }
    return np.array([[rules[name](row) for row in sample] for sample in rows.tolist()])


@pytest.mark.parametrize("shape", [(2, 4, 8), (2, 4, 4, 2), (2, 4, 2, 1, 2)])
@pytest.mark.parametrize("pools", [("avg",), ("avg", "max"), ("max", "avg"), ("max",)])
def test_logits_against_loops(shape, pools):
    # A power of two of elements is averaged, so that the average is exact.
    layer, x = attention(pools, values=integers), integers(*shape)
    want = sum(layer.mlp(pooled(name, x)) for name in pools)
    z = layer.logits_vjp(x)[0]
    assert_same(z, want.reshape(2, 4, *[1] * (x.ndim - 2)))
    np.testing.assert_allclose(layer(x), expit(z), rtol=1e-15)


@EVERY_SHAPE
@pytest.mark.parametrize("pools", POOL_ORDERS)
@pytest.mark.parametrize("blend", [False, True])
def test_any_pools_against_scipy(shape, pools, blend):
    layer, x = attention(pools, blend=blend), distinct(*shape)
    fs = [pooled(name, x) for name in pools]
    if blend:
        fs = [sum(fs) / len(fs)]
    mc = expit(sum(np.maximum(f @ layer.mlp.w0.T + layer.mlp.b0, 0) @ layer.mlp.w1.T for f in fs)
               + len(fs) * layer.mlp.b1)  # fmt: skip
    assert_close(layer(x), mc.reshape(*shape[:2], *[1] * (x.ndim - 2)))


# The derivative


@pytest.mark.parametrize("biased", [False, True])
def test_derivative_of_mlp(biased):
    assert_derivative(vjp, mlp(biased=biased), distinct(3, 4))
    assert_stencil(vjp, mlp(biased=biased), distinct(3, 4), tolerance=STENCIL)


@pytest.mark.parametrize("name", ["f", "w0", "w1", "b0", "b1"])
def test_mlp_without_a_negative_unit_is_linear_in_each_argument(name):
    arrays = {"f": integers(3, 4, low=1), "w0": integers(3, 4, low=1, seed=1)}
    arrays |= {"w1": integers(4, 3, seed=2), "b0": np.zeros(3), "b1": np.zeros(4)}
    if name in ("b0", "b1"):
        arrays |= {"f": np.zeros((3, 4))}

    def f_vjp(value):
        given = arrays | {name: value}
        z, pullback = SharedMLP(*(given[key] for key in ("w0", "w1", "b0", "b1"))).vjp(given["f"])

        def one_pullback(dz):
            dmlp, df = pullback(dz)
            return df if name == "f" else getattr(dmlp, name)

        return z, one_pullback

    at = integers(*arrays[name].shape, low=1, seed=3)
    assert_adjoint(f_vjp, at, at + 1, integers(3, 4, seed=4))


@EVERY_SHAPE
@pytest.mark.parametrize("pools", POOL_ORDERS)
def test_derivative(shape, pools):
    assert_derivative(vjp, attention(pools), distinct(*shape))


@EVERY_SHAPE
@pytest.mark.parametrize("f_vjp", [vjp, logits_vjp])
@pytest.mark.parametrize("blend", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_derivative_of_variants(shape, f_vjp, blend, biased):
    layer = attention(("max", "avg"), blend=blend, biased=biased)
    x = distinct(*shape, seed=2)  # at which no hidden unit is within a step of its kink
    assert_derivative(f_vjp, layer, x)
    assert_stencil(f_vjp, layer, x, tolerance=STENCIL)


# Laws


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_laws(data):
    x = data.draw(feature_maps(dtype=None, samples=2))
    layer = data.draw(cbams(channels=x.shape[1], dtype=x.dtype, pools="any")).channel
    assert_laws(vjp, layer, x)
    assert_laws(vjp, layer.mlp, x[..., 0].reshape(-1, x.shape[1]))
    assert_layouts(lambda a: data.draw(layouts(a)), vjp, layer, x)
    assert_samples_apart(layer.vjp, x)


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_channels_are_equivariant(data):
    x = data.draw(feature_maps(ties="none"))
    layer = data.draw(cbams(channels=x.shape[1], pools="any")).channel
    order = data.draw(st.permutations(range(x.shape[1])))
    was = layer.mlp
    b1 = None if was.b1 is None else was.b1[order]
    mlp = SharedMLP(was.w0[:, order], was.w1[order], was.b0, b1)
    permuted = dataclasses.replace(layer, mlp=mlp)
    assert_close(permuted(x[:, order]), layer(x)[:, order])


@settings(deadline=None, max_examples=30)
@given(st.data(), feature_maps(ties="none", channels=4))
def test_positions_do_not_matter(data, x):
    rows = x.reshape(*x.shape[:2], -1)
    order = data.draw(st.permutations(range(rows.shape[-1])))
    layer = attention(("max", "lp", "lse", "avg"))
    assert_close(layer(rows[..., order]), layer(rows))


@EVERY_SHAPE
@pytest.mark.parametrize("pools", POOL_ORDERS)
def test_empty_batch(shape, pools):
    assert_empty_batch(vjp, attention(pools), distinct(*shape))
    assert_empty_batch(vjp, mlp(), distinct(3, 4))


def test_a_sample_alone_and_in_a_batch():
    layer, x = attention(), distinct(3, 4, 3, 2)
    mc, pullback = layer.vjp(x)
    for n in range(3):
        alone, alone_pullback = layer.vjp(x[n : n + 1])
        assert_close(alone, mc[n : n + 1])
        assert_close(alone_pullback(mc[n : n + 1])[1], pullback(mc)[1][n : n + 1])


def test_threads():
    assert_threads(vjp, attention(channels=16), distinct(2, 16, 8, 8))


# Errors

MLP, LAYER, X = mlp(), attention(), distinct(2, 4, 3, 2)
CAST = "; cast one of them with .astype"


@pytest.mark.parametrize("name", ["w0", "w1", "b0", "b1"])
def test_bad_parameters(name):
    good = getattr(MLP, name)
    optional = name[0] == "b"
    cases = [c for c in bad_arrays(name, good) if not (optional and c[0] is None)]
    wanted = "(C/r, C)" if name == "w0" else good.shape
    shapes = [(), (*good.shape, 1)] if name == "w0" else [(), (*good.shape, 1), good.shape[::-1]]
    for shape in shapes if not optional else [(), (7,), (*good.shape, 1)]:
        got = str(shape)
        cases.append((np.ones(shape), ValueError, f"{name}: expected shape {wanted}, got {got}"))
    if name != "w0":
        message = f"{name}: expected dtype float64 like w0, got float32{CAST}"
        cases.append((good.astype("f4"), TypeError, message))
    assert_refuses(lambda bad: dataclasses.replace(MLP, **{name: bad}), cases)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_no_hidden_unit_or_channel(shape):
    message = f"w0: expected at least one hidden unit and channel, got {shape}"
    assert_raises(ValueError, message, SharedMLP, np.ones(shape), np.ones(shape[::-1]))


BAD_POOLS = [(), "avg", ["avg"], ("mean",), ("avg", "avg"), (["avg"],), None, ("avg", AVG), (max,)]


def refuse_pools(bad):
    return f"pools: expected a tuple out of avg, max, lp, lse, got {bad!r}"


FIELDS = [
    *[("pools", bad, ValueError, refuse_pools(bad)) for bad in BAD_POOLS],
    ("blend", 1, ValueError, "blend: expected False or True, got 1"),
    ("mlp", None, TypeError, "mlp: expected SharedMLP, got NoneType"),
    ("mlp", X, TypeError, "mlp: expected SharedMLP, got numpy.ndarray"),
]


@pytest.mark.parametrize(("name", "bad", "kind", "message"), FIELDS)
def test_bad_fields(name, bad, kind, message):
    assert_raises(kind, message, lambda: dataclasses.replace(LAYER, **{name: bad}))


RANKS = "x: expected shape (N, 4, L) or (N, 4, H, W) or (N, 4, D, H, W), got"


@pytest.mark.parametrize("f", [LAYER, LAYER.vjp, LAYER.logits_vjp])
def test_bad_x(f):
    cases = [
        *bad_arrays("x", X),
        (X[:, :3], ValueError, f"{RANKS} (2, 3, 3, 2)"),
        (X[..., 0, 0], ValueError, f"{RANKS} (2, 4)"),
        (X[:, :, :0], ValueError, "x: expected at least one element a sample, got (2, 4, 0, 2)"),
        (X.astype("f4"), TypeError, f"x: expected dtype float64 like w0, got float32{CAST}"),
    ]
    assert_refuses(f, cases)


@pytest.mark.parametrize("f", [MLP, MLP.vjp])
def test_bad_f(f):
    good = X[..., 0, 0]
    cases = [
        *bad_arrays("f", good),
        (X, ValueError, "f: expected shape (N, 4), got (2, 4, 3, 2)"),
        (good[:, :3], ValueError, "f: expected shape (N, 4), got (2, 3)"),
        (good.astype("f4"), TypeError, f"f: expected dtype float64 like w0, got float32{CAST}"),
    ]
    assert_refuses(f, cases)


def test_bad_cotangents():
    for f_vjp, name, like in [(LAYER.vjp, "dy", "y"), (LAYER.logits_vjp, "dz", "z")]:
        y, pullback = f_vjp(X)
        assert_refuses(pullback, bad_cotangents(y, name, like))
    z, pullback = MLP.vjp(X[..., 0, 0])
    assert_refuses(pullback, bad_cotangents(z))


def test_gradients_are_layers():
    dchannel, _ = LAYER.vjp(X)[1](LAYER(X))
    assert [name for name, _ in tree.leaves(dchannel)] == ["mlp.w0", "mlp.w1", "mlp.b0", "mlp.b1"]
    assert dchannel.pools == LAYER.pools
    assert_same(cast(dchannel, np.float64), dchannel)
