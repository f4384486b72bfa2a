"""CBAM and refine_vjp: all orders, with and without the residual, all presets."""

import dataclasses
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
    cotangent,
    distinct,
    integers,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from tolerances import STENCIL

from npcbam import CBAM, ChannelAttention, Conv, SharedMLP, SpatialAttention, refine_vjp, tree
from npcbam.cbam import ORDERS
from npcbam.pooling import AVG, MAX, MAX_EVEN
from npcbam.presets import PRESETS
from npcbam.strategies import cbams, feature_maps, layouts

NORMED = [name for name, how in PRESETS.items() if how.norm_momentum is not None]
SPACES = [(4,), (3, 2), (2, 1, 3)]
EVERY_ORDER = pytest.mark.parametrize("order", ORDERS)
EVERY_PRESET = pytest.mark.parametrize("preset", PRESETS)
EVERY_SPACE = pytest.mark.parametrize("space", SPACES)


def vjp(cbam, x):
    return cbam.vjp(x)


def train_vjp(cbam, x):
    return cbam.train_vjp(x)[:2]


def preset_cbam(preset, order, space, dtype=np.float64):
    """Return a CBAM of a preset in which no parameter is 0."""
    cbam = CBAM.init(0, 4, 2, 3, preset, spatial_axes=len(space))
    drawn = (cotangent(leaf, seed) for seed, (_, leaf) in enumerate(tree.leaves(cbam)))
    cbam = tree.replace_leaves(cbam, drawn)
    if cbam.spatial is not None and cbam.spatial.norm is not None:
        norm = dataclasses.replace(cbam.spatial.norm, var=np.abs(cbam.spatial.norm.var))
        cbam = dataclasses.replace(cbam, spatial=dataclasses.replace(cbam.spatial, norm=norm))
    return cast(dataclasses.replace(cbam, order=order), dtype)


# By hand

# The averages of the channels are 3 and 0, their maxima 5 and 0.
X = np.array([[[[1.0, 3.0], [3.0, 5.0]], [[0.0, 0.0], [0.0, 0.0]]]])
DY = np.array([[[[1.0, 2.0], [3.0, 4.0]], [[9.0, 8.0], [7.0, 6.0]]]])


def by_hand(channel=0.0, spatial=0.0, **rest):
    mlp = SharedMLP(np.array([[1.0, 0.0]]), np.array([[channel], [0.0]]))
    conv = Conv(np.array([0.0, spatial]).reshape(1, 2, 1, 1))
    return CBAM(ChannelAttention(mlp), SpatialAttention(conv), **rest)


@pytest.mark.parametrize("order", ["channel-first", "spatial-first", "parallel"])
def test_forward_by_hand(order):
    log3 = math.log(3)
    # z = [(3 + 5) log 3 / 8, 0], so that Mc = [3/4, 1/2] of the features.
    # Ms has the odds 3, 27, 27, 243: the maxima over the channels are those of the first one.
    odds = 3.0 ** X[0, 0]
    if order == "channel-first":
        cbam = by_hand(log3 / 8, log3 / 0.75)
        want = 0.75 * X[0, 0] * odds / (1 + odds)
    elif order == "parallel":
        cbam = by_hand(log3 / 8, log3, order=order)
        want = X[0, 0] * 3 * odds / (1 + 3 * odds)  # the logits add: the odds multiply
    else:
        cbam = by_hand(log3 / 8, log3, order=order)
        refined = X[0, 0] * odds / (1 + odds)
        odds = 3 ** ((refined.sum() / 4 + refined.max()) / 8)
        want = refined * odds / (1 + odds)
    np.testing.assert_allclose(cbam(X)[0, 0], want, rtol=1e-14)
    assert cbam(X)[0, 1].tolist() == [[0, 0], [0, 0]]
    residual = dataclasses.replace(cbam, residual=True)
    assert_same(residual(X), cbam(X) + X)


