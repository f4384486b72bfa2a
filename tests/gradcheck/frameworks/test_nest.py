"""Trees of anything, and functions that are others in float64."""

import numpy as np
import pytest

from npcbam.gradcheck.frameworks import as_vjp
from npcbam.gradcheck.frameworks.nest import guarded, mapped, names_of, own_pullback, walk

X = np.array([1.0, 2.0], np.float32)


# By hand


def test_walk_and_mapped():
    tree = {"a": [1, (2, "s")], "b": None}
    assert dict(walk(tree)) == {("a", 0): 1, ("a", 1, 0): 2, ("a", 1, 1): "s", ("b",): None}
    assert mapped(lambda path, leaf: (leaf, len(path)), tree) == {
        "a": [(1, 2), ((2, 3), ("s", 3))],
        "b": (None, 1),
    }


def test_names():
    assert names_of(lambda x, w: None, 2, parameters=False) == ("x", "w")
    assert names_of(lambda x: None, 1, parameters=True) == ("x", "params")
    assert names_of(lambda params: None, 1, parameters=True) == ("params", "parameters")


def test_own_pullback():
    assert own_pullback((X, lambda dy: dy))
    assert not own_pullback((X, X))


def test_plain_code_is_left_alone():
    assert as_vjp(lambda x: (x, lambda dy: dy), (X,)) is None


# Another function in float64


def test_the_same_function_is_not_guarded():
    def f(x):
        return x**2, None

    assert guarded(f, (X,)) is f
    assert guarded(f, (X.astype(float),)) is f


def test_another_function_refuses_float64():
    def f(x):
        return x * (1 if x.dtype == np.float32 else 2), None

    kept = guarded(f, (X,))
    np.testing.assert_array_equal(kept(X)[0], X)
    with pytest.raises(TypeError, match="in float64 this is another function"):
        kept(X.astype(float))


def test_what_does_not_run_is_left_alone():
    def f(x):
        raise RuntimeError

    assert guarded(f, (X,)) is f
