"""Entries that never meet in one result, found from what moves with what."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npcbam.gradcheck.structure import find


def by(matrix, start=0):
    """Return what moves when entries of a linear map are moved: rows are results."""
    reached = np.asarray(matrix) != 0
    return lambda entries: reached[:, np.asarray(entries, int) - start].any(axis=1)


# By hand


def test_an_elementwise_function_takes_one_move():
    found = find(by(np.eye(6)), 0, (6,), most=4)
    assert [group.tolist() for group in found.groups] == [[0, 1, 2, 3, 4, 5]]
    np.testing.assert_array_equal(found.local(0, found.groups[0]), np.arange(6))
    assert found.axes == (0,)


def test_samples_that_are_apart_move_together():
    # Two samples of three entries, each sample with two results.
    inner = np.array([[1, 1, 0], [0, 1, 1]])
    found = find(by(np.kron(np.eye(2), inner), start=5), 5, (2, 3), most=8)
    assert sorted(group.tolist() for group in found.groups) == [[5, 8], [6, 9], [7, 10]]
    # Each result belongs to the entry of its own sample.
    np.testing.assert_array_equal(found.local(5, np.array([6, 9])), [0, 0, 1, 1])
    assert found.axes == (0,)


def test_results_that_nothing_moves_belong_to_no_entry():
    found = find(by(np.vstack([np.eye(4), np.zeros((1, 4))])), 0, (4,), most=4)
    np.testing.assert_array_equal(found.local(0, found.groups[0]), [0, 1, 2, 3, -1])


def test_what_meets_everywhere_has_no_structure():
    assert find(by(np.ones((1, 6))), 0, (6,), most=8) is None
    assert find(by(np.ones((6, 6))), 0, (2, 3), most=8) is None


def test_one_conflict_is_enough():
    """A single result that two samples reach forbids to move them together."""
    matrix = np.eye(8)
    matrix[0, 7] = 1  # entries 0 and 7 meet in result 0
    found = find(by(matrix), 0, (8,), most=8)
    for group in [] if found is None else found.groups:
        assert not {0, 7} <= set(group.tolist())


def test_too_many_groups_are_none():
    inner = np.ones((1, 16))
    matrix = np.kron(np.eye(4), inner)
    assert find(by(matrix), 0, (4, 16), most=15) is None
    assert len(find(by(matrix), 0, (4, 16), most=16).groups) == 16


def test_a_result_that_moves_now_and_then_is_no_structure():
    calls = []

    def moves(entries):
        calls.append(entries)
        seen = by(np.eye(8))(entries)
        seen[3] = len(calls) < 3 and seen[3]
        return seen

    assert find(moves, 0, (8,), most=8) is None


def test_one_entry_has_no_structure():
    assert find(by(np.ones((1, 1))), 0, (1,), most=4) is None


# Laws


@pytest.mark.parametrize("most", [4, 64])
@given(st.data())
def test_entries_of_one_group_never_meet(most, data):
    shape = data.draw(st.tuples(*[st.integers(1, 5)] * data.draw(st.integers(1, 3))))
    size, results = int(np.prod(shape)), data.draw(st.integers(1, 6))
    kind = data.draw(st.sampled_from(["sparse", "blocks", "full"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    matrix = rng.random((results, size)) < 0.15
    if kind == "blocks":
        matrix = np.kron(np.eye(shape[0]), rng.random((results, size // shape[0])) < 0.5)
    elif kind == "full":
        matrix = rng.random((results, size)) < 0.9
    found = find(by(matrix), 0, shape, most)
    if found is None:
        return
    assert len(found.groups) <= most
    np.testing.assert_array_equal(np.sort(np.concatenate(found.groups)), np.arange(size))
    for group in found.groups:
        assert (matrix[:, group].astype(int).sum(axis=1) <= 1).all()
        local = found.local(0, group)
        for result, at in enumerate(local):
            reached = np.flatnonzero(matrix[result, group])
            # What a result is given to is what moves it, if anything of the group does.
            assert not reached.size or at == reached[0]
