"""check_vjp, examine and check_adjoint as their users meet them."""

import functools
import inspect
import math
import subprocess
import sys
import types

import numpy as np
import pytest

from npcbam import CBAM, pooling, sigmoid_vjp
from npcbam.gradcheck import (
    CannotTellError,
    GradientError,
    WrongGradientError,
    check_adjoint,
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


# Ties and kinks

TIED = np.array([[1.0, 4.0, 4.0, 4.0], [2.0, 5.0, 3.0, 5.0]])


def ties_by(rule):
    def f(x):
        y = x.max(axis=1, keepdims=True)
        tied = x == y

        def pullback(dy):
            return np.stack([d * rule(row) for d, row in zip(dy, tied, strict=True)])

        return y, pullback

    return f


def only(which):
    def rule(tied):
        share = np.zeros(len(tied))
        share[np.flatnonzero(tied)[which]] = 1
        return share

    return rule


@pytest.mark.parametrize(
    ("rule", "outcome", "name"),
    [
        (only(0), "right", "the first tied element takes all"),
        (only(-1), "right", "the last tied element takes all"),
        (lambda tied: tied / tied.sum(), "right", "tied elements share evenly"),
        (lambda tied: 1.0 * tied, "wrong", "every tied element gets all of it"),
        (lambda tied: 0.0 * tied, "wrong", "no tied element gets any of it"),
    ],
)
def test_the_rule_at_ties_is_named(rule, outcome, name):
    report = examine(ties_by(rule), TIED)
    assert report.outcome == outcome
    assert name in report.ties
    assert "x[0, 1], x[0, 2], x[0, 3] are tied" in report.switch


@pytest.mark.parametrize(("share", "name"), [(0.0, "left"), (0.5, "middle"), (1.0, "right")])
def test_the_value_at_a_kink_is_named(share, name):
    def relu_vjp(x):
        slope = np.where(x == 0, share, x > 0)
        return np.where(x > 0, x, 0), lambda dy: dy * slope

    report = check_vjp(relu_vjp, np.array([-1.0, 0.0, 2.0]))
    assert name in report.ties
    assert "x[1] sits on a kink" in report.switch


def test_beyond_both_sides_of_a_kink_is_wrong():
    def f(x):
        return np.where(x > 0, x, 0), lambda dy: dy * np.where(x == 0, 1.5, x > 0)

    report = examine(f, np.array([-1.0, 0.0, 2.0]))
    assert report.outcome == "wrong"
    assert "between" in report.reason


def test_near_a_tie_there_is_none():
    report = check_vjp(lambda x: pooling.max_vjp(x, (0,)), np.array([1.0, 1.0, 0.5, 1 - 1e-4]))
    assert report.switch == "x[0], x[1] are tied"
    x = np.array([1.0, 1.0 + 1e-4, 0.5, 1.0])
    assert check_vjp(lambda x: pooling.max_vjp(x, (0,)), x).switch is None


def test_one_rounding_away_from_a_tie():
    x = np.array([1.0, np.nextafter(1.0, 2.0), 0.5])
    assert check_vjp(lambda x: pooling.max_vjp(x, (0,)), x).outcome == "right"
    # Rounded to one value by a rescaling, either index is right.
    assert check_vjp(scaled, x).outcome == "right"


def scaled(x):
    y, pullback = pooling.max_vjp(x / 3, (0,))
    return y, lambda dy: pullback(dy) / 3


# The report


def test_the_report_reads_well():
    text = str(examine(wrong_square_vjp, rng().normal(size=(2, 3)), seed=5))
    assert text.startswith("wrong: dx is 1.001 times what it should be (dx[")
    assert "complex step; seed 5" in text
    assert "examine(wrong_square_vjp, x, seed=5)" in text
    assert all(len(line) < 250 for line in text.split("\n"))


def test_the_snippet_runs(tmp_path):
    report = examine(wrong_square_vjp, np.array([1.0, 2.0]), seed=3)
    setup = (
        "import numpy as np\n"
        "x = np.array([1.0, 2.0])\n"
        "def wrong_square_vjp(x):\n"
        "    return x**2, lambda dy: 2.002 * x * dy\n"
    )
    body = "\n".join(
        line for line in report.snippet.split("\n") if not line.startswith("from test_gradcheck")
    )
    script = tmp_path / "replay.py"
    script.write_text(setup + body)
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert str(report.worst) in ran.stdout


IMPORT, OWN = "from test_gradcheck import square_vjp", "# square_vjp: your function"


class Squares:
    def square_vjp(self, x):
        return square_vjp(x)

    def __call__(self, x):
        return square_vjp(x)


def as_main(f):
    """Return a copy of f as a script defines it."""
    copy = types.FunctionType(f.__code__, f.__globals__, f.__name__)
    copy.__module__, copy.__qualname__ = "__main__", f.__qualname__
    return copy


@pytest.mark.parametrize(
    ("f", "first", "call"),
    [
        (square_vjp, IMPORT, "square_vjp, x"),
        (as_main(square_vjp), OWN, "square_vjp, x"),
        (Squares().square_vjp, OWN, "square_vjp, x"),
        (Squares(), "# f: your function", "f, x"),
        (functools.partial(square_vjp), "# f: your function", "f, x"),
        (lambda x: square_vjp(x), "# f: your function", "f, x"),
    ],
)
def test_the_snippet_names_the_function_where_it_can(f, first, call):
    lines = [first, "from npcbam.gradcheck import examine", ""]
    lines += [f"report = examine({call}, seed=0)", "print(report)", "print(report.worst)"]
    assert examine(f, ONE).snippet.split("\n") == lines


def test_the_snippet_repeats_the_options_and_leaves_out_what_is_not_there():
    def f(a, b):
        return a * b, lambda dy: (dy * b,)

    lines = examine(f, ONE, ONE, seed=4, directions=3).snippet.split("\n")
    assert lines[0] == "# f: your function"
    assert lines[3:] == ["report = examine(f, a, b, seed=4, directions=3)", "print(report)"]


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
    for bad in (lambda y: 2 * y, lambda y: -y):
        with pytest.raises(AssertionError) as first:
            check_adjoint(lambda x: x, bad, x)
        with pytest.raises(AssertionError) as again:
            check_adjoint(lambda x: x, bad, x, seed=0)
        assert str(first.value) == str(again.value)


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


# Adjoints


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_adjoint_of_a_linear_map(dtype):
    a = rng().normal(size=(3, 5)).astype(dtype)
    check_adjoint(lambda x: a @ x, lambda y: a.T @ y, np.zeros(5, dtype))


@pytest.mark.parametrize(
    ("f", "adjoint", "message"),
    [
        (lambda x: x[::-1], lambda y: y, "off by"),
        (lambda x: 2 * x, lambda y: 2.000001 * y, "off by"),
        (lambda x: x**2, lambda y: y, "not linear"),
        (lambda x: x + 1, lambda y: y, "not linear"),
        (lambda x: x, lambda y: y[:2], "expected shape"),
        (lambda x: x, lambda y: y * np.nan, "off by nan"),
    ],
)
def test_what_is_no_adjoint(f, adjoint, message):
    with pytest.raises(AssertionError, match=message):
        check_adjoint(f, adjoint, np.zeros(4))


def captured(f, adjoint, x, seed=0):
    """Return the message, and what f and the adjoint were asked for."""
    asked = []

    def keep(g):
        return lambda z: asked.append(z) or g(z)

    with pytest.raises(AssertionError) as caught:
        check_adjoint(keep(f), keep(adjoint), x, seed=seed)
    return str(caught.value), asked


def test_what_is_no_adjoint_is_told_with_both_sides():
    x = np.zeros(3)
    message, (u, both, v, dy) = captured(lambda x: x, lambda y: 2 * y, x, seed=7)
    np.testing.assert_array_equal(both, u + v)
    ahead, behind = math.fsum(u * dy), math.fsum(2 * u * dy)
    allowed = 16 * np.finfo(float).eps * 3 * np.abs(u * dy).sum()
    assert message == (
        f"⟨f(x), y⟩ = {ahead:.17g} but ⟨x, adjoint(y)⟩ = {behind:.17g}, "
        f"off by {abs(ahead - behind):.3g}, allowed {allowed:.3g}; seed 7"
    )


def test_what_is_not_linear_is_told_with_the_difference():
    message, _ = captured(lambda x: x + 3, lambda y: y, np.zeros(4))
    assert message == "f is not linear: f(u + v) and f(u) + f(v) differ by 3"
    message, _ = captured(lambda x: x, lambda y: y[:2], np.zeros(4))
    assert message == "adjoint: expected shape (4,), got (2,)"


@pytest.mark.parametrize(("share", "linear"), [(0.4, True), (1.1, False)])
@pytest.mark.parametrize("size", [1, 64])
def test_rounding_is_no_lack_of_linearity(share, linear, size):
    """Sixteen roundings for each of the terms that an entry may add up."""
    x, first = np.zeros(size), []

    def f(x):
        first.append(x)
        if len(first) != 2:
            return x.copy()
        # The second call is that of u + v; v comes last.
        room = 16 * np.finfo(float).eps * size * (np.abs(x).max() + np.abs(first[0]).max())
        return x + share * room

    if linear:
        check_adjoint(f, lambda y: y, x)
    else:
        with pytest.raises(AssertionError, match="f is not linear"):
            check_adjoint(f, lambda y: y, x)


def test_empty_maps_are_linear():
    check_adjoint(lambda x: x[:0], lambda y: np.zeros(3), np.zeros(3))
    check_adjoint(lambda x: x, lambda y: y, np.zeros(0))


def test_adjoint_wants_a_real_array():
    with pytest.raises(TypeError, match=r"^x: expected a NumPy array or a layer, got list$"):
        check_adjoint(lambda x: x, lambda y: y, [1.0])


# Errors


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        (([1.0],), {}, TypeError, "x: expected"),
        (
            (np.array([1, 2]),),
            {},
            TypeError,
            "args: expected a real floating array, got x: dtype int64",
        ),
        ((np.array([1j]),), {}, TypeError, "x: expected a real dtype, got complex128"),
        ((), {}, TypeError, "^args: expected at least one array or layer$"),
        ((np.ones(2),), {"seed": -1}, ValueError, "seed: expected"),
        ((np.ones(2),), {"seed": 0.5}, TypeError, "seed: expected"),
        ((np.ones(2),), {"directions": 0}, ValueError, "directions: expected at least 1"),
        ((np.ones(2),), {"names": ("a", "b")}, ValueError, "names: expected 1 names, got 2"),
        ((np.ones(2),), {"names": (1,)}, TypeError, "names: expected a tuple of strings"),
        ((np.ones(2),), {"names": "a"}, TypeError, "names: expected a tuple of strings"),
    ],
)
def test_bad_input(args, options, error, message):
    with pytest.raises(error, match=message):
        check_vjp(square_vjp, *args, **options)


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
