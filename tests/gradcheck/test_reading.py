"""What a pullback gave: which cotangent belongs to what, and every fault of form."""

from collections import namedtuple
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npcbam.gradcheck.layout import Layout
from npcbam.gradcheck.outcomes import Stop
from npcbam.gradcheck.reading import read

X, W = np.array([[1.0, -3.0, 0.5]]), np.array([2.0, 5.0])
N, B = np.arange(3), np.array(7.0)
Pair = namedtuple("Pair", "first second")


@dataclass(frozen=True)
class Layer:
    w: np.ndarray
    b: np.ndarray
    rule: str = "first"


def reading(args, result, labels="xwpq", fixed=()):
    return read(Layout(args, labels[: len(args)], fixed), result)


def g_of(*cotangents):
    return np.concatenate([np.ravel(c) for c in cotangents]).tolist()


# By hand: which cotangent belongs to which argument


ASSIGNED = [
    # One argument: bare, or alone in a tuple or a list.
    ((X,), 2 * X, [2 * X]),
    ((X,), (2 * X,), [2 * X]),
    ((X,), [2 * X], [2 * X]),
    ((B,), np.float64(5), [5]),
    ((B,), 5.0, [5]),
    ((B,), (np.array(5.0),), [5]),
    ((0.5,), 5.0, [5]),
    # Several arguments: one each.
    ((X, W), (2 * X, W), [2 * X, W]),
    ((X, W), [2 * X, W], [2 * X, W]),
    ((X, W), (None, W), [0 * X, W]),
    # Those without a gradient get None, zeros, or are left out.
    ((X, N), (2 * X, None), [2 * X]),
    ((X, N), (2 * X, np.zeros(3)), [2 * X]),
    ((X, N), (2 * X,), [2 * X]),
    ((X, N), 2 * X, [2 * X]),
    ((N, X, "mode", None, W), (X, W), [X, W]),
    ((N, X, "mode", None, W), (None, X, None, None, W), [X, W]),
    ((N, X, True), 3 * X, [3 * X]),
    # Bare numbers may have a cotangent, or none.
    ((X, 0.5), (2 * X, 3.0), [2 * X, 3]),
    ((X, 0.5), (2 * X,), [2 * X, 0]),
    ((X, 0.5), 2 * X, [2 * X, 0]),
    ((X, 0.5, W), (2 * X, W), [2 * X, 0, W]),
    ((0.5, X, W), (2.0, X, W), [2, X, W]),
    ((0.5, 1.5), (2.0, 3.0), [2, 3]),
    ((X, 0.5, N), (2 * X, 3.0), [2 * X, 3]),
    # Trees.
    (({"a": X, "b": W},), {"a": 2 * X, "b": W}, [2 * X, W]),
    (({"a": X, "b": W},), {"b": W, "a": 2 * X}, [2 * X, W]),
    (({"a": X, "b": W},), ({"a": 2 * X, "b": W},), [2 * X, W]),
    (({"a": X, "n": 3},), {"a": 2 * X}, [2 * X]),
    (({"a": X, "n": 3},), {"a": 2 * X, "n": None}, [2 * X]),
    (({"a": X, "b": W},), {"a": None, "b": W}, [0 * X, W]),
    (({"a": {"b": X}},), {"a": None}, [0 * X]),
    ((Layer(W, B), X), (Layer(2 * W, B), X), [2 * W, B, X]),
    ((Pair(X, W),), Pair(2 * X, W), [2 * X, W]),
    (((X, W),), (2 * X, W), [2 * X, W]),
    (((X, W),), ((2 * X, W),), [2 * X, W]),
    ((((X,),),), ((2 * X,),), [2 * X]),
    (([X, W],), [2 * X, W], [2 * X, W]),
    (((X,),), (2 * X,), [2 * X]),
    (((X,),), ((2 * X,),), [2 * X]),
    (((W, W), X), ((W, 2 * W), X), [W, 2 * W, X]),
]


@pytest.mark.parametrize(("args", "result", "want"), ASSIGNED)
def test_which_cotangent_belongs_to_which_argument(args, result, want):
    found = reading(args, result, "abcde")
    assert (found.g.tolist(), found.faults) == (g_of(*want), [])


