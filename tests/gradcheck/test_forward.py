"""A function that is called many times, whatever it does."""

import random
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

from npcbam.gradcheck.forward import Forward, split, wide_of
from npcbam.gradcheck.layout import Layout
from npcbam.gradcheck.outcomes import Stop

X, W = np.array([[1.0, -3.0, 0.5]]), np.array([2.0, 5.0])


def forward(f, *args, dtype=None, before=None):
    return Forward(f, Layout(args, "xwp"[: len(args)]), dtype, before)


def double(x):
    return 2 * x, lambda dy: 2 * dy


# By hand


def test_a_function_at_its_point():
    found = forward(lambda x, w: ({"a": 2 * x, "b": w}, len), X, W)
    assert found.x.tolist() == [1, -3, 0.5, 2, 5]
    assert found.y.tolist() == [2, -6, 1, 2, 5]
    assert found.results.names == ["y.a", "y.b"]
    assert (found.calls, found.pullback, found.wide) == (1, len, np.float64)


def test_results_when_the_arguments_move():
    found = forward(double, X)
    assert found.moved(np.array([0.0, 1.0, 0.5])).tolist() == [2, -4, 2]
    assert found.complex(1j * np.ones(3)).tolist() == [2 + 2j, -6 + 2j, 1 + 2j]
    assert (found.x.tolist(), found.calls) == ([1, -3, 0.5], 3)


def test_another_point_has_its_own_pullback():
    results, pullback = forward(lambda x: (x**2, lambda dy: 2 * x * dy), X).at(np.arange(3.0))
    assert results.leaves[0].tolist() == [[0, 1, 4]]
    assert pullback(np.ones((1, 3))).tolist() == [[0, 2, 4]]


def test_a_start_is_a_fresh_one():
    found = forward(double, X)
    (one, _, args), (other, _, again) = found.start(), found.start()
    assert one.y is not other.y
    assert args[0] is not again[0]
    args[0][:] = 0
    assert X.tolist() == found.start()[2][0].tolist() == [[1, -3, 0.5]]


@pytest.mark.parametrize("y", [0.5, np.float64(0.5), np.float32(0.5), np.array(0.5)])
def test_a_number_is_a_result(y):
    found = forward(lambda x: (y, len), X)
    assert (found.y.tolist(), found.y.dtype) == ([0.5], np.float64)


def test_a_function_in_another_dtype():
    seen = []

    def f(x, n):
        seen.append((x.dtype, n))
        return x, len

    narrow = X.astype(np.float32)
    found = forward(f, narrow, 3)
    found.moved(np.zeros(3))
    assert found.wide == np.float64
    wide = forward(f, narrow, 3, dtype=np.longdouble)
    assert (wide.y.dtype, wide.x.dtype) == (np.longdouble, np.longdouble)
    wide.moved(np.zeros(3))
    assert seen == [(np.float32, 3)] * 2 + [(np.longdouble, 3)] * 2


def test_the_dtype_that_holds_all():
    dtypes = [np.dtype(name) for name in ("f2", "f4", "f8")]
    assert wide_of(dtypes) == wide_of([]) == np.float64
    assert wide_of([*dtypes, np.dtype(np.longdouble)]) == np.longdouble


def test_before_goes_before_each_call():
    told = []

    def f(x):
        told.append("f")
        return x * random.random(), lambda dy: dy

    def before():
        told.append("before")
        random.seed(3)

    found = forward(f, X, before=before)
    again = found.moved(np.zeros(3))
    assert told == ["before", "f"] * 2
    assert (again == found.y).all()


def test_results_are_copies_of_a_buffer_that_is_used_again():
    buffer = np.zeros((1, 3))

    def f(x):
        buffer[...] = 2 * x
        return buffer, lambda dy: 2 * dy

    found = forward(f, X)
    one, other = found.moved(np.zeros(3)), found.moved(np.ones(3))
    assert (found.y.tolist(), one.tolist(), other.tolist()) == (
        [2, -6, 1],
        [2, -6, 1],
        [4, -4, 3],
    )


