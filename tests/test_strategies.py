"""The strategies draw what they promise."""

import runpy
import sys

import numpy as np
import pytest
from helpers import assert_raises
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from npcbam import arguments, strategies, tree
from npcbam.cbam import ORDERS
from npcbam.pooling import AVG, LP, LSE, MAX, MAX_EVEN
from npcbam.presets import PRESETS
from npcbam.strategies import GAP, cbams, cotangents_like, dtypes, feature_maps, layouts

quick = settings(deadline=None, max_examples=60)
REACH = settings(max_examples=2000, database=None, phases=[Phase.generate])


# What is drawn


@quick
@given(feature_maps(dtype=None))
def test_feature_maps_are_feature_maps(x):
    assert arguments.feature_map(x) is x
    assert np.abs(x.real).max() <= 4
    assert x.dtype.kind != "c" or x.imag.any()


@quick
@given(
    feature_maps(ndim=4, dtype="f4", channels=7, samples=0, min_size=2, max_size=3),
    feature_maps(samples=2, min_size=4, max_size=4),
)
def test_shapes_are_as_asked(x, y):
    assert (x.dtype, x.ndim, x.shape[:2]) == (np.float32, 4, (0, 7))
    assert all(2 <= size <= 3 for size in x.shape[2:])
    assert y.shape[0] == 2
    assert set(y.shape[2:]) == {4}


@quick
@given(feature_maps(dtype=None, ties="none"))
def test_no_two_entries_are_near_without_ties(x):
    gaps = np.diff(np.sort(x.real, axis=None))
    # Rounding to float32 may take some units in the last place off.
    assert x.size == 1 or gaps.min() > (1 - 1e-4) * GAP / x.size


@quick
@given(feature_maps(dtype=None, ties="none", far_from_kinks=True))
def test_no_entry_is_near_0_far_from_kinks(x):
    assert np.abs(x.real).min() > (1 - 1e-4) * GAP / x.size


@quick
@given(feature_maps(dtype=None, ties="some"))
def test_ties_are_there_as_far_as_there_is_room(x):
    assert (x == np.round(x)).all()
    space = tuple(range(2, x.ndim))
    tops = x == x.max(axis=space, keepdims=True)
    assert (tops.sum(axis=space) > 1).any() == (np.prod(x.shape[2:]) > 1)
    top = x == x.max(axis=1, keepdims=True)
    assert x.shape[1] == 1 or (top.sum(axis=1) > 1).any()


def test_ties_any_draws_both():
    tied = feature_maps(ties="any", ndim=3, channels=3)
    assert np.unique(find(tied, lambda x: np.unique(x).size < x.size, settings=REACH)).size
    assert find(tied, lambda x: x.size > 3 and np.unique(x).size == x.size, settings=REACH).size > 3


@quick
@given(st.data(), feature_maps(dtype=None))
def test_layouts_are_equal_and_new(data, x):
    odd = data.draw(layouts(x))
    assert (odd.dtype, odd.shape, odd.tobytes()) == (x.dtype, x.shape, x.tobytes())
    assert not np.shares_memory(odd, x) or 0 in odd.strides


@pytest.mark.parametrize(
    "wanted",
    [
        lambda a: a.flags.f_contiguous and not a.flags.c_contiguous,
        lambda a: min(a.strides) < 0,
        lambda a: not (a.flags.c_contiguous or a.flags.f_contiguous) and min(a.strides) > 0,
        lambda a: not a.flags.aligned,
        lambda a: a.flags.c_contiguous and not a.flags.writeable,
        lambda a: 0 in a.strides,
    ],
    ids=["Fortran", "negative", "gaps", "unaligned", "read-only", "broadcast"],
)
def test_every_layout_is_reached(wanted):
    x = np.broadcast_to(np.arange(6.0).reshape(1, 2, 3, 1), (1, 2, 3, 2)).copy()
    assert find(layouts(x), wanted, settings=REACH).tobytes() == x.tobytes()


def test_layouts_broadcast_only_where_the_bits_agree():
    x = np.array([[0.0, -0.0, 0.0]])
    seen = set()

    @settings(deadline=None, max_examples=100)
    @given(layouts(x))
    def collect(odd):
        seen.add(0 in odd.strides)

    collect()
    assert seen == {False}


@quick
@given(st.data(), feature_maps(dtype=None))
def test_cotangents_are_all_different_and_far_from_0(data, x):
    dy = data.draw(cotangents_like(x))
    assert (dy.shape, dy.dtype) == (x.shape, x.dtype)
    for part in (dy.real, dy.imag)[: 1 + (x.dtype.kind == "c")]:
        sizes = np.abs(part)
        assert sizes.min() >= 0.5
        assert sizes.max() <= 1.5
        assert np.unique(sizes).size == x.size


def test_cotangents_have_both_signs():
    y = np.ones(8)
    assert find(cotangents_like(y), lambda dy: dy.min() < 0 < dy.max(), settings=REACH).size == 8