def test_gradient_by_hand():
    # All logits are 0: both gates are 1/2 everywhere, with the slope 1/4.
    y, pullback = by_hand().vjp(X)
    assert_same(y, X / 4)
    dcbam, dx = pullback(DY)
    assert_same(dx, DY / 4)
    # dMc = Σ (DY / 2) X = [18, 0], and the hidden units are 3 and 5: dw1 = 18 / 4 · (3 + 5).
    assert dcbam.channel.mlp.w1.tolist() == [[36], [0]]
    assert dcbam.channel.mlp.w0.tolist() == [[0, 0]]
    # dMs = Σ DY X / 2 = [[.5, 3], [4.5, 10]] by channels, a quarter of it dz; the maxima are X / 2
    # and the averages X / 4 of the first channel.
    assert dcbam.spatial.conv.w.ravel().tolist() == [4.5625, 9.125]
    residual = by_hand(residual=True).vjp(X)[1](DY)
    assert_same(residual, (dataclasses.replace(dcbam, residual=True), 5 * DY / 4))


def test_parallel_gradient_by_hand():
    y, pullback = by_hand(order="parallel").vjp(X)
    assert_same(y, X / 2)
    dcbam, dx = pullback(DY)
    assert_same(dx, DY / 2)
    # dz = DY X / 4 = [[.25, 1.5], [2.25, 5]] in the first channel, summed to 9.
    assert dcbam.channel.mlp.w1.tolist() == [[72], [0]]
    # The maxima are X: Σ dz X = .25 + 4.5 + 6.75 + 25
    assert dcbam.spatial.conv.w.ravel().tolist() == [18.25, 36.5]


# An independent forward


def step(z):
    """Return what a sigmoid gives to huge numbers, exactly."""
    return np.where(z == 0, 0.5, (z > 0).astype(float))


def channel_logits(layer, x):
    rows = x.reshape(*x.shape[:2], -1)
    pools = {"avg": lambda r: sum(r) / len(r), "max": max}
    mlp, z = layer.mlp, np.zeros(x.shape[:2])
    for n, c in np.ndindex(z.shape):
        for pool in layer.pools:
            f = [pools[pool.name](row) for row in rows[n].tolist()]
            for w_out, w_in in zip(mlp.w1[c], mlp.w0, strict=True):
                z[n, c] += w_out * max(0, sum(w * v for w, v in zip(w_in, f, strict=True)))
    return z.reshape(*z.shape, *[1] * (x.ndim - 2))


def spatial_logits(layer, x):
    pools = {"avg": lambda v: v.sum(axis=0) / len(v), "max": lambda v: np.sort(v, axis=0)[-1]}
    return np.array([
        [
            sum(
                scipy.ndimage.correlate(pools[pool.name](sample), w, mode="constant")
                for pool, w in zip(layer.pools, layer.conv.w[0], strict=True)
            )
        ]
        for sample in x
    ])  # fmt: skip


def independent(cbam, x, sigmoid):
    """Write Eq. 1 and its ablations out once more."""
    if cbam.order == "parallel":
        y = sigmoid(channel_logits(cbam.channel, x) + spatial_logits(cbam.spatial, x)) * x
    elif cbam.order == "channel-first":
        f = sigmoid(channel_logits(cbam.channel, x)) * x
        y = sigmoid(spatial_logits(cbam.spatial, f)) * f
    else:
        f = sigmoid(spatial_logits(cbam.spatial, x)) * x
        y = sigmoid(channel_logits(cbam.channel, f)) * f
    return y + x if cbam.residual else y


def with_weights(values, space, **rest):
    mlp = SharedMLP(values(3, 4, seed=1), values(4, 3, seed=2))
    conv = Conv(values(1, 2, *[3] * len(space), seed=3))
    pools = (MAX, AVG)
    return CBAM(ChannelAttention(mlp, pools), SpatialAttention(conv, pools), **rest)


