"""How arguments are spelled: draws, literals, text, and trees of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npcbam.gradcheck.command.draws import DRAWS, Drawer
from npcbam.messages import CannotRun


def make(text, dtype=None, seed=0):
    return Drawer(np.random.default_rng(seed)).make(text, dtype)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1), ("-2", -2), ("None", None), ("True", True), ("(2, 3)", (2, 3)),
        ("same", "same"), ("'N(3)'", "N(3)"), ("", ""), ("1 +", "1 +"), ("a b", "a b"),
        ('{"a": [1, None]}', {"a": [1, None]}),
    ],
)  # fmt: skip
def test_what_is_no_draw_is_itself(text, value):
    found = make(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "shape", "kind", "low", "high"),
    [
        ("N(3,4)", (3, 4), "f8", -6, 6),
        ("N()", (), "f8", -6, 6),
        ("N(5,)", (5,), "f8", -6, 6),
        ("N(400; 10, 0.1)", (400,), "f8", 9, 11),
        ("U(400)", (400,), "f8", 0, 1),
        ("U(400;-3,-2):float32", (400,), "f4", -3, -2),
        ("P(400)", (400,), "f8", 0, np.inf),
        ("I(400)", (400,), "i8", 0, 9),
        ("I(400;5,7):int32", (400,), "i4", 5, 6),
        ("B(400)", (400,), "b1", 0, 1),
        ("Z(2,0)", (2, 0), "f8", 0, 0),
        ("ones(2):float16", (2,), "f2", 1, 1),
    ],
)
def test_draws(text, shape, kind, low, high):
    found = make(text)
    assert (found.shape, found.dtype) == (shape, np.dtype(kind))
    assert np.all((low <= found) & (found <= high))
    if found.size > 100:
        assert len(np.unique(found)) > 1


def test_matrices():
    spd, symmetric, simplex = make("spd(2,4)"), make("sym(3)"), make("simplex(5,3)")
    assert (spd.shape, symmetric.shape, simplex.shape) == ((2, 4, 4), (3, 3), (5, 3))
    assert np.linalg.eigvalsh(spd).min() > 0
    np.testing.assert_array_equal(symmetric, symmetric.T)
    np.testing.assert_allclose(simplex.sum(-1), 1, rtol=1e-12)


def test_a_named_size_is_the_same_wherever_it_stands():
    drawer = Drawer(np.random.default_rng(0))
    x, w = drawer.make("N(n,4)"), drawer.make("N(4,m,n)")
    assert (x.shape, w.shape) == ((3, 4), (4, 4, 3))


def test_trees():
    found = make('{"w": N(3,4):float32, "more": (N(2), [I(3), 1e-5]), "s": "N(2)", -1: Z(1)}')
    assert (found["w"].dtype, found["w"].shape) == (np.float32, (3, 4))
    assert found["more"][0].shape == (2,)
    assert found["more"][1][1] == 1e-5
    assert (found["s"], found[-1].shape) == ("N(2)", (1,))


def test_the_dtype_of_an_annotation_is_of_floats_alone():
    assert make("N(3)", "float32").dtype == np.float32
    assert make("N(3):float64", "float32").dtype == np.float64
    assert make("I(3)", "float32").dtype == np.int64


def test_bfloat16():
    pytest.importorskip("ml_dtypes")
    assert make("N(3):bfloat16").dtype.name == "bfloat16"


@given(st.sampled_from(list(DRAWS)), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_a_seed_says_all(kind, shape):
    text = f"{kind}({','.join(map(str, shape))})"
    one, same = make(text, seed=3), make(text, seed=3)
    np.testing.assert_array_equal(one, same)
    assert one.shape[: len(shape)] == tuple(shape)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("M(3)", "M(3): there is no draw M; there are N, U, P, I, "),
        ("N(3,-1)", "N(3,-1): expected sizes such as 3 or n, got -1"),
        ("N(3 4)", "N(3 4): expected sizes such as 3 or n, got 3 4"),
        ("N(3;0)", "N(3;0): expected 2 numbers behind the semicolon"),
        ("P(3;0)", "P(3;0): expected 0 numbers behind the semicolon"),
        ("N(3;0,x)", "N(3;0,x): expected numbers behind the semicolon, got x"),
        ("N(3;0,-1)", "N(3;0,-1): scale < 0"),
        ("spd()", "spd(): expected a size, as in spd(4)"),
        ("N(3):float33", "N(3):float33: expected a dtype such as float32, got float33"),
        ("N(3):str", "N(3):str: expected a dtype such as float32, got str"),
        ("-N(3)", "-N(3): expected a draw such as N(3,4), a Python literal, or a tuple, "),
        ("N(3) + 1", "N(3) + 1: expected a draw"),
        ("[N(3), a]", "[N(3), a]: expected a draw"),
        ("N(3", "N(3: expected a draw such as N(3,4), got one that is not closed"),
        ("N(1000000,1000000,1000)", "N(1000000,1000000,1000): Unable to allocate"),
    ],
)
def test_says_what_is_misspelled(text, said):
    with pytest.raises(CannotRun) as caught:
        make(text)
    assert str(caught.value).startswith(said)
