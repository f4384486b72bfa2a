"""What examine and check_vjp may be asked, option by option, and what is said of bad input."""

import pickle

import numpy as np
import pytest

from npcbam.gradcheck import CannotTellError, WrongGradientError, check_vjp, examine

X = np.array([[1.0, -3.0, 0.4], [0.5, 2.0, -0.7]])


def square(x, factor=2.0):
    return x**2, lambda dy: factor * dy * x


def off_at(at, factor):
    """Return squares whose pullback is off in one entry."""

    def f(x):
        def pullback(dy):
            dx = 2 * dy * x
            dx[at] *= factor
            return dx

        return x**2, pullback

    return f


# By hand


def test_examine_returns_what_check_vjp_raises():
    report = examine(lambda x: square(x, 3.0), X, names=("x",))
    with pytest.raises(WrongGradientError) as caught:
        check_vjp(lambda x: square(x, 3.0), X, names=("x",))
    assert str(caught.value) == str(report)
    assert report.outcome == "wrong"


# before


def noisy(x):
    y = x * np.random.rand(*x.shape)  # noqa: NPY002, as users do
    return y, lambda dy: dy * y / x


def test_random_results_cannot_be_told_and_before_helps():
    with pytest.raises(CannotTellError) as caught:
        check_vjp(noisy, X)
    report = caught.value.report
    assert report.code == "random"
    assert "f gives another result when it is called again" in report.reason
    assert "before=" in str(report)
    seeded = check_vjp(noisy, X, before=lambda: np.random.seed(3))  # noqa: NPY002
    assert seeded.outcome == "right"


def test_random_and_wrong_is_found_with_before():
    f = lambda x: (noisy(x)[0], lambda dy: 0 * dy)  # noqa: E731
    assert examine(f, X).outcome == "cannot tell"
    report = examine(f, X, before=lambda: np.random.seed(3))  # noqa: NPY002
    assert report.outcome == "wrong"


def test_generators_are_arguments():
    def f(x, rng):
        kept = rng.random(x.shape) < 0.7
        return x * kept, lambda dy: dy * kept

    rng = np.random.default_rng(1)
    state = rng.bit_generator.state
    assert check_vjp(f, X, rng).outcome == "right"
    assert rng.bit_generator.state == state


# fixed


def test_fixed_arguments_and_parts_are_not_asked_about():
    def f(x, params):
        y = params["w"] * x + params["b"]
        return y, lambda dy: (params["w"] * dy, {"w": 5 * dy, "b": dy.copy()})

    params = {"w": X + 1, "b": X - 1}
    assert examine(f, X, params).outcome == "wrong"
    report = check_vjp(f, X, params, fixed=("params.w",))
    assert list(report.smallest_caught) == ["x", "params.b"]
    assert list(check_vjp(f, X, params, fixed=("params",)).smallest_caught) == ["x"]


# allow


def test_writes_may_be_meant():
    def f(x):
        def pullback(dy):
            dy *= 2 * x
            return dy

        return x**2, pullback

    assert examine(f, X).code == "writes"
    assert check_vjp(f, X, allow=("writes",)).outcome == "right"


def test_what_is_allowed_hides_no_numbers():
    def f(x):
        def pullback(dy):
            dy *= 3 * x
            return dy

        return x**2, pullback

    assert {each.code for each in examine(f, X).findings} >= {"writes", "mismatch"}
    report = examine(f, X, allow=("writes",))
    assert {each.code for each in report.findings} == {"mismatch"}


def test_another_dtype_may_be_meant():
    def f(x):
        return x**2, lambda dy: (2 * dy * x).astype(np.float64)

    x = X.astype(np.float32)
    assert examine(f, x).code == "dtype"
    assert examine(f, x, allow=("dtype",)).outcome == "right"


# rtol


@pytest.mark.parametrize(("rtol", "outcome"), [(None, "wrong"), (1e-4, "wrong"), (1e-2, "right")])
def test_a_relative_error_may_pass(rtol, outcome):
    assert examine(lambda x: square(x, 2.002), X, rtol=rtol).outcome == outcome


def test_an_entry_that_is_off_by_more_does_not_pass():
    assert examine(off_at((1, 2), 1.1), X, rtol=1e-2).outcome == "wrong"
    assert examine(lambda x: (x**2, lambda dy: 0 * dy), X, rtol=1e-2).outcome == "wrong"


# points


def test_more_points_show_what_one_hides():
    def f(gamma, x):
        # Right where gamma is 1 alone.
        return gamma * x, lambda dy: ((dy * x).sum(0), dy.copy())

    gamma = np.ones(3)
    hidden = check_vjp(f, gamma, X)
    assert any("gamma has one value everywhere" in note for note in hidden.notes)
    with pytest.raises(WrongGradientError) as caught:
        check_vjp(f, gamma, X, points=3)
    report = caught.value.report
    assert "point 2" in report.notes[0]
    assert report.findings[0].leaf == "x"


def test_several_right_points_are_told():
    report = check_vjp(square, X, points=3)
    assert "the same at 3 points, of which 2 were drawn" in report.notes


@pytest.mark.parametrize("seed", range(3))
def test_drawn_points_stay_in_the_domain(seed):
    def f(x):
        assert (np.real(x) > 0).all(), "outside"
        return np.log(x), lambda dy: dy / x

    x = np.array([1e-3, 0.5, 4.0])
    assert check_vjp(f, x, points=4, domain="positive", seed=seed).outcome == "right"


# directions


def test_directions_are_as_many_as_asked_for():
    report = check_vjp(square, X, directions=3)
    assert report.leaves[0].how == "3 directions"
    assert examine(off_at((0, 1), 1.001), X, directions=3).outcome == "wrong"