@EVERY_ORDER
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("space", [(8,), (4, 2), (2, 2, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_with_whole_numbers(order, residual, space, seed):
    # Logits are 0 or beyond ±1000, where the sigmoid is exactly 0 or 1: nothing is ever rounded.
    huge = tree.map(lambda leaf: 2.0**14 * leaf, with_weights(integers, space))
    cbam = dataclasses.replace(huge, order=order, residual=residual)
    x = integers(16, 4, *space, seed=10 + seed)
    want = independent(cbam, x, step)
    assert_same(cbam(x), want)
    assert 0 < np.count_nonzero(want) < want.size


@EVERY_ORDER
@EVERY_SPACE
@pytest.mark.parametrize("residual", [False, True])
def test_against_scipy(order, space, residual):
    cbam = with_weights(distinct, space, order=order, residual=residual)
    x = distinct(2, 4, *space)
    assert_close(cbam(x), independent(cbam, x, expit))


@EVERY_ORDER
def test_without_a_spatial_gate_the_order_does_not_matter(order):
    se = preset_cbam("se", order, (3, 2))
    x = distinct(2, 4, 3, 2)
    y, pullback, stepped = se.train_vjp(x)
    assert_same(y, se.channel(x) * x)
    assert_same((y, stepped), (se(x), se))
    dse, _ = pullback(y)
    assert dse.spatial is None


@EVERY_ORDER
@EVERY_SPACE
def test_training_goes_by_the_statistics_of_what_the_spatial_gate_reads(order, space):
    cbam, x = preset_cbam("official", order, space), distinct(3, 4, *space)
    reads = cbam.channel(x) * x if order == "channel-first" else x
    ms, _, spatial = cbam.spatial.train_vjp(reads)
    y, _, stepped = cbam.train_vjp(x)
    assert_same(stepped, dataclasses.replace(cbam, spatial=spatial))
    if order == "channel-first":
        assert_same(y, ms * reads)
    elif order == "spatial-first":
        assert_same(y, cbam.channel(ms * x) * (ms * x))
    assert np.abs(y - cbam(x)).max() > 0.01


# The derivative


@EVERY_PRESET
@EVERY_ORDER
@EVERY_SPACE
def test_derivative(preset, order, space):
    cbam, x = preset_cbam(preset, order, space), distinct(2, 4, *space)
    assert_derivative(vjp, cbam, x)
    assert_derivative(vjp, dataclasses.replace(cbam, residual=not cbam.residual), x)


@pytest.mark.parametrize("preset", NORMED)
@EVERY_ORDER
@EVERY_SPACE
def test_derivative_in_training(preset, order, space):
    assert_derivative(train_vjp, preset_cbam(preset, order, space), distinct(3, 4, *space))


@EVERY_PRESET
@EVERY_ORDER
@pytest.mark.parametrize("f_vjp", [vjp, train_vjp])
def test_stencil(preset, order, f_vjp):
    cbam, x = preset_cbam(preset, order, (2, 2)), distinct(3, 4, 2, 2, seed=1)
    # A finer step than elsewhere keeps the maxima of F' apart, at the cost of some rounding.
    assert_stencil(f_vjp, cbam, x, step=2.0**-12, tolerance=10 * STENCIL)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_derivative_with_any_pools(data):
    x = data.draw(feature_maps(ties="none", max_size=3))
    cbam = data.draw(cbams(channels=x.shape[1], spatial_axes=x.ndim - 2, pools="any"))
    assert_derivative(vjp, cbam, x)


@pytest.mark.parametrize("top", [MAX, MAX_EVEN])
@EVERY_ORDER
def test_tied_features_get_tied_gradients_only_by_even(top, order):
    cbam = preset_cbam("paper", order, (2, 2))
    channel = dataclasses.replace(cbam.channel, pools=(AVG, top))
    cbam = dataclasses.replace(cbam, channel=channel)
    x = distinct(1, 4, 2, 2)
    x[0, :, 1, 1] = x[0, :, 0, 0] = 3 + np.arange(4)  # tied in every channel
    dy = np.ones_like(x)
    conv = dataclasses.replace(cbam.spatial.conv, w=np.zeros_like(cbam.spatial.conv.w))
    level = dataclasses.replace(cbam, spatial=dataclasses.replace(cbam.spatial, conv=conv))
    dx = level.vjp(x)[1](dy)[1]
    assert (dx[0, :, 0, 0] == dx[0, :, 1, 1]).all() == (top == MAX_EVEN)


@pytest.mark.parametrize("which", ["channel", "spatial"])
@EVERY_SPACE
def test_refine(which, space):
    attention = getattr(preset_cbam("official", "channel-first", space), which)
    x = distinct(2, 4, *space)
    assert_derivative(refine_vjp, attention, x)
    assert_laws(refine_vjp, attention, x)
    assert_same(refine_vjp(attention, x)[0], attention(x) * x)


# Laws


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_laws(data):
    x = data.draw(feature_maps(dtype=None, samples=2, max_size=4))
    axes = x.ndim - 2
    pools = data.draw(st.sampled_from(["preset", "any"]))
    cbam = data.draw(cbams(channels=x.shape[1], dtype=x.dtype, spatial_axes=axes, pools=pools))
    assert_laws(vjp, cbam, x)
    assert_layouts(lambda a: data.draw(layouts(a)), vjp, cbam, x)
    assert_samples_apart(cbam.vjp, x)
    y = cbam(x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_laws_of_training(data):
    x = data.draw(feature_maps(dtype=None, samples=4, ties="none", min_size=2, max_size=3))
    axes, preset = x.ndim - 2, data.draw(st.sampled_from(NORMED))
    cbam = data.draw(cbams(preset=preset, channels=x.shape[1], dtype=x.dtype, spatial_axes=axes))
    assert_laws(train_vjp, cbam, x)
    assert_layouts(lambda a: data.draw(layouts(a)), train_vjp, cbam, x)
    stepped = cbam.train_vjp(x)[2]
    # The statistics are stepped, and nothing else.
    for (name, before), (_, after) in zip(tree.leaves(cbam), tree.leaves(stepped), strict=True):
        moved = name in ("spatial.norm.mean", "spatial.norm.var")
        assert (before.tobytes() != after.tobytes()) == moved, name


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_channels_are_equivariant(data):
    x = data.draw(feature_maps(ties="none", max_size=3))
    cbam = data.draw(cbams(channels=x.shape[1], spatial_axes=x.ndim - 2, pools="any"))
    turn = data.draw(st.permutations(range(x.shape[1])))
    was = cbam.channel.mlp
    b1 = None if was.b1 is None else was.b1[turn]
    mlp = SharedMLP(was.w0[:, turn], was.w1[turn], was.b0, b1)
    turned = dataclasses.replace(cbam, channel=dataclasses.replace(cbam.channel, mlp=mlp))
    (y, pullback), (turned_y, turned_pullback) = cbam.vjp(x), turned.vjp(x[:, turn])
    assert_close(turned_y, y[:, turn])
    dy = cotangent(y)
    assert_close(turned_pullback(dy[:, turn])[1], pullback(dy)[1][:, turn])


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_a_sample_alone_and_in_a_batch(data):
    x = data.draw(feature_maps(ties="none", samples=3, max_size=3))
    cbam = data.draw(cbams(channels=x.shape[1], spatial_axes=x.ndim - 2))
    y, pullback = cbam.vjp(x)
    dy = cotangent(y)
    alone = [cbam.vjp(x[n : n + 1]) for n in range(3)]
    assert_close(np.concatenate([one for one, _ in alone]), y)
    parts = [one_pullback(dy[n : n + 1]) for n, (_, one_pullback) in enumerate(alone)]
    dcbam, dx = pullback(dy)
    assert_close(np.concatenate([part for _, part in parts]), dx)
    summed = tree.add(tree.add(parts[0][0], parts[1][0]), parts[2][0])
    assert_close(summed, dcbam)


@EVERY_PRESET
@EVERY_ORDER
@EVERY_SPACE
@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_batch(preset, order, space, dtype):
    cbam = preset_cbam(preset, order, space, dtype)
    assert_empty_batch(vjp, cbam, np.zeros((2, 4, *space), dtype))


@EVERY_ORDER
@pytest.mark.parametrize("f_vjp", [vjp, train_vjp])
def test_threads(order, f_vjp):
    assert_threads(f_vjp, preset_cbam("official", order, (8, 8)), distinct(2, 4, 8, 8))


def test_float32_is_float64_rounded():
    cbam, x = preset_cbam("official", "channel-first", (3, 2), np.float32), distinct(2, 4, 3, 2)
    narrow, wide = cbam(x.astype("f4")), cast(cbam, "f8")(x.astype("f4").astype("f8"))
    assert_close(narrow, wide.astype("f4"))


def test_the_gradient_of_a_layer_is_a_layer():
    cbam, x = preset_cbam("official", "parallel", (3, 2)), distinct(2, 4, 3, 2)
    dcbam, _ = cbam.vjp(x)[1](x)
    assert [name for name, _ in tree.leaves(dcbam)] == [name for name, _ in tree.leaves(cbam)]
    assert (dcbam.order, dcbam.residual) == (cbam.order, cbam.residual)
    assert dcbam.spatial.pools == cbam.spatial.pools
    stepped = tree.map(lambda leaf, slope: leaf - 0.01 * slope, cbam, dcbam)
    assert stepped(x).shape == x.shape


# Errors

CBAM2 = preset_cbam("official", "channel-first", (3, 2))
MAP = distinct(2, 4, 3, 2)
RANKS = "x: expected shape (N, 4, L) or (N, 4, H, W) or (N, 4, D, H, W), got"
CAST = "; cast one of them with .astype"


@EVERY_ORDER
@pytest.mark.parametrize("call", ["__call__", "vjp", "train_vjp"])
def test_bad_x(order, call):
    cases = [
        *bad_arrays("x", MAP),
        (MAP[:, :3], ValueError, f"{RANKS} (2, 3, 3, 2)"),
        (MAP[0, 0], ValueError, f"{RANKS} (3, 2)"),
        (MAP[0], ValueError, f"{RANKS} (4, 3, 2)"),
        (MAP[..., 0], ValueError, "x: expected shape (N, C, H, W), got (2, 4, 3)"),
        (MAP[..., None], ValueError, "x: expected shape (N, C, H, W), got (2, 4, 3, 2, 1)"),
        (MAP[:, :, :0], ValueError, "x: expected at least one element a sample, got (2, 4, 0, 2)"),
        (MAP.astype("f4"), TypeError, f"x: expected dtype float64 like w0, got float32{CAST}"),
    ]
    assert_refuses(getattr(dataclasses.replace(CBAM2, order=order), call), cases)


@EVERY_ORDER
@pytest.mark.parametrize("f_vjp", [vjp, train_vjp])
def test_bad_cotangents(order, f_vjp):
    y, pullback = f_vjp(dataclasses.replace(CBAM2, order=order), MAP)
    assert_refuses(pullback, bad_cotangents(y))


OTHER = preset_cbam("official", "channel-first", (3, 2), np.float32)
FIELDS = [
    ("channel", None, TypeError, "channel: expected ChannelAttention, got NoneType"),
    ("channel", MAP, TypeError, "channel: expected ChannelAttention, got numpy.ndarray"),
    (
        "spatial",
        CBAM2.channel,
        TypeError,
        "spatial: expected SpatialAttention, got npcbam.channel_attention.ChannelAttention",
    ),
    (
        "spatial",
        OTHER.spatial,
        TypeError,
        f"spatial.conv.w: expected dtype float64 like channel.mlp.w0, got float32{CAST}",
    ),
    (
        "order",
        "channel",
        ValueError,
        "order: expected 'channel-first', 'spatial-first' or 'parallel', got 'channel'",
    ),
    (
        "order",
        None,
        ValueError,
        "order: expected 'channel-first', 'spatial-first' or 'parallel', got None",
    ),
    ("residual", 1, ValueError, "residual: expected False or True, got 1"),
    ("residual", None, ValueError, "residual: expected False or True, got None"),
]


@pytest.mark.parametrize(("name", "bad", "kind", "message"), FIELDS)
def test_bad_fields(name, bad, kind, message):
    assert_raises(kind, message, lambda: dataclasses.replace(CBAM2, **{name: bad}))


DTYPE = "dtype: expected float32, float64, longdouble or complex128, got"
KNOWN = "'paper', 'paper_biased', 'official', 'seed', 'timm', 'timm_light' or 'se'"
INIT = [
    ("rng", None, TypeError, "rng: expected a Generator or a seed, got None"),
    ("rng", 1.0, TypeError, "rng: expected a Generator or a seed, got 1.0"),
    ("rng", -1, ValueError, "rng: expected a seed of at least 0, got -1"),
    ("channels", 2.5, TypeError, "channels: expected an integer, got 2.5"),
    ("channels", True, TypeError, "channels: expected an integer, got True"),
    ("channels", 0, ValueError, "channels: expected at least 1, got 0"),
    ("reduction_ratio", 0, ValueError, "reduction_ratio: expected at least 1, got 0"),
    ("reduction_ratio", 2.0, TypeError, "reduction_ratio: expected an integer, got 2.0"),
    (
        "reduction_ratio",
        9,
        ValueError,
        "reduction_ratio: expected at most channels, 8, so that there is a hidden unit, got 9",
    ),
    ("kernel_size", True, TypeError, "kernel_size: expected an integer, got True"),
    ("kernel_size", 4, ValueError, "kernel_size: expected an odd kernel size, got 4"),
    ("kernel_size", (3, 3), TypeError, "kernel_size: expected an integer, got (3, 3)"),
    ("preset", "nonsense", ValueError, f"preset: expected {KNOWN}, got 'nonsense'"),
    ("preset", None, ValueError, f"preset: expected {KNOWN}, got None"),
    ("dtype", "nonsense", TypeError, f"{DTYPE} 'nonsense'"),
    ("dtype", np.float16, TypeError, f"{DTYPE} {np.float16!r}"),
    ("dtype", int, TypeError, f"{DTYPE} {int!r}"),
    ("spatial_axes", 4, ValueError, "spatial_axes: expected 1, 2 or 3, got 4"),
    ("spatial_axes", True, ValueError, "spatial_axes: expected 1, 2 or 3, got True"),
]


@pytest.mark.parametrize(("name", "bad", "kind", "message"), INIT)
def test_bad_arguments_of_init(name, bad, kind, message):
    good = {"rng": 0, "channels": 8, "reduction_ratio": 1}
    assert_raises(kind, message, lambda: CBAM.init(**(good | {name: bad})))


@pytest.mark.parametrize("bad", [None, CBAM2, MAP, CBAM2.channel.mlp])
def test_refine_wants_an_attention(bad):
    kind = f"{type(bad).__module__}.{type(bad).__qualname__}".removeprefix("builtins.")
    message = f"attention: expected ChannelAttention or SpatialAttention, got {kind}"
    assert_raises(TypeError, message, refine_vjp, bad, MAP)


def test_bad_arguments_of_refine():
    assert_refuses(lambda x: refine_vjp(CBAM2.channel, x), bad_arrays("x", MAP))
    y, pullback = refine_vjp(CBAM2.spatial, MAP)
    assert_refuses(pullback, bad_cotangents(y))
