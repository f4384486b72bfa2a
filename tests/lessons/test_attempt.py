"""Whatever an answer does gets a kind sentence, and never a traceback."""

import numpy as np
import pytest
from of_mean import average, judged, pulled, spread

from npcbam import lessons


def raising(error):
    def f(*args):
        raise error

    return f


TASK = (
    "mean_vjp takes x (N, C, H, W), and returns y (N, C, 1, 1) and a pullback that makes dx of dy"
)


def body_of_dots(x):
    """Have a docstring too."""
    ...


def half_done(x):
    return average(x), lambda dy: ...


def adds_ellipsis(x):
    z = ...
    return z + 1, None


def test_an_empty_answer_waits():
    still = "mean_vjp waits for you: "
    for empty, why in (
        (body_of_dots, "it is still empty"),
        (lambda x: ..., "it is still empty"),
        (lambda x: (..., ...), "y is still `...`"),
        (raising(NotImplementedError()), "mean_vjp raises NotImplementedError"),
        (adds_ellipsis, "there is still a `...` in mean_vjp"),
    ):
        assert judged(empty)[:3] == ("unanswered", still + why, TASK)
    assert judged(half_done)[:2] == ("unanswered", "y is right, and dx is still `...`")
    assert pulled(raising(NotImplementedError()))[0] == "unanswered"


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x: None if x.any() else 1, "mean_vjp should return two things, y and the pullback, "
         "and gave None; is its last line a return?"),
        (lambda x: average(x), "mean_vjp should return two things, y and the pullback, and gave an "
         "array of shape (2, 3, 1, 1)"),
        (lambda x: (average(x), 1, 2), "mean_vjp should return two things, y and the pullback, and "
         "gave a tuple of 3"),
        (lambda x: (3, None), "y should be a NumPy array (N, C, 1, 1) of numbers, and is an int"),
        (lambda x: (average(x), None), "the second thing returned should be a function of dy, and "
         "is None"),
        (lambda x: (average(x), x), "the second thing returned should be a function of dy, and is "
         "an array of shape (2, 3, 4, 5): return mean_pullback itself"),
        (lambda x, axes: 0, "mean_vjp should take (x), and yours takes (x, axes)"),
        (lambda x: (average(x), lambda: 0), "the pullback should take (dy), and yours takes ()"),
        (lambda x: (average(x), lambda dy: (dy, dy)), "the pullback should return dx, and gave 2 "
         "things"),
    ],
)  # fmt: skip
def test_what_is_returned(f, said):
    assert judged(f)[:2] == ("wrong", said)


@pytest.mark.parametrize(
    ("given", "came"),
    [
        (None, "None"),
        ([1.0], "a list"),
        ("dx", "a str"),
        (lambda: 0, "a function"),
        (np.array(["a"]), "of dtype <U1"),
        (np.array([None]), "of dtype object"),
        (np.ma.masked_array([1.0]), "a MaskedArray"),
    ],
)
def test_what_the_pullback_gives(given, came):
    said = f"dx should be a NumPy array (N, C, H, W) of numbers, and is {came}"
    assert pulled(lambda x, dy: (given,) if isinstance(given, list) else given)[1] == said


def test_the_number_of_cotangents():
    def scale_vjp(gate, x):
        return gate * x, lambda dy: gate * dy

    said = "the pullback should return dgate and dx, in this order, and gave an array of shape"
    assert lessons.examine(scale_vjp).reasons[0].startswith(said)


def test_an_exception_is_quoted_with_its_line():
    def mean_vjp(x):
        return average(x), lambda dy: dy / undefined  # noqa: F821

    outcome, said, line, shapes = judged(mean_vjp)
    assert (outcome, said) == (
        "wrong",
        "the pullback raised NameError: name 'undefined' is not defined",
    )
    assert line.startswith("The line is `return average(x), lambda dy: dy / undefined")
    assert shapes == "It was given dy (2, 3, 1, 1), float64"
    assert judged(raising(ZeroDivisionError("by zero")))[1] == (
        "mean_vjp raised ZeroDivisionError: by zero"
    )
    assert judged(raising(KeyError()))[1] == "mean_vjp raised KeyError"


def writes_x(x):
    y = average(x)
    x -= y
    return y, None


def writes_x_backward(x, dy):
    x[0] = 0
    return spread(x, dy)


def writes_dy(x, dy):
    dy /= 20
    return dy


def writes_y(x):
    y = average(x)

    def mean_pullback(dy):
        y[0] = 0
        return spread(x, dy)

    return y, mean_pullback


def adds_up(x):
    dx = np.zeros_like(x)

    def mean_pullback(dy):
        nonlocal dx
        dx = dx + spread(x, dy)
        return dx

    return average(x), mean_pullback


def reuses_one_array(x):
    dx = np.zeros_like(x)

    def mean_pullback(dy):
        dx[...] = spread(x, dy)
        return dx

    return average(x), mean_pullback


def test_writing_and_keeping_state():
    instead = ": make a new array instead"
    assert judged(writes_x)[1] == "mean_vjp writes to x, an argument" + instead
    assert pulled(writes_x_backward)[1] == "the pullback writes to x, an argument" + instead
    assert pulled(writes_dy)[1] == "the pullback writes to dy, its argument" + instead
    assert judged(writes_y)[1].startswith("the pullback writes to y, which its caller has")
    assert judged(adds_up)[1].startswith("a second call of the pullback with the same dy gives")
    overwrites = "a second call of the pullback overwrites the dx that the first one gave"
    assert judged(reuses_one_array)[1].startswith(overwrites)


def test_shapes():
    outcome, said, where, *_ = pulled(lambda x, dy: np.ones(7))
    assert outcome == "wrong"
    assert said == "dx has the wrong shape: (N, C, H, W) is expected"
    assert where == "On `noise` dx has shape (7,), and should have (2, 3, 4, 5)"


@pytest.mark.parametrize(
    ("make", "wanted", "got"),
    [
        (lambda x, dy: spread(x, dy).astype(np.float32), "float64", "float32"),
        (lambda x, dy: spread(x, dy).astype(complex), "float64", "complex128"),
        (lambda x, dy: spread(x, dy) * np.float64(1), "float32", "float64"),
    ],
)
def test_the_dtype_is_kept(make, wanted, got):
    said = f"the numbers are right, but for {wanted} arguments dx is {got}"
    assert pulled(make)[:2] == ("wrong", said)


def test_what_widens_a_dtype_is_told():
    def shares(x, dy):
        ones = np.ones(x.shape, int)
        return dy * ones / ones.sum(axis=(2, 3), keepdims=True)

    assert "so does dividing by an array of counts" in pulled(shares)[2]
    assert "counts" not in pulled(lambda x, dy: spread(x, dy).astype(np.float32))[2]


def test_an_answer_that_exits_does_not_end_the_check():
    assert judged(raising(SystemExit(1)))[1] == "mean_vjp raised SystemExit: 1"


@pytest.mark.parametrize("thing", [None, 3, "mean_vjp", np.zeros(2)])
def test_what_is_no_function(thing):
    assert lessons.examine(thing).reasons[0].startswith("check takes the function itself")


def test_another_name():
    verdict = lessons.examine(lambda x: x)
    assert verdict.reasons[0] == "there is no exercise called <lambda>"
    assert all(name in verdict.reasons[1] for name in lessons.EXERCISES)