# domain


@pytest.mark.parametrize("bounds", [(0.0, 1.0), "positive"])
def test_probes_stay_within_bounds(bounds):
    inside = []

    def f(p):
        x = np.real(p)
        inside.append((x >= 0).all() and (bounds == "positive" or (x <= 1).all()))
        y = np.array([np.sqrt(v) * (1 - v) for v in x.ravel()])  # real numbers alone
        return y, lambda dy: dy * (0.5 / np.sqrt(x) - 1.5 * np.sqrt(x))

    p = np.array([1e-4, 0.5, 1 - 1e-4])
    assert check_vjp(f, p, domain=bounds).outcome == "right"
    assert all(inside)


def test_a_simplex_forbids_directions():
    def f(p):
        # The sum is 1, so that its gradient may be anything.
        return (p**2).sum(-1), lambda dy: dy[:, None] * (2 * p + 7.0)

    p = np.random.default_rng(0).dirichlet(np.ones(4), size=2)
    assert examine(f, p).outcome == "wrong"
    assert examine(f, p, domain="simplex").outcome == "right"
    doubled = lambda p: (f(p)[0], lambda dy: 2 * f(p)[1](dy))  # noqa: E731
    assert examine(doubled, p, domain="simplex").outcome == "wrong"


def test_symmetric_matrices_are_moved_symmetrically():
    def f(a):
        if not np.allclose(a, a.T):
            raise ValueError("not symmetric")
        # The upper half alone is read, and its gradient given in full there.
        return a[np.triu_indices(3)], lambda dy: upper(dy)

    def upper(dy):
        da = np.zeros((3, 3))
        da[np.triu_indices(3)] = dy
        return da

    a = np.random.default_rng(0).normal(size=(3, 3))
    assert check_vjp(f, a + a.T, domain="symmetric").outcome == "right"
    half = lambda a: (f(a)[0], lambda dy: 0.5 * upper(dy))  # noqa: E731
    assert examine(half, a + a.T, domain="symmetric").outcome == "wrong"


def test_a_domain_by_name():
    def f(x, s):
        return x * np.sqrt(np.real(s)), lambda dy: (dy * np.sqrt(s), dy * x / (2 * np.sqrt(s)))

    s = np.array([1e-6, 1.0, 3.0])
    assert check_vjp(f, X[0], s, domain={"s": "positive"}).outcome == "right"


# names


def test_names_are_those_given():
    report = examine(lambda *args: square(args[0], 3.0), X, names=("weights",))
    assert report.findings[0].leaf == "weights"
    assert "dweights" in report.reason


# Reports and errors travel


def test_errors_survive_pickling():
    with pytest.raises(WrongGradientError) as caught:
        check_vjp(lambda x: square(x, 3.0), X)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is WrongGradientError
    assert str(again) == str(caught.value)
    assert again.report.to_dict() == caught.value.report.to_dict()


# Errors


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        (([1.0],), {}, TypeError, r"x: expected a NumPy array .*np.array\(x\) makes one"),
        ((np.array([1, 2]),), {}, TypeError, "args: expected a real floating array, got x: dtype"),
        ((np.array([1j]),), {}, TypeError, "x: expected a real dtype, got complex128"),
        ((), {}, TypeError, "^args: expected at least one array or layer$"),
        ((X,), {"seed": -1}, ValueError, "seed: expected"),
        ((X,), {"seed": 0.5}, TypeError, "seed: expected"),
        ((X,), {"directions": 0}, ValueError, "directions: expected at least 1"),
        ((X,), {"points": 0}, ValueError, "points: expected at least 1"),
        ((X,), {"names": ("a", "b")}, ValueError, "names: expected 1 name, got 2"),
        ((X,), {"names": (1,)}, TypeError, "names: expected a tuple of strings"),
        ((X,), {"names": "a"}, TypeError, "names: expected a tuple of strings"),
        ((X,), {"fixed": "x"}, TypeError, "fixed: expected a tuple of strings"),
        ((X,), {"fixed": ("z",)}, ValueError, r"fixed: expected names of arguments \(x\), got 'z'"),
        ((X,), {"fixed": ("x",)}, TypeError, "args: expected a real floating array"),
        ((X,), {"allow": ("nan",)}, ValueError, "allow: expected"),
        ((X,), {"allow": "writes"}, TypeError, "allow: expected a tuple of strings"),
        ((X,), {"rtol": -1.0}, ValueError, "rtol: expected"),
        ((X,), {"rtol": "1"}, TypeError, "rtol: expected"),
        ((X,), {"before": 3}, TypeError, "before: expected a function of no arguments, got 3"),
        ((X,), {"domain": "negative"}, ValueError, "domain: expected 'positive'"),
        ((X,), {"domain": (1, 0)}, ValueError, "domain: expected 'positive'"),
        ((X,), {"domain": {"z": "positive"}}, ValueError, "domain: expected names of arguments"),
        ((X,), {"domain": "positive"}, ValueError, "x: expected values from 0 to inf"),
        ((X,), {"domain": "symmetric"}, ValueError, "x: expected symmetric matrices"),
        ((X,), {"domain": "simplex"}, ValueError, "x: expected parts that add up to 1"),
        (
            (X,),
            {"device": "cpu"},
            ValueError,
            "device: 'cpu' is for functions of torch or jax, got square",
        ),
        (([[1.0, 2.0], [3.0]],), {}, TypeError, r"x: .* got a list of numbers; np.array\(x\)"),
        ((np.ma.array([1.0, 2.0]),), {}, TypeError, "x: expected a NumPy array, got MaskedArray"),
    ],
)
def test_bad_input(args, options, error, message):
    with pytest.raises(error, match=message):
        check_vjp(square, *args, **options)
