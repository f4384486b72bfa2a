import dataclasses
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from unittest import mock

import numpy as np
import pytest
import tiers
from helpers import assert_close, assert_raises, assert_same, cast, cotangent, distinct, leaves
from hypothesis import given, settings
from hypothesis import strategies as st

import npcbam
from npcbam import CBAM, strategies, tree
from npcbam.cbam import ORDERS
from npcbam.fused import fused_forward, fused_vjp
from npcbam.oracle.comparison import bounds
from npcbam.presets import PRESETS

few = settings(deadline=None, max_examples=40)
QUICK = (np.float32, np.float64)


def small_cache(group=200, block=100):
    """Make room for so little only that small maps fall into several groups, blocks and pieces."""
    stack = ExitStack()
    stack.enter_context(mock.patch("npcbam.fused.GROUP", group))
    stack.enter_context(mock.patch("npcbam.fused.group.BLOCK", block))
    stack.enter_context(mock.patch("npcbam.fused.products.TERMS", 3))
    stack.enter_context(mock.patch("npcbam.fused.products.ROW", 5))
    return stack


def run(cbam, x, dy, threads=1, group=200, block=100):
    with small_cache(group, block):
        y, pullback = fused_vjp(cbam, x, threads)
        return y, *pullback(dy)


def assert_rounded(cbam, x, dy, got):
    """Demand that every entry is as near to the readable layers' as rounding must be."""
    wide, x64, dy64 = (cast(thing, np.float64) for thing in (cbam, x, dy))
    y, pullback = wide.vjp(x64)
    want = (y, *pullback(dy64))
    allowed = bounds.allowed(wide, x64, dy64, x.dtype.name)
    names = ["y", *(f"d{path}" for path, _ in tree.leaves(cbam)), "dx"]
    for name, a, (_, b) in zip(names, leaves(got), tree.leaves(want), strict=True):
        assert (a.shape, a.dtype) == (b.shape, x.dtype), name
        np.testing.assert_array_less(np.abs(a - b), allowed[name] + 1e-300, err_msg=name)


@st.composite
def cases(draw, dtype, **how):
    cbam = draw(strategies.cbams(dtype=dtype, **how))
    channels = cbam.channel.mlp.w0.shape[1]
    axes = 2 if cbam.spatial is None else cbam.spatial.conv.w.ndim - 2
    samples = draw(st.integers(0, 5))
    x = draw(
        strategies.feature_maps(ndim=axes + 2, dtype=dtype, channels=channels, samples=samples)
    )
    return cbam, x, draw(strategies.cotangents_like(x))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dtype", tiers.first(1, QUICK))
def test_presets_are_those_of_the_layers(preset, dtype):
    @few
    @given(cases(dtype, preset=preset, order="channel-first"), st.integers(1, 3))
    def holds(case, threads):
        assert_rounded(*case, run(*case, threads=threads))

    holds()


@pytest.mark.parametrize("dtype", QUICK)
@few
@given(st.data())
def test_any_block_is_that_of_the_layers(dtype, data):
    case = data.draw(cases(dtype, pools="any"))
    assert_rounded(*case, run(*case, threads=data.draw(st.integers(1, 3))))


@few
@given(st.data())
def test_rare_dtypes_take_the_readable_layers(data):
    cbam, x, dy = data.draw(cases(data.draw(st.sampled_from([np.longdouble, np.complex128]))))
    y, pullback = cbam.vjp(x)
    assert_close(run(cbam, x, dy), (y, *pullback(dy)))


@few
@given(st.data())
def test_bits_do_not_depend_on_threads(data):
    case = data.draw(cases(data.draw(st.sampled_from(QUICK)), pools="any"))
    one = run(*case)
    for threads in (2, 3):
        assert_same(run(*case, threads=threads), one)


