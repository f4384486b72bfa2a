"""check_vjp and examine as their users meet them."""

import inspect

import numpy as np
import pytest

from npcbam import CBAM, sigmoid_vjp
from npcbam.gradcheck import (
    WrongGradientError,
    check_vjp,
    examine,
)

ONE = np.ones(1)


def square_vjp(x):
    return x**2, lambda dy: 2 * x * dy


def wrong_square_vjp(x):
    return x**2, lambda dy: 2.002 * x * dy


def rng():
    return np.random.default_rng(0)


# By hand


def test_a_right_pullback():
    report = check_vjp(square_vjp, np.array([[1.0, -3.0], [2.0, 0.0]]))
    assert (report.outcome, report.code, report.reference) == ("right", "right", "complex step")
    assert report.leaves[0].how == "every entry"
    assert 0 < report.smallest_caught["x"] < 1e-12


def test_a_wrong_pullback_is_an_assertion_error_with_a_report():
    with pytest.raises(AssertionError) as caught:
        check_vjp(wrong_square_vjp, np.array([1.0, -3.0]))
    assert isinstance(caught.value, WrongGradientError)
    worst = caught.value.report.worst
    assert worst.leaf == "x"
    assert worst.got / worst.left == pytest.approx(1.001)
    assert worst.error == pytest.approx(abs(worst.got - worst.left))
    assert worst.relative == pytest.approx(0.001 / 1.001)
    assert "x[" in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_every_real_dtype(dtype):
    x = rng().normal(size=(3, 4)).astype(dtype)
    assert check_vjp(sigmoid_vjp, x).outcome == "right"
    with pytest.raises(WrongGradientError):
        check_vjp(wrong_square_vjp, x)


def test_layers_are_arguments_and_leaves_have_paths():
    cbam = CBAM.init(0, 4, 2, 3, "paper_biased")
    report = check_vjp(CBAM.vjp, cbam, rng().normal(size=(1, 4, 3, 2)), names=("cbam", "x"))
    assert "cbam.channel.mlp.w0" in report.smallest_caught
    assert "x" in report.smallest_caught


def test_trees_of_plain_containers_are_arguments():
    def f(params, x):
        y = params["w"] * x + params["b"][0]
        return y, lambda dy: ({"w": dy * x, "b": [dy.copy()]}, params["w"] * dy)

    params = {"w": np.array([2.0, 3.0]), "b": [np.array([1.0, 1.0])]}
    report = check_vjp(f, params, np.array([0.5, -1.0]))
    assert list(report.smallest_caught) == ["params.w", "params.b.0", "x"]


def test_results_may_be_trees():
    def f(x):
        return {"s": np.sin(x), "c": np.cos(x)}, lambda d: d["s"] * np.cos(x) - d["c"] * np.sin(x)

    assert check_vjp(f, np.array([0.3, 1.0])).outcome == "right"


def test_a_tuple_of_one_cotangent_is_taken():
    assert check_vjp(lambda x: (2 * x, lambda dy: (2 * dy,)), np.array([1.0])).outcome == "right"


# The reference


def no_complex_vjp(x, factor=1.0):
    if x.dtype.kind == "c":
        raise TypeError("real only")
    return np.sin(x), lambda dy: factor * dy * np.cos(x)


def not_analytic_vjp(x, factor=1.0):
    return np.abs(x) ** 3, lambda dy: factor * 3 * dy * x * np.abs(x)


def single_only_vjp(x, factor=1.0):
    if x.dtype != np.float32:
        raise TypeError("float32 only")
    return np.sin(x), lambda dy: np.float32(factor) * dy * np.cos(x)


@pytest.mark.parametrize("f", [no_complex_vjp, not_analytic_vjp])
def test_finite_differences_where_the_complex_step_fails(f):
    x = rng().normal(size=8)
    report = check_vjp(lambda x: f(x), x)
    assert report.reference.startswith("finite differences (")
    assert report.smallest_caught["x"] < 1e-8
    with pytest.raises(WrongGradientError):
        check_vjp(lambda x: f(x, 1 + 1e-7), x)