def test_where_a_fixed_array_gets_one_too_or_not():
    for result in ((2 * X, W), (2 * X,), 2 * X, (2 * X, None)):
        found = reading((X, W), result, fixed=("w",))
        assert (found.g.tolist(), found.faults) == (g_of(2 * X), [])


def test_a_tuple_that_fits_by_shape_goes_before_one_that_fits_by_number():
    """Of an array, a number and an array two cotangents: those of the arrays."""
    found = reading((X, 0.5, W), (X, W))
    assert found.g.tolist() == g_of(X, 0, W)
    found = reading((0.5, X, N), (3.0, X))
    assert found.g.tolist() == g_of(3, X)
    for result, want in (((W, 3.0), (W, 3)), ((X, W), (W, 0))):
        found = reading((X, W, 0.5), result, fixed=("x",))
        assert (found.g.tolist(), found.faults) == (g_of(*want), [])


def test_what_a_reading_holds():
    found = reading((X, W, {"b": B, "c": B}), (2 * X, None, {"b": B, "c": np.ones(2)}))
    assert found.g.dtype == np.float64
    assert found.g[:6].tolist() == g_of(2 * X, 0 * W, B)
    assert np.isnan(found.g[6])
    assert (found.none, found.unread) == ({1}, {3})
    assert {i: part.shape for i, part in found.given.items()} == {0: (1, 3), 2: (), 3: (2,)}
    assert [(f.code, f.leaf) for f in found.faults] == [("shape", "p.c")]


def test_a_pullback_that_gives_none_for_all():
    found = reading((X, W), (None, None))
    assert (found.none, found.faults, found.g.any()) == ({0, 1}, [], False)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, ml_dtypes.bfloat16])
def test_cotangents_in_the_dtype_of_their_arguments(dtype):
    found = reading((X.astype(dtype),), 2 * X.astype(dtype))
    assert (found.faults, found.g.tolist()) == ([], g_of(2 * X))
    assert found.g.dtype == (dtype if dtype is np.longdouble else np.float64)


def test_a_reading_is_a_copy():
    buffer = 2 * X
    found = reading((X,), buffer)
    buffer += 1
    assert found.g.tolist() == g_of(2 * X)


# Faults of form


FAULTS = [
    ((X,), X[0], "shape", "x", "dx: expected shape (1, 3) like x, got (3,)"),
    ((X, W), (X, W[:1]), "shape", "w", "dw: expected shape (2,) like w, got (1,)"),
    ((B,), np.ones(1), "shape", "x", "dx: expected shape () like x, got (1,)"),
    ((X,), X.astype("f4"), "dtype", "x", "dx: expected dtype float64 like x, got float32"),
    (
        (X.astype("f4"),),
        X,
        "dtype",
        "x",
        "dx: expected dtype float32 like x, got float64",
    ),
    ((X,), X.astype(int), "dtype", "x", "dx: expected dtype float64 like x, got int64"),
    ((X,), X + 0j, "dtype", "x", "dx: expected dtype float64 like x, got complex128"),
    ((X,), X > 0, "dtype", "x", "dx: expected dtype float64 like x, got bool"),
    ((X,), 3.0, "shape", "x", "dx: expected shape (1, 3) like x, got ()"),
    ((X,), "x", "structure", "x", "dx: expected an array like x, got str"),
    ((X,), {"x": X}, "structure", "x", "dx: expected an array like x, got dict"),
    ((X, W), ([[1.0]], W), "structure", "x", "dx: expected an array like x, got list"),
    (
        (X, W, {"w": W}),
        (X, W, {"v": W}),
        "structure",
        "p.w",
        "dp: expected a cotangent like p, with a part for p.w",
    ),
    (
        ({"w": W, "b": [B, B]},),
        {"w": W, "b": [B]},
        "structure",
        "x.b.1",
        "dx: expected a cotangent like x, with a part for x.b.1",
    ),
    (
        ({"w": {"a": W}},),
        {"w": W},
        "structure",
        "x.w.a",
        "dx: expected a cotangent like x, with a part for x.w.a",
    ),
    (
        (X, W, {"w": W}),
        (X, W, {"w": 1.0}),
        "shape",
        "p.w",
        "dp.w: expected shape (2,) like p.w, got ()",
    ),
    (
        (X, W, {"w": W}),
        (X, W, {"w": [2, 5]}),
        "structure",
        "p.w",
        "dp.w: expected an array like p.w, got list",
    ),
]