def test_what_f_writes_to_its_arguments_stays_there():
    def spoils(x):
        x += 1
        return 2 * x, len

    found = forward(spoils, X)
    assert found.moved(np.zeros(3)).tolist() == found.y.tolist() == [4, -4, 3]
    assert X.tolist() == [[1, -3, 0.5]]


# Probes that fail


def raises(x):
    if x[0, 0] > 1:
        raise ValueError("outside")
    return x, len


def warns(x):
    if x[0, 0] > 1:
        warnings.warn("outside", UserWarning, stacklevel=1)
    return x, len


@pytest.mark.parametrize(
    "f",
    [
        raises,
        warns,
        lambda x: (x, len) if x[0, 0] <= 1 else None,
        lambda x: (x, len) if x[0, 0] <= 1 else (x[0], len),
        lambda x: (x, len) if x[0, 0] <= 1 else (x * 1j, len),
        lambda x: (x, len) if x[0, 0] <= 1 else ({"y": x, "z": x}, len),
    ],
)
def test_a_probe_that_fails_has_no_results(f):
    found = forward(f, X)
    assert np.isnan(found.moved(np.ones(3))).all()
    assert found.moved(-np.ones(3)).tolist() == [0, -4, -0.5]


def test_the_complex_step_hears_what_f_raises():
    with pytest.raises(ValueError, match="outside"):
        forward(raises, X).complex(np.ones(3))
    with pytest.raises(TypeError, match="the results have another form"):
        forward(lambda x: (x if x.dtype.kind == "f" else x[0], len), X).complex(np.ones(3))


def test_an_interrupt_is_no_failed_probe():
    def f(x):
        if x[0, 0] > 1:
            raise KeyboardInterrupt
        return x, len

    with pytest.raises(KeyboardInterrupt):
        forward(f, X).moved(np.ones(3))


# Laws


@given(drawn.arrays(float, 4, elements=st.floats(-10, 10)))
def test_moving_is_calling_f_elsewhere(by):
    def f(p, x):
        return (p["w"] @ x, x * p["n"]), len

    args = {"w": W, "n": 3}, np.array([0.5, -1.0])
    found = forward(f, *args)
    w, x = W + by[:2], args[1] + by[2:]
    assert found.moved(by).tolist() == [w @ x, *(3 * x)]


# Errors


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (X, "an array of shape (1, 3) and dtype float64"),
        ((X, 3), "a tuple of 2"),
        ((X, len, len), "a tuple of 3"),
        ([X, len], "list"),
        (None, "NoneType"),
        (0.5, "float"),
    ],
)
def test_what_is_no_result_and_pullback(result, kind):
    with pytest.raises(Stop) as caught:
        split(result)
    stop = caught.value
    assert (stop.outcome, stop.code) == ("wrong", "structure")
    assert stop.reason.startswith(f"f: expected it to return (y, pullback), got {kind}")


@pytest.mark.parametrize(
    ("y", "got"), [("y", "str"), (None, "NoneType"), (3, "int"), ({}, "dict"), (X * 1j, "an array")]
)
def test_what_is_no_result(y, got):
    with pytest.raises(Stop) as caught:
        forward(lambda x: (y, len), X)
    assert (caught.value.outcome, caught.value.code) == ("wrong", "structure")
    said = f"y: expected an array of floating numbers or a float, got {got}"
    assert caught.value.reason.startswith(said)


def test_what_to_do_depends_on_what_f_is():
    class Layer:
        def forward(self, x):
            return x

        def backward(self, dy):
            return dy

    layer = "check_layer(obj, x) is for an object that has forward and backward"
    for stops in (
        lambda: split(np.ones(1), Layer().forward),
        lambda: Forward(Layer().forward, Layout((np.ones(1),), ("x",))),
    ):
        with pytest.raises(Stop) as caught:
            stops()
        assert caught.value.evidence == layer
    with pytest.raises(Stop) as caught:
        split(np.ones(1))
    assert caught.value.evidence.startswith("y alone has no backward to check")


def test_a_result_without_entries_is_one():
    assert forward(lambda x: (x[:0], len), X).y.shape == (0,)


def test_an_exception_at_the_point_is_the_users_own():
    with pytest.raises(ValueError, match="outside"):
        forward(raises, 2 * X)
