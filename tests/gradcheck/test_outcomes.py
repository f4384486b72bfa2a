"""Right, wrong and cannot tell: where each is said, and what a run states that it would catch."""

import numpy as np
import pytest

from npcbam import sigmoid_vjp
from npcbam.gradcheck import CannotTellError, GradientError, check_vjp, examine


def rng():
    return np.random.default_rng(0)


# Three outcomes


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_where_f_is_not_finite_nothing_is_told():
    with pytest.raises(CannotTellError) as caught:
        check_vjp(lambda x: (x / 0.0, lambda dy: dy), np.array([0.3, 0.7]))
    assert isinstance(caught.value, GradientError)
    assert caught.value.report.code == "nonfinite"


def test_where_rounding_hides_the_derivative_nothing_is_told():
    def f(x):
        if x.dtype != np.float32:
            raise TypeError("float32 only")
        return x + np.float32(1e6), lambda dy: dy.copy()

    report = examine(f, np.array([0.3, 0.7], np.float32))
    assert (report.outcome, report.code) == ("cannot tell", "resolution")


def test_a_huge_cancellation_is_no_error():
    def f(x):
        return (x + 1e8) - 1e8, lambda dy: dy.copy()

    assert check_vjp(f, np.array([0.1, 0.2])).outcome == "right"


def test_the_stated_limit_is_what_is_caught():
    x = rng().normal(size=6)

    def off_by(error):
        def f(x):
            y, pullback = sigmoid_vjp(x)
            bump = np.zeros(6)
            bump[2] = 2 * error  # dy has magnitudes of at least a half
            return y, lambda dy: pullback(dy) + bump * dy

        return examine(f, x).outcome

    limit = examine(sigmoid_vjp, x).smallest_caught["z"]
    assert off_by(1.01 * limit) == "wrong"
    assert off_by(limit / 1000) == "right"


def test_the_stated_limit_holds_along_directions():
    x = rng().normal(size=3000)
    report = examine(sigmoid_vjp, x)
    assert "directions" in report.leaves[0].how
    limit = report.smallest_caught["z"]

    def f(x):
        y, pullback = sigmoid_vjp(x)
        bump = np.zeros(3000)
        bump[1234] = 2.02 * limit
        return y, lambda dy: pullback(dy) + bump * dy

    assert examine(f, x).outcome == "wrong"


NASTY = {
    "a scalar result": lambda x: ((x**2).sum(), lambda dy: 2 * x * dy),
    "a large offset": lambda x: ((x + 1e12) - 1e12, lambda dy: dy.copy()),
    "an offset, real numbers alone": lambda x: (
        (x.astype(float) + 1e9) - 1e9,
        lambda dy: dy.copy(),
    ),
    "single precision inside": lambda x: (
        np.exp(x.astype(np.float32)).astype(float),
        lambda dy: dy * np.exp(x),
    ),
    "a logarithm": lambda x: (np.log(x), lambda dy: dy / x),
    "x log x": lambda x: (x * np.log(x), lambda dy: dy * (np.log(x) + 1)),
    "huge": lambda x: (1e200 * x**2, lambda dy: 2e200 * x * dy),
    "tiny": lambda x: (1e-200 * x**2, lambda dy: 2e-200 * x * dy),
    "far apart": lambda x: (x**20, lambda dy: 20 * x**19 * dy),
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_nasty_right_functions_are_never_wrong(name):
    x = np.array([0.001, 0.3, 0.699, 1.5])
    report = examine(NASTY[name], x)
    assert report.outcome in ("right", "cannot tell"), report
    assert "kink" not in report.reason


def test_arrays_without_axes():
    assert (
        check_vjp(lambda x: (np.sin(x), lambda dy: dy * np.cos(x)), np.array(0.3)).outcome
        == "right"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_at_arguments_that_are_not_finite_nothing_is_told(bad):
    report = examine(lambda x: (np.tanh(x), lambda dy: dy / np.cosh(x) ** 2), np.array([bad, 1.0]))
    assert (report.outcome, report.code) == ("cannot tell", "nonfinite")


def test_keys_of_a_cotangent_may_come_in_any_order():
    def f(p):
        return p["a"] * p["b"], lambda dy: {"b": dy * p["a"], "a": dy * p["b"]}

    assert check_vjp(f, {"a": np.ones(2), "b": np.array([2.0, 3.0])}).outcome == "right"


def test_a_gradient_too_small_to_be_seen_is_not_called_right():
    def f(a, b):
        return 1e8 * a + 1e-8 * b, lambda dy: (1e8 * dy, -5e-8 * dy)

    assert examine(f, np.array([0.1, 0.7]), np.array([0.2, 0.4])).outcome != "right"


def test_a_matrix_product_in_single_precision():
    a, b = (rng().normal(size=shape).astype(np.float32) for shape in ((64, 200), (200, 60)))
    check_vjp(lambda a, b: (a @ b, lambda dy: (dy @ b.T, a.T @ dy)), a, b)


def test_a_function_that_probes_of_it_change_is_not_judged():
    kept = []

    def f(x):
        if x.dtype != np.float64:  # as it is tried on complex numbers and in long double
            kept.append(1.0)
        scale = 1.0 + len(kept[:1])
        return scale * np.sin(x), lambda dy: dy * np.cos(x)

    report = examine(f, np.array([0.3, 1.0, -0.7]))
    assert (report.outcome, report.code) == ("cannot tell", "random")
    assert "after it was called elsewhere" in report.reason
