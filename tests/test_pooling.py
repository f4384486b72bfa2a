"""mean, max, lp and log-sum-exp over any axes."""

import copy
import functools
import itertools
import math
import pickle

import numpy as np
import pytest
from helpers import (
    DTYPES,
    assert_adjoint,
    assert_close,
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
from scipy.special import logsumexp as scipy_logsumexp
from tolerances import STENCIL, ULP_ELEMENTARY

from npcbam import pooling
from npcbam.pooling import (
    AVG,
    LP,
    LSE,
    MAX,
    MAX_EVEN,
    POOLS,
    Pool,
    as_pools,
    describe_vjp,
    logsumexp_vjp,
    lp_vjp,
    max_even_vjp,
    max_vjp,
    mean_vjp,
)
from npcbam.strategies import feature_maps, layouts

ALL = (AVG, MAX, MAX_EVEN, LP, LSE)
EVERY_POOL = pytest.mark.parametrize(
    "pool_vjp", [pool.vjp for pool in ALL], ids=lambda f: f.__name__
)
SHAPES = [(2, 3, 4), (2, 3, 2, 3), (2, 2, 3, 1, 2)]


def all_axes(ndim):
    return [a for n in range(1, ndim + 1) for a in itertools.combinations(range(ndim), n)]


def rows(x, axes):
    """Yield each pooled place and the list of elements that are pooled there."""
    for at in np.ndindex(*[1 if a in axes else n for a, n in enumerate(x.shape)]):
        yield at, x[tuple(slice(None) if a in axes else i for a, i in enumerate(at))].ravel()


# By hand

X = np.array([[3.0, 4.0], [-6.0, 8.0]])
DY = np.array([[10.0], [100.0]])


@pytest.mark.parametrize(
    ("name", "y", "dx"),
    [
        ("mean", [[3.5], [1.0]], [[5, 5], [50, 50]]),
        ("max", [[4.0], [8.0]], [[0, 10], [0, 100]]),
        ("lp", [[5.0], [10.0]], [[6, 8], [-60, 80]]),
    ],
)
def test_by_hand(name, y, dx):
    assert getattr(pooling, name)(X, (1,)).tolist() == y
    pooled, pullback = getattr(pooling, f"{name}_vjp")(X, (1,))
    assert pooled.tolist() == y
    np.testing.assert_array_almost_equal_nulp(pullback(DY), np.array(dx, float), 1)


def test_logsumexp_by_hand():
    x = np.log([[1.0, 2.0], [3.0, 6.0]])
    y, pullback = logsumexp_vjp(x, (0, 1))
    np.testing.assert_allclose(y, [[math.log(12)]], rtol=1e-15)
    np.testing.assert_array_equal(y, pooling.logsumexp(x, (0, 1)))
    np.testing.assert_allclose(pullback(np.array([[12.0]])), [[1, 2], [3, 6]], rtol=1e-15)


TIED = np.array([[1.0, 1.0], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("ties", "axes", "dx"),
    [
        ("first", (0, 1), [[6, 0], [0, 0]]),
        ("even", (0, 1), [[2, 2], [2, 0]]),
        ("first", (0,), [[6, 60], [0, 0]]),
        ("even", (0,), [[3, 60], [3, 0]]),
        ("first", (1,), [[6, 0], [60, 0]]),
        ("even", (1,), [[3, 3], [60, 0]]),
    ],
)
def test_ties_by_hand(ties, axes, dx):
    y, pullback = max_vjp(TIED, axes, ties)
    dy = np.array([6.0, 60.0])[: y.size].reshape(y.shape)
    assert pullback(dy).tolist() == dx
    assert pooling.max(TIED, axes, ties).tolist() == np.ones_like(y).tolist()


def test_zeros_of_either_sign_tie():
    x = np.array([-0.0, 0.0])
    assert max_vjp(x, (0,), "first")[1](np.array([2.0])).tolist() == [2, 0]
    assert max_vjp(x, (0,), "even")[1](np.array([2.0])).tolist() == [1, 1]


@pytest.mark.parametrize(("ties", "dx"), [("first", [0, 6, 0]), ("even", [0, 3, 3])])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_is_the_maximum(dtype, ties, dx):
    y, pullback = max_vjp(np.array([np.inf, np.nan, np.nan], dtype), (0,), ties)
    assert np.isnan(y).all()
    assert pullback(np.array([6], dtype)).tolist() == dx


@pytest.mark.parametrize("ties", ["first", "even"])
def test_complex_numbers_are_ordered_by_the_real_part_then_the_imaginary_part(ties):
    y, pullback = max_vjp(np.array([1 + 9j, 2 - 1j, 2 + 1j]), (0,), ties)
    assert y.tolist() == [2 + 1j]
    assert pullback(np.array([3j])).tolist() == [0, 0, 3j]


# An independent forward


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_against_loops(shape, dtype):
    x = integers(*shape, dtype=dtype, low=-9, high=10)
    for axes in all_axes(x.ndim):
        pooled = {name: getattr(pooling, name)(x, axes) for name in ("mean", "max", "lp")}
        for at, row in rows(x, axes):
            whole = [int(v) for v in row]
            assert pooled["mean"][at] == dtype(sum(whole)) / dtype(len(whole))
            assert pooled["max"][at] == max(whole)
            assert pooled["lp"][at] == np.sqrt(dtype(sum(v * v for v in whole)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_logsumexp_against_scipy(shape, dtype):
    x = integers(*shape, dtype=dtype, low=-9, high=10)
    for axes in all_axes(x.ndim):
        want = scipy_logsumexp(x, axis=axes, keepdims=True)
        assert_close(pooling.logsumexp(x, axes), want)


def test_logsumexp_lets_small_terms_vanish_silently():
    with np.errstate(all="raise"):
        y, pullback = logsumexp_vjp(np.array([0.0, -1000.0]), (0,))
        assert y.tolist() == [0]
        assert pullback(np.array([3.0])).tolist() == [3, 0]


def test_logsumexp_neither_overflows_nor_underflows():
    x = np.array([[1000.0, 1000.0], [-1000.0, -1000.0], [1000.0, -1000.0]])
    y, pullback = logsumexp_vjp(x, (1,))
    want = np.array([[1000 + math.log(2)], [-1000 + math.log(2)], [1000]])
    np.testing.assert_array_almost_equal_nulp(y, want, ULP_ELEMENTARY)
    assert pullback(np.full((3, 1), 2.0)).tolist() == [[1, 1], [1, 1], [2, 0]]


@pytest.mark.parametrize(
    ("x", "y", "dx"),
    [
        ([np.inf, 1.0], np.inf, [2, 0]),
        ([np.inf, np.inf], np.inf, [1, 1]),
        ([-np.inf, 1.0], 1, [0, 2]),
        ([-np.inf, -np.inf], -np.inf, [1, 1]),
    ],
)
def test_logsumexp_of_infinities(x, y, dx):
    pooled, pullback = logsumexp_vjp(np.array(x), (0,))
    assert pooled.tolist() == [y]
    assert pullback(np.array([2.0])).tolist() == dx


@pytest.mark.parametrize("unit", [2.0**1000, 2.0**-1000, 2.0**-1073])
def test_lp_neither_overflows_nor_underflows(unit):
    y, pullback = lp_vjp(unit * np.array([3.0, -4.0]), (0,))
    assert y.tolist() == [5 * unit]
    np.testing.assert_allclose(pullback(np.array([5.0])), [3, -4], rtol=1e-15)


@pytest.mark.parametrize("extreme", [np.finfo(float).max, np.finfo(float).smallest_subnormal])
def test_lp_of_the_largest_and_of_the_smallest_number(extreme):
    y, pullback = lp_vjp(np.array([0.0, -extreme]), (0,))
    assert y.tolist() == [extreme]
    assert pullback(np.array([5.0])).tolist() == [0, -5]


def test_the_slope_of_lp_keeps_its_digits_where_y_is_subnormal():
    tiny = np.finfo(float).smallest_subnormal
    y, pullback = lp_vjp(np.array([tiny, tiny]), (0,))
    assert y.tolist() == [tiny]
    np.testing.assert_array_almost_equal_nulp(pullback(np.ones(1)), np.full(2, math.sqrt(0.5)), 1)


@EVERY_POOL
def test_gradients_are_fresh(pool_vjp):
    _, pullback = pool_vjp(distinct(2, 3, 4), (1,))
    dx = pullback(np.ones((2, 1, 4)))
    assert dx.flags.writeable
    assert dx.flags.c_contiguous


def test_lp_of_zeros_has_the_gradient_zero():
    y, pullback = lp_vjp(np.zeros((2, 3)), (1,))
    assert y.tolist() == [[0], [0]]
    assert pullback(np.array([[1.0], [2.0]])).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2)])
def test_long_means_are_summed_pairwise(axes):
    # Added one after the other in float32, as many tenths are off by thousands of roundings.
    shape = (2, *(2**16 if axis in axes[:1] else 2 for axis in (1, 2)))
    y = pooling.mean(np.full(shape, 0.1, np.float32), axes)
    np.testing.assert_array_almost_equal_nulp(y, np.full_like(y, 0.1), ULP_ELEMENTARY)


def test_the_norm_of_zeros_has_no_slope_whatever_stood_in_memory():
    x = np.zeros((1, 4))
    _, pullback = pooling.lp_vjp(x, (1,))
    rubbish = [np.full((1, 4), 7.0) for _ in range(100)]
    del rubbish  # NumPy hands small blocks out again as they are
    assert pullback(np.ones((1, 1))).tolist() == [[0, 0, 0, 0]]


# The derivative


@EVERY_POOL
@pytest.mark.parametrize("shape", SHAPES)
def test_derivative(pool_vjp, shape):
    x = distinct(*shape)
    for axes in all_axes(x.ndim):
        assert_derivative(functools.partial(pool_vjp, axes=axes), x)
    assert_stencil(functools.partial(pool_vjp, axes=(1,)), x, tolerance=STENCIL)


@pytest.mark.parametrize("shape", SHAPES)
def test_mean_is_linear(shape):
    # Rows of 2, 4 or 8 equal terms, so that their means are exact.
    x, v = integers(*shape), integers(4, 2, 8, seed=1)
    for axes in [(0,), (1,), (2,), (0, 2), (0, 1, 2)]:
        pool_vjp = functools.partial(mean_vjp, axes=axes)
        assert_adjoint(pool_vjp, v, v, integers(*pool_vjp(v)[0].shape, low=1, seed=2))
    assert_same(pooling.mean(-x, (1,)), -pooling.mean(x, (1,)))


@pytest.mark.parametrize("blend", [False, True])
@pytest.mark.parametrize("pools", [(AVG,), (MAX, AVG), (LSE, LP, MAX, AVG)])
def test_derivative_of_all_descriptors(pools, blend):
    def stacked_vjp(x):
        found, pullback = describe_vjp(x, (1,), pools, blend)

        def stacked_pullback(dy):
            return pullback(np.split(dy, dy.shape[1], axis=1))

        return np.concatenate(found, axis=1), stacked_pullback

    x = distinct(2, 3, 2, 2)
    assert stacked_vjp(x)[0].shape == (2, 1 if blend else len(pools), 2, 2)
    assert_derivative(stacked_vjp, x)
    assert_laws(stacked_vjp, x)


def test_descriptors_stand_in_the_order_of_the_pools():
    found, _ = describe_vjp(X[None], (2,), (MAX, AVG), False)
    assert [f.ravel().tolist() for f in found] == [[4, 8], [3.5, 1]]
    (blended,), _ = describe_vjp(X[None], (2,), (MAX, AVG), True)
    assert blended.ravel().tolist() == [3.75, 4.5]


@pytest.mark.parametrize(("pool", "dx"), [(MAX, [6, 0, 0]), (MAX_EVEN, [3, 3, 0])])
def test_descriptors_follow_the_tie_rule(pool, dx):
    _, pullback = describe_vjp(np.array([2.0, 2.0, 1.0]), (0,), (pool,), False)
    assert pullback([np.array([6.0])]).tolist() == dx


def test_a_pool_is_equal_to_itself_alone():
    for one, other in itertools.product(ALL, ALL):
        assert (one == other) == (one is other)
        assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    assert [pool.ties for pool in ALL] == [None, "first", "even", None, None]
    assert {name: pool.name for name, pool in POOLS.items()} == {n: n for n in POOLS}


def test_names_are_turned_into_pools():
    assert as_pools(("max", AVG, "lse")) == (MAX, AVG, LSE)
    smallest = Pool("min", lambda x, axes: max_vjp(-x, axes))
    assert as_pools((smallest, MAX_EVEN)) == (smallest, MAX_EVEN)


# Laws


@EVERY_POOL
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_laws(pool_vjp, data):
    x = data.draw(feature_maps(dtype=None, samples=2))
    inner = st.lists(st.integers(1, x.ndim - 1), min_size=1, unique=True)
    f_vjp = functools.partial(pool_vjp, axes=tuple(data.draw(inner)))
    assert_laws(f_vjp, x)
    assert_layouts(lambda a: data.draw(layouts(a)), f_vjp, x)
    assert_samples_apart(f_vjp, x)
    order = data.draw(st.permutations(range(x.shape[1])))
    over_space = functools.partial(pool_vjp, axes=tuple(range(2, x.ndim)))
    assert_same(over_space(x[:, order])[0], over_space(x)[0][:, order])


@settings(deadline=None, max_examples=40)
@given(st.data(), feature_maps(dtype=None, ties="some"))
def test_both_tie_rules_give_a_maximum_all_of_its_gradient(data, x):
    axes = data.draw(st.sampled_from(all_axes(x.ndim)))
    (y, first), (even_y, even) = max_vjp(x, axes), max_even_vjp(x, axes)
    assert_same(y, even_y)
    dy = cotangent(y)
    # Of "first", one element has it all; of "even", all tied ones have the same.
    assert_same(first(dy).sum(axis=axes, keepdims=True), dy)
    assert_close(even(dy).sum(axis=axes, keepdims=True), dy)
    taken = first(dy) != 0
    assert (taken <= (x == y)).all()
    assert (taken.sum(axis=axes) == 1).all()
    count = (x == y).sum(axis=axes, keepdims=True).astype(x.dtype)
    assert_same(even(dy), np.where(x == y, dy / count, x.dtype.type(0)))


@EVERY_POOL
def test_empty_batch(pool_vjp):
    x = np.zeros((0, 3, 2), np.float32)
    y, pullback = pool_vjp(x, (1, 2))
    assert (y.shape, y.dtype) == ((0, 1, 1), np.float32)
    assert_same(pullback(y), x)


@EVERY_POOL
def test_axes_in_any_spelling(pool_vjp):
    x = distinct(2, 3, 4)
    want = pool_vjp(x, (1, 2))[0]
    for axes in [(2, 1), [1, 2], (-1, -2), (np.int64(1), np.int32(2)), (1, -1)]:
        assert_same(pool_vjp(x, axes)[0], want)


@EVERY_POOL
def test_threads(pool_vjp):
    assert_threads(functools.partial(pool_vjp, axes=(1,)), distinct(2, 16, 8, 8))


@pytest.mark.parametrize("ties", ["first", "even"])
def test_max_orders_permuted_channels_alike(ties):
    x = distinct(2, 5, 3)
    y, pullback = max_vjp(x, (1,), ties)
    flipped, flipped_pullback = max_vjp(x[:, ::-1], (1,), ties)
    assert_same(flipped, y)
    assert_same(flipped_pullback(y)[:, ::-1].copy(), pullback(y))


# Errors

NAMES = ["mean", "max", "lp", "logsumexp"]
EVERY_ENTRY = pytest.mark.parametrize("name", [*NAMES, *(f"{name}_vjp" for name in NAMES)])


@EVERY_ENTRY
def test_bad_x(name):
    f = getattr(pooling, name)
    assert_refuses(lambda x: f(x, (1,)), bad_arrays("x", X))
    message = "x: expected pooled axes of at least 1, got (0, 2)"
    assert_raises(ValueError, message, f, X[:0], (0,))


@EVERY_ENTRY
@pytest.mark.parametrize("axes", [(), 1, (2,), (-3,), (True,), (1.0,), None, "1"], ids=repr)
def test_bad_axes(name, axes):
    message = f"axes: expected a tuple of axes of x, of which there are 2, got {axes!r}"
    assert_raises(ValueError, message, getattr(pooling, name), X, axes)


@EVERY_ENTRY
def test_axes_that_come_twice(name):
    message = "axes: expected each axis once, got (1, -1)"
    assert_raises(ValueError, message, getattr(pooling, name), X, (1, -1))


@pytest.mark.parametrize("f", [pooling.max, max_vjp])
@pytest.mark.parametrize("ties", ["last", None, 0, ["first"]], ids=repr)
def test_bad_ties(f, ties):
    message = f"ties: expected 'first' or 'even', got {ties!r}"
    assert_raises(ValueError, message, f, X, (1,), ties)


@EVERY_POOL
def test_bad_cotangents(pool_vjp):
    y, pullback = pool_vjp(X, (1,))
    assert_refuses(pullback, bad_cotangents(y))
