"""BatchNorm, in evaluation and in training."""

import dataclasses

import numpy as np
import pytest
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
from tolerances import REORDERED, STENCIL

from npcbam import BatchNorm, tree
from npcbam.strategies import cotangents_like, feature_maps, layouts

SHAPES = [(4, 2, 3), (3, 2, 2, 3), (2, 2, 2, 1, 3)]
FIELDS = ["gamma", "beta", "mean", "var"]


def vjp(norm, x):
    return norm.vjp(x)


def train_vjp(norm, x):
    return norm.train_vjp(x)[:2]


BOTH = pytest.mark.parametrize("f_vjp", [vjp, train_vjp])


def drawn(channels, dtype=np.float64, **rest):
    gamma, beta, mean, var = (cotangent(np.ones(channels), seed) for seed in range(4))
    return cast(BatchNorm(gamma, beta, mean, np.abs(var), **rest), dtype)


# By hand: the variance 4 and eps 0 make every number exact

X = np.array([[[[1.0, 5.0], [5.0, 1.0]]]])
DY = np.array([[[[1.0, 2.0], [3.0, 8.0]]]])


def by_hand():
    values = (np.array([v]) for v in (6.0, 1.0, -1.0, 4.0))
    return BatchNorm(*values, eps=0, momentum=0.25)


def test_by_hand():
    # xhat = (x + 1) / 2
    y, pullback = by_hand().vjp(X)
    assert y.tolist() == by_hand()(X).tolist() == [[[[7, 19], [19, 7]]]]
    dnorm, dx = pullback(DY)
    assert dx.tolist() == [[[[3, 6], [9, 24]]]]
    assert [getattr(dnorm, name).tolist() for name in FIELDS] == [[24], [14], [-42], [-18]]


def test_training_by_hand():
    # The batch has mean 3 and variance 4, unbiased 16 / 3; xhat = [[-1, 1], [1, -1]].
    y, pullback, stepped = by_hand().train_vjp(X)
    assert y.tolist() == [[[[-5, 7], [7, -5]]]]
    assert stepped.mean.tolist() == [0.75 * -1 + 0.25 * 3]
    np.testing.assert_array_almost_equal_nulp(stepped.var, np.array([0.75 * 4 + 0.25 * 16 / 3]), 1)
    assert [stepped.gamma.tolist(), stepped.beta.tolist()] == [[6], [1]]
    # dx = 3 (dy - mean dy - xhat mean(dy xhat)), with mean dy = 3.5, mean(dy xhat) = -1
    dnorm, dx = pullback(DY)
    assert dx.tolist() == [[[[-10.5, -1.5], [1.5, 10.5]]]]
    assert [getattr(dnorm, name).tolist() for name in FIELDS] == [[-4], [14], [0], [0]]


# An independent forward


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_against_loops(shape, dtype):
    norm = dataclasses.replace(cast(drawn(2), dtype), eps=0)
    whole = [integers(2, dtype=dtype, seed=seed) for seed in range(3)]
    var = np.array([4, 0.25], dtype)
    norm = BatchNorm(*whole, var, eps=0)
    x = integers(*shape, dtype=dtype)
    y = norm(x)
    for n, c, *at in np.ndindex(shape):
        root = [2, 0.5][c]
        want = whole[0][c] * (x[(n, c, *at)] - whole[2][c]) / root + whole[1][c]
        assert y[(n, c, *at)] == want


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("space", [(4,), (2, 2), (2, 1, 2)])
def test_training_against_loops(dtype, space):
    # Half of each channel is 2 above its mean, half 2 below: the variance is 4.
    rng = np.random.default_rng(0)
    sides = np.stack([rng.permutation([-2, 2] * 4) for _ in range(3)])
    centre = np.array([5, 0, -3])
    x = (sides + centre[:, None]).reshape(3, 2, 4).swapaxes(0, 1).reshape(2, 3, *space)
    norm = BatchNorm(*(integers(3, dtype=dtype, seed=s) for s in range(4)), eps=0, momentum=0.5)
    y, _, stepped = norm.train_vjp(x.astype(dtype))
    want = [norm.gamma[c] * (x[:, c] - centre[c]) / 2 + norm.beta[c] for c in range(3)]
    assert_same(y, np.stack(want, axis=1).astype(dtype))
    assert_same(stepped.mean, ((norm.mean + centre) / 2).astype(dtype))
    assert_close(stepped.var, ((norm.var + dtype(4) * 8 / 7) / 2).astype(dtype))
    assert (stepped.eps, stepped.momentum) == (0, 0.5)


