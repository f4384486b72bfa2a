"""Arguments and results as vectors, and back."""

import copy
from collections import namedtuple
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npcbam.gradcheck.layout import Layout, branches, floating, leaves, number, spell

X, W = np.array([[1.0, -3.0, 0.5]]), np.array([2.0, 5.0])
Pair = namedtuple("Pair", "first second")


@dataclass(frozen=True)
class Layer:
    w: np.ndarray
    rule: str = "first"
    b: object = None
    made: np.ndarray = field(init=False, default=None)

    def __post_init__(self):
        object.__setattr__(self, "made", 2 * self.w)


class Opaque:
    """What is no tree: it is passed by."""

    def __init__(self):
        self.seen = [1]


class Stubborn:
    def __deepcopy__(self, memo):
        raise TypeError("no copies")


def laid(*args, labels="abcdef", fixed=()):
    return Layout(args, labels[: len(args)], fixed)


# By hand


def test_leaves_lie_end_to_end():
    found = laid({"p": X, "q": [W, 3]}, np.zeros((0, 2)), np.array(7.0, np.float32), 0.25)
    named = [(leaf.name, leaf.part, leaf.size, leaf.path) for leaf in found.leaves]
    assert named == [
        ("a.p", slice(0, 3), 3, (0, "p")),
        ("a.q.0", slice(3, 5), 2, (0, "q", 0)),
        ("b", slice(5, 5), 0, (1,)),
        ("c", slice(5, 6), 1, (2,)),
        ("d", slice(6, 7), 1, (3,)),
    ]
    assert [leaf.plain for leaf in found.leaves] == [False, False, False, False, True]
    assert found.vector(np.float64).tolist() == [1, -3, 0.5, 2, 5, 7, 0.25]
    assert found.vector(np.float32).dtype == np.float32
    assert [str(dtype) for dtype in found.dtypes()][2:4] == ["float64", "float32"]
    assert found.size == 7


def test_the_names_of_all_ends():
    names = [name for _, name, _ in laid({"p": X, "q": [W, 3]}, None).found()]
    assert names == ["a.p", "a.q.0", "a.q.1", "b"]


@pytest.mark.parametrize(
    ("entry", "place"), [(0, (0, (0, 0))), (2, (0, (0, 2))), (3, (1, (0,))), (5, (2, ()))]
)
def test_an_entry_has_a_leaf_and_an_index(entry, place):
    assert laid(X, W, np.array(7.0)).place(entry) == place


def test_an_entry_beyond_an_empty_leaf():
    assert laid(np.zeros((2, 0)), W).place(1) == (1, (1,))


def test_which_arguments_have_a_gradient():
    found = laid(X, 3, 0.5, {"w": W, "n": 1}, [0.5])
    assert [found.has_gradient(i) for i in range(5)] == [True, False, False, True, False]
    plain = [found.has_gradient(i, plain=True) for i in range(5)]
    assert plain == [True, False, True, True, True]


def test_what_is_fixed_is_not_asked_about():
    args = ({"w": W, "bias": W, "b": W}, X)
    names = [leaf.name for leaf in laid(*args, fixed=("a.b",)).leaves]
    assert names == ["a.w", "a.bias", "b"]
    assert [leaf.name for leaf in laid(*args, fixed=("a",)).leaves] == ["b"]
    params, _ = laid(*args, fixed=("a.b",)).build(np.zeros(7))
    assert (params["w"].tolist(), params["b"].tolist()) == ([0, 0], [2, 5])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (X, "an array of shape (1, 3) and dtype float64"),
        ((1, 2, 3), "a tuple of 3"),
        (None, "NoneType"),
        ([1], "list"),
        (0.5, "float"),
    ],
)
def test_values_in_words(value, said):
    assert spell(value) == said


@pytest.mark.parametrize(
    ("value", "array", "bare"),
    [
        (X, True, False),
        (X.astype(np.float16), True, False),
        (X.astype(np.longdouble), True, False),
        (X.astype(ml_dtypes.bfloat16), True, False),
        (X.astype(int), False, False),
        (X > 0, False, False),
        (X.astype(complex), False, False),
        (0.5, False, True),
        (np.float32(0.5), False, True),
        (np.int64(3), False, False),
        (3, False, False),
        (True, False, False),
        ("x", False, False),
        (np.array(["x"]), False, False),
        (np.array([None]), False, False),
    ],
)
def test_what_has_a_gradient(value, array, bare):
    assert (floating(value), number(value)) == (array, bare)


def test_what_is_a_branch():
    assert branches({"a": 1}) == {"a": 1}
    assert branches([5, 6]) == branches((5, 6)) == branches(Pair(5, 6)) == {0: 5, 1: 6}
    assert list(branches(Layer(W))) == ["w", "rule", "b", "made"]
    for end in (X, 3, "ab", None, Layer, Opaque()):
        assert branches(end) is None
    assert list(leaves({"a": [1, (2, None)], "b": Pair(3, "x")})) == [1, 2, None, 3, "x"]