@quick
@given(st.data(), dtypes())
def test_cbams_run_and_no_parameter_is_0(data, dtype):
    cbam = data.draw(cbams(channels=3, dtype=dtype, spatial_axes=2, pools="any"))
    for name, leaf in tree.leaves(cbam):
        assert leaf.dtype == dtype
        assert leaf.all(), name
        assert not name.endswith(".var") or (leaf.real >= 0.5).all()
    x = np.ones((1, 3, 2, 2), dtype)
    y, pullback = cbam.vjp(x)
    assert (y.shape, pullback(y)[1].shape) == (x.shape, x.shape)


@pytest.mark.parametrize("preset", PRESETS)
def test_cbams_of_a_preset_follow_it(preset):
    how = PRESETS[preset]
    ties = "even" if MAX_EVEN in how.pools else "first"

    @settings(deadline=None, max_examples=20)
    @given(cbams(preset=preset, channels=4, residual=how.residual, ties=ties, spatial_axes=1))
    def follow(cbam):
        assert cbam.channel.pools == how.pools
        assert (cbam.channel.mlp.b0 is not None) == how.mlp_bias
        assert cbam.residual == how.residual
        assert (cbam.spatial is None) == (how.planes is None)
        if cbam.spatial is not None:
            assert cbam.spatial.pools == how.planes
            assert cbam.spatial.blend == cbam.channel.blend == how.blend
            assert (cbam.spatial.conv.b is not None) == how.conv_bias
            assert (cbam.spatial.norm is not None) == (how.norm_momentum is not None)

    follow()


WANTED = [
    *[lambda c, order=order: c.order == order for order in ORDERS],
    lambda c: c.residual,
    lambda c: c.spatial is None,
    lambda c: c.spatial is not None and c.spatial.norm is not None,
    lambda c: c.spatial is not None and c.spatial.pools == (LSE, LP),
    lambda c: c.channel.pools[::-1] == (AVG, MAX),
    lambda c: MAX_EVEN in c.channel.pools,
    lambda c: c.channel.mlp.w0.shape == (1, 5),
    lambda c: c.spatial is not None and c.spatial.conv.w.shape[2:] == (5, 5, 5),
]


@pytest.mark.parametrize("wanted", WANTED)
def test_every_kind_of_cbam_is_reached(wanted):
    find(cbams(pools="any"), wanted, settings=REACH)


@quick
@given(cbams(order="parallel", residual=True, ties="even", kernel_size=7, spatial_axes=1))
def test_cbams_are_as_asked(cbam):
    assert (cbam.order, cbam.residual) == ("parallel", True)
    assert MAX not in cbam.channel.pools
    assert cbam.spatial is None or cbam.spatial.conv.w.shape[2:] == (7,)
    assert cbam.spatial is None or MAX not in cbam.spatial.pools


# Errors

ERRORS = [
    (feature_maps(ties="many"), "ties: expected 'none', 'some' or 'any', got 'many'"),
    (feature_maps(ndim=2), "ndim: expected None, 3, 4 or 5, got 2"),
    (
        feature_maps(far_from_kinks=True, ties="some"),
        "far_from_kinks: expected ties='none' with it, got 'some'",
    ),
    (cbams(pools="lp"), "pools: expected 'preset' or 'any', got 'lp'"),
    (cbams(ties="last"), "ties: expected None, 'first' or 'even', got 'last'"),
    (feature_maps(channels=-1), "channels: expected at least 1, got -1"),
    (feature_maps(samples=-1), "samples: expected at least 1, got -1"),
    (feature_maps(min_size=0), "min_size: expected at least 1, got 0"),
    (feature_maps(min_size=3, max_size=2), "max_size: expected at least min_size, 3, got 2"),
    (cbams(channels=0), "channels: expected at least 1, got 0"),
]


@pytest.mark.parametrize(("strategy", "message"), ERRORS)
def test_bad_arguments(strategy, message):
    assert_raises(ValueError, message, find, strategy, lambda _: True)


@pytest.mark.parametrize("strategy", [feature_maps, cbams])
def test_channels_are_a_number(strategy):
    message = "channels: expected an integer, got 'a'"
    assert_raises(TypeError, message, find, strategy(channels="a"), lambda _: True)


def test_only_arrays_have_layouts_and_cotangents():
    assert_raises(TypeError, "x: expected a NumPy array, got NoneType", layouts, None)
    message = "y: expected a NumPy array, got NoneType"
    assert_raises(TypeError, message, find, cotangents_like(None), lambda _: True)


@pytest.mark.parametrize("strategy", [feature_maps, cbams])
def test_bad_dtype(strategy):
    message = "dtype: expected float32, float64, longdouble or complex128, got 'f2'"
    assert_raises(TypeError, message, find, strategy(dtype="f2"), lambda _: True)


def test_without_hypothesis_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    message = "npcbam.strategies needs hypothesis: pip install 'npcbam[hypothesis]'"
    assert_raises(ImportError, message, runpy.run_path, strategies.__file__)