def test_eps_is_added_to_the_variance():
    one, zero = np.ones(1), np.zeros(1)
    norm = BatchNorm(one, zero, zero, 3 * one, eps=1)
    assert norm(np.full((1, 1, 1), 8.0)).tolist() == [[[4]]]
    assert norm.train_vjp(np.full((2, 1, 1), 8.0))[0].tolist() == [[[0]], [[0]]]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_training_far_from_0(dtype):
    # The mean is 2¹² to 2¹⁷ spreads: it costs no digits, though it is known to no better than that.
    rng = np.random.default_rng(5)
    means = np.array([2**12, -(2**17)]).reshape(2, 1, 1)
    x = (rng.normal(size=(4, 2, 3, 4)) + means).astype(dtype)
    dy = rng.normal(size=x.shape).astype(dtype)
    y, pullback, _ = cast(NORM, dtype).train_vjp(x)
    wide_y, wide_pullback, _ = cast(NORM, "g").train_vjp(x.astype("g"))
    (dnorm, dx), (wide_dnorm, wide_dx) = pullback(dy), wide_pullback(dy.astype("g"))
    for got, want in [(y, wide_y), (dx, wide_dx), (dnorm.gamma, wide_dnorm.gamma)]:
        limit = REORDERED[got.dtype] * np.abs(want).max()
        np.testing.assert_array_less(np.abs(got - want), limit)


@pytest.mark.parametrize(("dtype", "far"), [("f4", 1e6), ("f4", 12345.678), ("f8", 1e12)])
def test_the_mean_of_a_batch_is_the_nearest_number(dtype, far):
    """NumPy's own is off by up to some units in the last place, which the second centring mends."""
    x = (far + np.random.default_rng(0).normal(size=(4, 50, 7, 5))).astype(dtype)
    mean = BatchNorm.init(50, momentum=1.0, dtype=dtype).stepped(x).mean
    exact = x.astype("g").mean(axis=(0, 2, 3))
    assert (np.abs(mean - exact) <= 0.51 * np.spacing(mean)).all()


# The derivative


@BOTH
@pytest.mark.parametrize("shape", SHAPES)
def test_derivative(f_vjp, shape):
    x = distinct(*shape, seed=4)
    assert_derivative(f_vjp, drawn(2), x)
    assert_stencil(f_vjp, drawn(2), x, tolerance=STENCIL)


def test_running_statistics_get_no_gradient_in_training():
    dnorm = train_vjp(drawn(2), distinct(3, 2, 4))[1](distinct(3, 2, 4, seed=1))[0]
    assert_same((dnorm.mean, dnorm.var), (np.zeros(2), np.zeros(2)))
    assert not np.shares_memory(dnorm.mean, dnorm.var)


def test_training_does_not_see_a_shift_or_the_running_statistics():
    x, dy = integers(4, 2, 4), distinct(4, 2, 4, seed=1)
    norm, other = drawn(2), dataclasses.replace(drawn(2), mean=np.ones(2), var=np.full(2, 9.0))
    (y, pullback), (shifted, shifted_pullback) = train_vjp(norm, x), train_vjp(other, x + 16)
    assert_same(y, shifted)
    assert_same(pullback(dy)[1], shifted_pullback(dy)[1])


# Laws


@BOTH
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_laws(f_vjp, data):
    x = data.draw(feature_maps(dtype=None, samples=4, ties="none", min_size=2, max_size=4))
    values = [data.draw(cotangents_like(np.ones(x.shape[1], x.dtype))) for _ in range(4)]
    values[3] = np.square(values[3])
    norm = BatchNorm(*values, eps=data.draw(st.sampled_from([0.0, 1e-5, np.float64(0.1)])))
    assert_laws(f_vjp, norm, x)
    assert_layouts(lambda a: data.draw(layouts(a)), f_vjp, norm, x)
    if f_vjp is vjp:
        assert_samples_apart(norm.vjp, x)
    order = data.draw(st.permutations(range(x.shape[1])))
    permuted = tree.map(lambda leaf: leaf[order], norm)
    assert_same(f_vjp(permuted, x[:, order])[0], f_vjp(norm, x)[0][:, order])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "number", [0.5, np.float32(0.5), np.float64(0.5), np.longdouble(0.5), 1, np.int64(1)]
)
def test_eps_and_momentum_promote_nothing(dtype, number):
    norm = drawn(2, dtype, eps=number, momentum=number)
    x = distinct(3, 2, 4, dtype=dtype)
    y, pullback, stepped = norm.train_vjp(x)
    found = [norm(x), y, *(leaf for _, leaf in tree.leaves((pullback(y), stepped)))]
    assert {leaf.dtype for leaf in found} == {np.dtype(dtype)}