# There and back


def same(one, two):
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and one.shape == two.shape and (one == two).all()
    below, now = branches(one), branches(two)
    if type(one) is not type(two) or (below is None) != (now is None):
        return False
    if below is None:
        return one == two
    return list(below) == list(now) and all(map(same, below.values(), now.values()))


ARGUMENTS = [
    (X, W),
    ({"w": W, 3: [X, (W, None)]}, "mode", 7),
    (Pair(X, Pair(W, 1)), True, 0.5),
    (Layer(W, "last", {"b": X}), np.arange(3)),
    (X.astype(np.float32), W.astype(np.longdouble), np.float32(0.5)),
    (np.array(2.0), np.zeros((2, 0)), b"bytes", 1j),
    ([X.T, np.asfortranarray(np.ones((3, 2))), X[:, ::-1]],),
    (X.astype(ml_dtypes.bfloat16), W.astype(np.float16)),
]


@pytest.mark.parametrize("args", ARGUMENTS)
def test_the_arguments_come_back_as_they_were(args):
    found = laid(*args)
    assert same(found.build(), args)
    assert same(found.build(found.vector(np.longdouble)), args)


@pytest.mark.parametrize("args", ARGUMENTS)
def test_nothing_is_shared_with_what_comes_back(args):
    found = laid(*args)
    for built in (found.build(), found.build(found.vector(np.float64))):
        for was, now in zip(leaves(args), leaves(built), strict=True):
            assert not np.shares_memory(was, now) if isinstance(was, np.ndarray) else True
        arrays = [leaf for leaf in leaves(built) if isinstance(leaf, np.ndarray)]
        for i, one in enumerate(arrays):
            assert not any(np.shares_memory(one, other) for other in arrays[:i])


def test_a_vector_fills_the_leaves():
    found = laid({"w": W, "n": 3}, Layer(X), 0.5, np.float32(1.5))
    params, layer, plain, narrow = found.build(np.arange(10.0))
    assert params["w"].tolist() == [0.0, 1.0]
    assert layer.w.tolist() == [[2.0, 3.0, 4.0]]
    assert layer.made.tolist() == [[5.0, 6.0, 7.0]]
    assert (type(plain), plain, type(narrow), narrow) == (float, 8.0, np.float32, 9.0)


def test_all_leaves_in_another_dtype():
    found = laid(X.astype(np.float32), 0.5, np.arange(2))
    x, plain, whole = found.build(found.vector(np.complex128) + 1j, np.complex128)
    assert (x.dtype, x[0, 0], whole.dtype) == (np.complex128, 1 + 1j, np.arange(2).dtype)
    assert plain == 0.5 + 1j


def test_the_same_array_twice_is_two_arguments():
    one, two = laid(W, W).build(np.arange(4.0))
    assert (one.tolist(), two.tolist()) == ([0.0, 1.0], [2.0, 3.0])


def test_arrays_that_may_not_be_written_to_come_as_copies_that_may():
    fixed = W.copy()
    fixed.setflags(write=False)
    (built,) = laid(fixed).build()
    built += 1
    assert fixed.tolist() == [2, 5]


def test_generators_are_copied_with_their_state():
    rng = np.random.default_rng(3)
    found = laid(X, rng)
    drawn = [found.build()[1].normal() for _ in range(2)]
    assert drawn[0] == drawn[1] == rng.normal()


def test_what_is_passed_by_is_copied_if_it_can_be():
    opaque, stubborn = Opaque(), Stubborn()
    _, one, other = laid(X, opaque, stubborn).build()
    one.seen.append(2)
    assert opaque.seen == [1]
    assert other is stubborn


def test_modules_and_functions_are_passed_as_they_are():
    _, module, f = laid(X, np, np.sin).build()
    assert (module, f) == (np, np.sin)


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


@given(st.lists(trees, max_size=4))
def test_any_tree_comes_back(args):
    before = copy.deepcopy(args)
    found = laid(*args)
    built = found.build(found.vector(np.float64))
    assert same(tuple(before), built)
    assert same(tuple(before), tuple(args))
    assert found.size == sum(leaf.size for leaf in found.leaves)
    for e in range(found.size):
        i, index = found.place(e)
        assert found.leaves[i].value[index] == found.vector(np.float64)[e]


# Errors


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((X.astype(complex),), "^a: expected a real dtype, got complex128$"),
        (({"w": [X.astype(np.complex64)]},), r"^a\.w\.0: expected a real dtype, got complex64$"),
    ],
)
def test_complex_arguments(args, message):
    with pytest.raises(TypeError, match=message):
        laid(*args)


def test_complex_arguments_may_be_fixed():
    assert laid(X, X.astype(complex), fixed=("b",)).size == 3