def test_a_function_of_single_precision_alone():
    x = rng().normal(size=8).astype(np.float32)
    assert check_vjp(lambda x: single_only_vjp(x), x).outcome == "right"
    with pytest.raises(WrongGradientError):
        check_vjp(lambda x: single_only_vjp(x, 1.1), x)


def test_a_constant_function_has_no_gradient():
    assert (
        check_vjp(lambda x: (np.ones(3), lambda dy: 0 * x), np.array([1.0, 2.0])).outcome == "right"
    )
    with pytest.raises(WrongGradientError):
        check_vjp(lambda x: (np.ones(3), lambda dy: 1e-6 + 0 * x), np.array([1.0, 2.0]))


# The report


def test_the_report_reads_well():
    text = str(examine(wrong_square_vjp, rng().normal(size=(2, 3)), seed=5))
    assert text.startswith("wrong: dx is 1.001 times what it should be\n  dx[")
    assert "complex step; seed 5" in text
    assert "examine(wrong_square_vjp, x, seed=5)" in text
    assert all(len(line) < 250 for line in text.split("\n"))


@pytest.mark.parametrize(
    ("f", "names"),
    [
        (lambda a, /, b: None, ["a", "b"]),
        (lambda a, *rest, c=3: None, ["a", "arg1"]),
        (lambda *rest: None, ["arg0", "arg1"]),
        (lambda a, b, c=None: None, ["a", "b"]),
    ],
)
def test_arguments_are_named_as_in_the_signature(f, names):
    def multiplied(*args):
        return args[0] * args[1], lambda dy: (dy * args[1], dy * args[0])

    multiplied.__signature__ = inspect.signature(f)
    report = check_vjp(multiplied, ONE, 2 * ONE)
    assert list(report.smallest_caught) == names


def test_arguments_of_a_function_without_a_signature_are_counted():
    multiplied = type("F", (), {"__call__": lambda _, x: square_vjp(x), "__signature__": 3})()
    assert list(check_vjp(multiplied, ONE).smallest_caught) == ["arg0"]


def test_the_default_seed_is_0():
    x = rng().normal(size=5)
    assert str(examine(wrong_square_vjp, x)) == str(examine(wrong_square_vjp, x, seed=0))
    assert check_vjp(square_vjp, x).seed == 0


def test_seeds_tell_runs_apart():
    x = rng().normal(size=5)
    first, again, other = (str(examine(wrong_square_vjp, x, seed=s)) for s in (1, 1, 2))
    assert first == again != other


def test_arguments_are_never_written_to():
    x = rng().normal(size=5)
    x.setflags(write=False)
    before = x.copy()
    check_vjp(square_vjp, x)

    def spoils(x):
        x += 1
        return x, lambda dy: dy

    assert examine(spoils, before).reason == "f writes to its argument x"
    np.testing.assert_array_equal(before, x)


# Errors


@pytest.mark.parametrize("result", [3.0, (np.ones(2),), (np.ones(2), 3), ("y", lambda dy: dy)])
def test_what_is_no_vjp(result):
    report = examine(lambda x: result, np.ones(2))
    assert (report.outcome, report.code) == ("wrong", "structure")


def test_an_exception_of_f_is_the_users_own():
    def broken(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        check_vjp(broken, np.ones(2))


def test_empty_arrays_are_right():
    assert check_vjp(square_vjp, np.zeros((0, 3))).outcome == "right"


def test_one_nan_among_many_is_found():
    def f(x):
        def pullback(dy):
            dx = 2 * dy
            dx[1234] = np.nan
            return dx

        return 2 * x, pullback

    report = examine(f, rng().normal(size=3000))
    assert (report.outcome, report.code) == ("wrong", "nan")
    assert report.worst.index == (1234,)
