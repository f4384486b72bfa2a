"""Moves of single entries, alone or together, and what results weigh in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import X, double, move_of, parts_of, real_only, smooth

from npcbam.gradcheck.columns import MOST_GROUPS, WORTH
from npcbam.slopes import Slopes

# Sums by hand


def kinked(left, right, error=0.0):
    left, right = np.array(left, float), np.array(right, float)
    return Slopes(left, right, np.full(left.shape, error), np.zeros(left.shape, bool))


def test_a_smooth_sum():
    sums = move_of([1.0, 2.0, -3.0]).sums(np.array([2.0, 1.0, 1.0]))
    assert (sums.low.tolist(), sums.high.tolist()) == ([1.0], [1.0])
    assert sums.scale.tolist() == [7.0]
    assert (sums.jumps.tolist(), sums.falls.tolist()) == ([False], [False])


def test_sums_of_entries_that_were_moved_together():
    move = move_of([1.0, 2.0, 4.0, 8.0], entries=(3, 5), v=np.ones(6), local=[0, 1, -1, 1])
    sums = move.sums(np.array([1.0, 1.0, 1.0, -1.0]))
    assert sums.low.tolist() == [1.0, -6.0]
    assert sums.scale.tolist() == [1.0, 10.0]
    np.testing.assert_array_equal(move.columns(), [[1, 0], [0, 2], [0, 0], [0, 8]])


def test_sums_in_long_double_keep_its_digits():
    wide = np.array([1.0, 2.0, 4.0, 8.0], np.longdouble) + 2 * np.finfo(np.longdouble).eps
    slopes = Slopes.smooth(wide, np.zeros(4, np.longdouble))
    move = move_of(slopes, entries=(3, 5), v=np.ones(6), local=[0, 1, -1, 0])
    sums = move.sums(np.ones(4))
    assert sums.low.tolist() == [wide[0] + wide[3], wide[1]]


def test_a_kink_has_two_sums_whichever_way_the_cotangent_points():
    for dy, low, high, falls in ((1.0, 0.0, 3.0, False), (-1.0, -3.0, 0.0, True)):
        sums = move_of(kinked([0.0], [3.0])).sums(np.array([dy]))
        assert (sums.low.tolist(), sums.high.tolist()) == ([low], [high])
        assert (sums.falls.tolist(), sums.scale.tolist()) == ([falls], [3.0])


def test_kinks_of_several_results_do_not_cancel():
    """|a| and -|a| in two results: each may be resolved as it likes."""
    sums = move_of(kinked([-1.0, 1.0], [1.0, -1.0])).sums(np.array([1.0, 1.0]))
    assert (sums.low.tolist(), sums.high.tolist()) == ([-2.0], [2.0])


def test_what_has_no_weight_need_not_be_known():
    slopes = Slopes.smooth(np.array([1.0, np.nan]), np.array([0.0, np.inf]))
    with np.errstate(invalid="ignore"):
        sums = move_of(slopes).sums(np.array([2.0, 0.0]))
    assert (sums.low.tolist(), sums.error.tolist()) == ([2.0], [0.0])
    assert np.isnan(move_of(slopes).sums(np.array([2.0, 1.0])).low).all()


def test_jumps_count_where_they_have_weight():
    slopes = Slopes(np.zeros(2), np.zeros(2), np.zeros(2), np.array([True, False]))
    assert move_of(slopes).sums(np.array([1.0, 1.0])).jumps.tolist() == [True]
    assert move_of(slopes).sums(np.array([0.0, 1.0])).jumps.tolist() == [False]


@pytest.mark.parametrize("count", [1, 4, 9, 100, 10_000])
def test_errors_of_few_results_add_up_and_of_many_partly(count):
    sums = move_of(smooth(np.zeros(count), error=1e-9)).sums(np.full(count, -2.0))
    assert sums.error[0] == pytest.approx(2e-9 * min(count, 3 * np.sqrt(count)))


# Laws


@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 99))
def test_sums_of_parts_are_sums_of_all(results, entries, seed):
    rng = np.random.default_rng(seed)
    local = rng.integers(-1, entries, size=results)
    sides = rng.normal(size=(2, results))
    dy = rng.normal(size=results)
    move = move_of(kinked(*sides), entries=range(entries), local=local)
    sums = move.sums(dy)
    for entry in range(entries):
        mine = local == entry
        low = np.minimum(*(dy * sides))[mine].sum()
        high = np.maximum(*(dy * sides))[mine].sum()
        assert sums.low[entry] == pytest.approx(low)
        assert sums.high[entry] == pytest.approx(high)
        assert sums.falls[entry] == ((dy * sides[0])[mine].sum() > (dy * sides[1])[mine].sum())


# Moves against the Jacobian


def batch(x):
    """Samples that are apart: a matrix product along the last axis."""
    w = np.arange(12.0).reshape(4, 3) - 5
    return np.sin(x) @ w, lambda dy: dy @ w.T * np.cos(x)


@pytest.mark.parametrize("wrapped", [lambda f: f, real_only])
def test_columns_are_those_of_the_jacobian(wrapped):
    x = np.random.default_rng(0).normal(size=(20, 4))
    parts = parts_of(wrapped(batch), x)
    columns = parts.judge.columns
    moves = list(columns.moves(0, np.arange(80)))
    assert len(moves) == 4
    # The first sample's derivative by its third entry, and no other's.
    (move,) = columns.moves(0, np.array([2]))
    jacobian = move.columns() / move.v[move.entries]
    want = np.zeros((20, 3))
    want[0] = np.cos(x[0, 2]) * (np.arange(6.0, 9.0) - 5)
    np.testing.assert_allclose(jacobian[:, 0], want.ravel(), atol=1e-9)
    for move in moves:
        assert move.entries.size == 20


def test_few_entries_are_moved_one_by_one():
    parts = parts_of(double, X)
    moves = list(parts.judge.columns.moves(0, np.arange(4)))
    assert [move.entries.tolist() for move in moves] == [[0], [1], [2], [3]]
    assert parts.judge.columns.apart(0) is None
    assert all(move.alone for move in moves)


def test_the_structure_is_looked_for_where_it_is_worth_it():
    def columns(size):
        return parts_of(double, np.random.default_rng(0).normal(size=size)).judge.columns

    assert columns(WORTH).apart(0) is None
    assert len(columns(WORTH + 1).apart(0).groups) == 1
    fresh = columns(WORTH + 1)
    assert fresh.known(0) is None
    fresh.apart(0)
    assert fresh.known(0) is not None


def test_too_many_groups_help_little():
    # Two samples of 65 entries that all meet.
    f = lambda x: (x.sum(1), lambda dy: np.repeat(dy[:, None], x.shape[1], 1))  # noqa: E731
    x = np.random.default_rng(0).normal(size=(2, MOST_GROUPS + 1))
    assert parts_of(f, x).judge.columns.apart(0) is None
    assert parts_of(f, x[:, :-1]).judge.columns.apart(0) is not None


def test_entries_that_are_bound_are_not_moved_together():
    a = np.eye(9) + 0.1
    parts = parts_of(double, a, domain="symmetric")
    assert parts.judge.columns.apart(0) is None
    (move,) = parts.judge.columns.moves(0, np.array([1]))
    assert np.flatnonzero(move.v).tolist() == [1, 9]


def test_the_second_reference_is_another():
    x = np.random.default_rng(0).normal(size=6)
    parts = parts_of(lambda x: (np.sin(x), lambda dy: dy * np.cos(x)), x)
    (first,) = parts.judge.columns.moves(0, np.array([2]))
    (second,) = parts.judge.columns.moves(0, np.array([2]), second=True)
    assert first.slopes.left[2] == pytest.approx(second.slopes.left[2], rel=1e-9)
    assert first.slopes.error[2] != second.slopes.error[2]