@pytest.mark.parametrize(("args", "result", "code", "leaf", "sentence"), FAULTS)
def test_faults_of_form(args, result, code, leaf, sentence):
    found = reading(args, result)
    (fault,) = found.faults
    assert (fault.code, fault.leaf, fault.sentence) == (code, leaf, sentence)


@pytest.mark.parametrize("dtype", ["f4", "i4", "i8"])
def test_numbers_of_another_dtype_are_read_nevertheless(dtype):
    found = reading((2 * X,), (2 * X).astype(dtype))
    assert [f.code for f in found.faults] == ["dtype"]
    assert found.g.tolist() == g_of(2 * X)


def test_a_bare_number_may_have_any_dtype():
    for value in (3.0, np.float32(3), np.array(3.0), np.array(3, np.float32)):
        found = reading((X, 0.5), (X, value))
        assert (found.faults, found.g[-1]) == ([], 3)
    assert not reading((np.array(3.0, "f4"),), 3.0).faults


def test_every_leaf_has_its_own_fault():
    found = reading((X, W, {"w": W}), (X[0], W.astype("f4"), {"v": W}))
    assert [(f.code, f.leaf) for f in found.faults] == [
        ("shape", "x"),
        ("dtype", "w"),
        ("structure", "p.w"),
    ]
    assert found.unread == {0, 2}


COUNTS = [
    ((X, W), X, "the pullback must return 2 cotangents, one an argument (x, w); it gave an "
     "array of shape (1, 3) and dtype float64"),
    ((X, W), (X,), "the pullback must return 2 cotangents, one an argument (x, w); it gave 1"),
    ((X, W), (X, W, W), "the pullback must return 2 cotangents, one an argument (x, w); it gave 3"),
    ((X, W), None, "the pullback must return 2 cotangents, one an argument (x, w); it gave "
     "NoneType"),
    ((X, W), {"x": X}, "the pullback must return 2 cotangents, one an argument (x, w); it gave "
     "dict"),
    ((X, N, W), X, "the pullback must return 2 cotangents, one an argument (x, p); it gave an "
     "array of shape (1, 3) and dtype float64"),
    ((X, N, W), (X,), "the pullback must return 3 cotangents, one an argument (x, w, p); it gave "
     "1"),
    ((X,), (X, X), "the pullback must return 1 cotangent, one an argument (x); it gave 2"),
    ((X,), (), "the pullback must return 1 cotangent, one an argument (x); it gave 0"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "result", "reason"), COUNTS)
def test_another_number_of_cotangents_ends_the_check(args, result, reason):
    with pytest.raises(Stop) as caught:
        reading(args, result)
    stop = caught.value
    assert (stop.outcome, stop.code, stop.reason) == ("wrong", "count", reason)


# Laws


shapes = st.lists(st.integers(0, 3), max_size=2).map(tuple)


@given(st.lists(shapes | st.none(), min_size=1, max_size=5), st.booleans(), st.randoms())
def test_cotangents_in_order_are_always_read(kinds, all_given, random):
    """Arrays of any shapes among arguments that have no gradient, which get None or nothing."""
    args = tuple("mode" if shape is None else np.zeros(shape) for shape in kinds)
    values = [None if kind is None else np.full(kind, random.random()) for kind in kinds]
    given = values if all_given else [v for v in values if v is not None]
    if not given:
        return
    found = reading(args, tuple(given), labels="abcde")
    arrays = [v for v in values if v is not None]
    assert not found.faults
    assert found.g.tolist() == (g_of(*arrays) if arrays else [])


@given(shapes, shapes)
def test_only_the_own_shape_is_taken(own, other):
    found = reading((np.zeros(own), W), (np.ones(other), W))
    assert bool(found.faults) == (own != other)
    assert found.g[-2:].tolist() == W.tolist()
    assert np.isnan(found.g[:-2]).all() == (own != other or 0 in own)