@few
@given(st.data())
def test_bits_do_not_depend_on_the_layout(data):
    cbam, x, dy = data.draw(cases(data.draw(st.sampled_from(QUICK))))
    want = run(cbam, x, dy)
    assert_same(
        run(cbam, data.draw(strategies.layouts(x)), data.draw(strategies.layouts(dy))), want
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", tiers.first(1, QUICK))
def test_maps_larger_than_the_cache(order, dtype):
    cbam = dataclasses.replace(CBAM.init(0, 32, preset="seed", dtype=dtype), order=order)
    x = distinct(3, 32, 100, 70, dtype=dtype)
    assert_rounded(cbam, x, cotangent(x), run(cbam, x, cotangent(x), 2, 2**20, 2**18))


def test_no_samples():
    cbam = CBAM.init(0, 16, preset="official")
    x = np.zeros((0, 16, 5, 5))
    y, dcbam, dx = run(cbam, x, x, threads=2)
    assert y.shape == dx.shape == x.shape
    assert_same(dcbam, tree.zeros_like(cbam))


def test_pullback_is_pure():
    cbam = CBAM.init(0, 16, preset="seed")
    x = distinct(6, 16, 7, 5)
    x.flags.writeable = False
    before = x.copy()
    y, pullback = fused_vjp(cbam, x, threads=2)
    first, second = cotangent(x, 1), cotangent(x, 2)
    want, other = pullback(first), pullback(second)
    y[...] = np.nan
    with ThreadPoolExecutor(4) as pool:
        for at, got in enumerate(pool.map(pullback, [first, second] * 8)):
            assert_same(got, other if at % 2 else want)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("where", ["x", "dy"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_not_finite_travels_as_in_the_layers(preset, value, where):
    cbam = CBAM.init(0, 16, preset=preset)
    x = distinct(3, 16, 12, 9)
    dy = cotangent(x)
    {"x": x, "dy": dy}[where][1, 3, 4, 5] = value
    with np.errstate(all="ignore"):
        y, pullback = cbam.vjp(x)
        want, got = (y, *pullback(dy)), run(cbam, x, dy, threads=2)
    for (name, a), (_, b) in zip(tree.leaves(got), tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_caller_s_errstate_holds_in_threads():
    cbam = CBAM.init(0, 16)
    x = np.full((4, 16, 3, 3), 1e308)
    with np.errstate(all="ignore"):
        run(cbam, x, x, threads=2)


def test_errors_are_those_of_the_layers():
    cbam = CBAM.init(0, 16)
    good = np.ones((1, 16, 3, 3))
    bad = [good.astype("f4"), good[:, :3], good[..., 0], good[..., :0], good.tolist(), good[0]]
    for x in bad:
        with pytest.raises((TypeError, ValueError)) as caught:
            cbam(x)
        for f in (fused_forward, fused_vjp):
            assert_raises(caught.type, str(caught.value), f, cbam, x)
    for dy in [*bad, good[:, :, :2]]:
        with pytest.raises((TypeError, ValueError)) as caught:
            cbam.vjp(good)[1](dy)
        assert_raises(caught.type, str(caught.value), fused_vjp(cbam, good)[1], dy)
    assert_raises(
        ValueError, "threads: expected at least 1, got 0", fused_forward, cbam, good, threads=0
    )
    assert_raises(TypeError, "threads: expected an integer, got 1.0", fused_vjp, cbam, good, 1.0)
    assert_raises(TypeError, "cbam: expected CBAM, got numpy.ndarray", fused_forward, good, good)


@pytest.mark.parametrize("preset", ["paper", "official", "timm"])
def test_our_own_oracle_finds_it_faithful(preset):
    template = CBAM.init(0, 64, preset=preset, dtype=np.float64)
    names = [name for name, _ in tree.leaves(template)]

    def fused(params, x):
        cbam = tree.replace_leaves(template, iter(params[name] for name in names))
        y, pullback = fused_vjp(cbam, x)

        def fused_pullback(dy):
            dcbam, dx = pullback(dy)
            return dict(tree.leaves(dcbam)), dx

        return y, fused_pullback

    report = npcbam.check(fused, parameters=dict(tree.leaves(template)))
    assert report.verdict == "faithful", report
