"""Which cotangents a pullback is asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

from npcbam.gradcheck.cotangents import draw, in_other_order, spread
from npcbam.gradcheck.formats import largest_of

LARGEST = {dtype: largest_of(np.dtype(dtype)) for dtype in ("f2", "f4", "f8", "g")}


def same(dy):
    return dy


def asked(size=1000, seed=0, rounded=same, largest=LARGEST["f8"]):
    return draw(np.random.default_rng(seed), size, rounded, largest)


# By hand


def test_the_first_is_random_and_the_others_show_more():
    found = asked()
    assert [each.name for each in found] == [
        "",
        "another dy",
        "a dy 1e+06 times as large",
        "a dy 1e-06 times as large",
        "a dy with zeros in it",
    ]
    assert [each.size for each in found] == [1, 4, 1e6, 1e-6, 1]
    for each in found:
        size = np.abs(each.dy[each.dy != 0]) / each.size
        assert 0.5 <= size.min() < 0.52
        assert 1.48 < size.max() <= 1.5
        assert 0.4 < (each.dy > 0).mean() / (each.dy != 0).mean() < 0.6
    assert [0.4 < (each.dy == 0).mean() < 0.6 for each in found] == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("dtype", "far"), [("f2", 8.0), ("f4", 1e6), ("f8", 1e6), ("g", 1e6)]
)  # fmt: skip
def test_the_largest_and_the_smallest_fit_their_format(dtype, far):
    found = asked(largest=LARGEST[dtype])
    assert found[2].size == 1 / found[3].size == far
    assert found[2].name == f"a dy {far:.3g} times as large"
    # Their squares too.
    assert (far * 1.5) ** 2 < LARGEST[dtype]


def test_cotangents_have_the_precision_of_the_results():
    found = asked(rounded=lambda dy: dy.astype(np.float16).astype(float), largest=LARGEST["f2"])
    for each in found:
        np.testing.assert_array_equal(each.dy, each.dy.astype(np.float16))


def test_a_seed_gives_the_same_again():
    for one, two in zip(asked(seed=3), asked(seed=3), strict=True):
        np.testing.assert_array_equal(one.dy, two.dy)
    assert (asked(seed=3)[0].dy != asked(seed=4)[0].dy).all()


@pytest.mark.parametrize("size", [0, 1])
def test_one_entry_has_no_holes(size):
    found = asked(size)
    assert len(found) == 4
    assert all(each.dy.shape == (size,) for each in found)


def test_holes_are_never_all_or_none():
    for seed in range(50):
        for each in asked(2, seed)[4:]:
            assert (each.dy == 0).sum() == 1


def test_an_array_in_another_order():
    x = np.arange(6.0).reshape(2, 3)
    found = in_other_order(x)
    assert found.tolist() == x.tolist()
    assert (found.flags.f_contiguous, found.flags.c_contiguous) == (True, False)


@pytest.mark.parametrize("shape", [(5,), (1, 5), (5, 1), (1, 1, 2)])
def test_a_row_in_another_order_has_gaps(shape):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    found = in_other_order(x)
    assert found.tolist() == x.tolist()
    assert not (found.flags.c_contiguous and x.shape[-1] > 1)


# Laws


@given(drawn.arrays(st.sampled_from(["f4", "f8"]), drawn.array_shapes(min_dims=0, min_side=0)))
def test_another_order_changes_no_number(x):
    found = in_other_order(x)
    np.testing.assert_array_equal(found, x)
    assert (found.dtype, found.shape) == (x.dtype, x.shape)
    assert not np.shares_memory(found, x)


@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_nothing_hides_and_nothing_repeats(seed, size):
    found = spread(np.random.default_rng(seed), size)
    assert ((np.abs(found) >= 0.5) & (np.abs(found) <= 1.5)).all()
    assert np.unique(np.abs(found)).size == size