def test_the_step_returns_a_new_layer():
    norm = drawn(2)
    before = tree.map(np.copy, norm)
    norm.train_vjp(distinct(3, 2, 4))
    assert_same(norm, before)


@pytest.mark.parametrize("shape", SHAPES)
def test_empty_batch(shape):
    assert_empty_batch(vjp, drawn(2, np.float32), np.ones(shape, np.float32))


@BOTH
def test_threads(f_vjp):
    assert_threads(f_vjp, drawn(2), distinct(2, 2, 16, 16))


def test_a_norm_in_training_is_a_layer():
    """It takes the batch's statistics, and its gradient is that of an ordinary norm."""
    norm, x = drawn(2), distinct(3, 2, 4)
    y, pullback, stepped = norm.train_vjp(x)
    found, found_pullback = norm.in_training().vjp(x)
    assert_same((found, *found_pullback(x)), (y, *pullback(x)))
    assert type(found_pullback(x)[0]) is BatchNorm
    assert_same(norm.stepped(x), stepped)
    assert_same(norm.in_training()(x), y)


# Errors

NORM, MAP = drawn(2), distinct(2, 2, 3, 4)
CALLS = pytest.mark.parametrize("f", [NORM, NORM.vjp, NORM.train_vjp])


@pytest.mark.parametrize("name", FIELDS)
def test_bad_parameters(name):
    cases = bad_arrays(name, np.ones(2))
    wanted = "(C)" if name == "gamma" else "(2,)"
    for shape in [(2, 1), (), *([] if name == "gamma" else [(3,), (1,)])]:
        spelt = f"{name}: expected shape {'(C,)' if name == 'gamma' else wanted}, got {shape}"
        cases.append((np.ones(shape), ValueError, spelt))
    if name != "gamma":
        message = f"{name}: expected dtype float64 like gamma, got float32"
        message += "; cast one of them with .astype"
        cases.append((np.ones(2, "f4"), TypeError, message))
    else:
        message = "gamma: expected at least one channel, got (0,)"
        cases.append((np.ones(0), ValueError, message))
    assert_refuses(lambda bad: dataclasses.replace(NORM, **{name: bad}), cases)


NUMBERS = [
    ("eps", -1e-9, ValueError, "eps: expected a number from 0 to inf, got -1e-09"),
    ("eps", np.nan, ValueError, "eps: expected a number from 0 to inf, got nan"),
    ("eps", None, TypeError, "eps: expected a number, got None"),
    ("eps", True, TypeError, "eps: expected a number, got True"),
    ("eps", "1e-5", TypeError, "eps: expected a number, got '1e-5'"),
    ("eps", np.array(1.0), TypeError, "eps: expected a number, got array(1.)"),
    ("momentum", 1.5, ValueError, "momentum: expected a number from 0 to 1, got 1.5"),
    ("momentum", -0.5, ValueError, "momentum: expected a number from 0 to 1, got -0.5"),
    ("momentum", 0.1j, TypeError, "momentum: expected a number, got 0.1j"),
]


@pytest.mark.parametrize(("name", "bad", "kind", "message"), NUMBERS)
def test_bad_numbers(name, bad, kind, message):
    assert_raises(kind, message, lambda: dataclasses.replace(NORM, **{name: bad}))


RANKS = "x: expected shape (N, 2, L) or (N, 2, H, W) or (N, 2, D, H, W), got"


@CALLS
def test_bad_x(f):
    message = "x: expected dtype float64 like gamma, got float32; cast one of them with .astype"
    cases = [
        *bad_arrays("x", MAP),
        (MAP[:, :1], ValueError, f"{RANKS} (2, 1, 3, 4)"),
        (MAP[0, 0], ValueError, f"{RANKS} (3, 4)"),
        (MAP[:, :, :0], ValueError, "x: expected at least one element a sample, got (2, 2, 0, 4)"),
        (MAP.astype("f4"), TypeError, message),
    ]
    assert_refuses(f, cases)


@pytest.mark.parametrize("shape", [(1, 2, 1), (0, 2, 3), (1, 2, 1, 1)])
def test_training_needs_two_elements(shape):
    message = f"x: expected at least 2 elements a channel in training, got shape {shape}"
    assert_raises(ValueError, message, NORM.train_vjp, np.ones(shape))


@BOTH
def test_bad_cotangents(f_vjp):
    y, pullback = f_vjp(NORM, MAP)
    assert_refuses(pullback, bad_cotangents(y))
