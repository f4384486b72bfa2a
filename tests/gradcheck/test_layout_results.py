"""Results as vectors, and cotangents in their form."""

from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npcbam.gradcheck.layout import Results, leaves

X, W = np.array([[1.0, -3.0, 0.5]]), np.array([2.0, 5.0])
Pair = namedtuple("Pair", "first second")


def test_a_result_is_a_vector_too():
    y = {"s": X, "n": 3, "t": (W, 0.5), "k": np.arange(2)}
    found = Results(y)
    assert found.names == ["y.s", "y.t.0", "y.t.1"]
    assert found.parts == [slice(0, 3), slice(3, 5), slice(5, 6)]
    assert found.read(y, np.float64).tolist() == [1, -3, 0.5, 2, 5, 0.5]
    assert Results(X).names == ["y"]


def test_a_result_is_copied():
    buffer = X.copy()
    found = Results(buffer)
    buffer += 1
    assert found.leaves[0].tolist() == X.tolist()
    again = found.read(buffer, np.float64)
    buffer += 1
    assert again.tolist() == (X + 1).ravel().tolist()


@pytest.mark.parametrize(
    "other", [X[0], X.T, (X, X), None, "y", {}, X.astype(complex), np.ones((1, 3), int)]
)
def test_a_result_of_another_form_is_none(other):
    assert Results(X).read(other, np.float64) is None


def test_a_complex_result_is_read_as_one():
    assert Results(X).read(X + 1j, np.complex128).tolist() == (X + 1j).ravel().tolist()


def test_a_cotangent_has_the_form_of_the_result():
    y = {"s": X.astype(np.float32), "n": 3, "t": Pair(0.5, np.float32(1)), "k": np.arange(2)}
    dy = Results(y).cotangent(np.arange(5.0))
    assert (dy["s"].tolist(), dy["s"].dtype) == ([[0, 1, 2]], np.float32)
    assert type(dy["t"]) is Pair
    assert (type(dy["t"][0]), type(dy["t"][1])) == (float, np.float32)
    assert (tuple(dy["t"]), dy["n"], dy["k"].tolist()) == ((3.0, 4.0), None, [0, 0])


def test_a_cotangent_may_be_laid_out_in_another_way():
    dy = Results(np.ones((2, 3))).cotangent(np.arange(6.0), np.asfortranarray)
    assert dy.flags.f_contiguous
    assert dy.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_cotangents_are_each_their_own():
    vector, found = np.arange(3.0), Results(X)
    one = found.cotangent(vector)
    one += 1
    assert (vector.tolist(), found.cotangent(vector).tolist()) == ([0, 1, 2], [[0, 1, 2]])


# Laws

arrays = st.builds(
    lambda shape, dtype: np.arange(float(np.prod(shape))).reshape(shape).astype(dtype),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from(["f2", "f4", "f8", "i4", "?"]),
)
ends = arrays | st.none() | st.booleans() | st.integers() | st.floats(-9, 9) | st.text(max_size=3)
trees = st.recursive(
    ends,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1), below, max_size=3)
        | st.tuples(below, below)
        | st.builds(Pair, below, below)
    ),
    max_leaves=8,
)


@given(trees)
def test_a_cotangent_of_any_result_has_its_form(y):
    found = Results(y)
    dy = found.cotangent(np.arange(float(found.size)))
    again = found.read(dy, np.float64)
    # Whole numbers come back as None and zeros, which are no floating results of their own.
    if not any(isinstance(leaf, np.ndarray) and leaf.dtype.kind in "ib" for leaf in leaves(y)):
        assert again.tolist() == list(range(found.size))
