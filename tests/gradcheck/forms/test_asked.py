"""Which arguments a check asks about."""

import numpy as np
import pytest

from npcbam.gradcheck.forms import check_cached, check_loss, check_pair
from npcbam.gradcheck.forms.asked import asked_of, chosen, has_floats, nothing_asked, only, unasked

X = np.ones(3)
WHOLE = np.array([1, 2])


@pytest.mark.parametrize(
    ("arg", "floats"),
    [
        (X, True),
        (X.astype(np.complex128), True),
        (WHOLE, False),
        (1.5, False),
        ({"w": X, "n": WHOLE}, True),
        ({"mode": "train", "mean": X}, False),
        ({"eps": 1e-5, "mean": X}, False),
        ([X, None], True),
        ([], False),
    ],
)
def test_has_floats(arg, floats):
    assert has_floats(arg) is floats


@pytest.mark.parametrize(
    ("args", "given", "kept"),
    [
        ((X, WHOLE, X), None, [0, 2]),
        ((X, 2.0, 3), (X, 1.0, 1.0), [0, 1]),
        ((X, 2.0), (X, None), [0]),
        (({"eps": 1.0, "mean": X}, X), ({"mean": X}, X), [0, 1]),
        (({"eps": 1.0, "mean": X}, X), (None, X), [1]),
        ((X, 2.0), X, [0]),
    ],
)
def test_asked_of(args, given, kept):
    assert asked_of(args, given) == kept


def test_a_function_of_those_that_are_kept():
    """Others are copied for each call, which may write into them."""

    def f(a, b, c):
        b += 1
        return a, b, c

    b = np.zeros(1)
    g = only(f, (1, b, 3), [0, 2])
    assert [g(5, 6)[i] for i in (0, 2)] == [5, 6]
    assert g(5, 6)[1] == 1
    assert b == 0
    assert only(f, (1, b, 3), [0, 1, 2]) is f


def test_the_gradients_of_those_that_are_chosen():
    f = chosen(lambda a, b: (a, lambda dy: (dy, 2 * dy)), [1])
    assert f(X, X)[1](3) == (6,)
    assert chosen(lambda a, b: (a, lambda dy: dy), [1])(X, X)[1](3) == 3


def test_what_is_left_out_is_noted():
    settings = {"eps": 1.0, "mean": X}
    note = ("not asked about, for no gradient is given: s, x",)
    assert unasked((settings, X, WHOLE), ("s", "x", "n"), []) == note
    assert unasked((settings, X), ("s", "x"), [0, 1]) == ()


# Errors


def test_nothing_asked():
    got = str(nothing_asked((WHOLE, 3, X[:0] > 0), ("n", "k", "mask")))
    wanted = "args: expected an array of floats among the arguments, got"
    assert got == f"{wanted} n: ndarray of int64, k: int, mask: ndarray of bool"
    assert str(nothing_asked((), ())) == f"{wanted} none"


@pytest.mark.parametrize(
    "call",
    [
        lambda: check_loss(lambda n: (1.0, n), WHOLE, names=("x",)),
        lambda: check_pair(lambda n: (n, None), lambda n, v: v, WHOLE, names=("x",)),
        lambda: check_cached(lambda n: (n, n), lambda d, c: d, WHOLE, names=("x",)),
    ],
)
def test_each_form_says_so(call):
    with pytest.raises(TypeError, match="expected an array of floats among the arguments, got"):
        call()
