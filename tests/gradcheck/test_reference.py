"""Which derivative a pullback is judged by, and the second one that is asked before "wrong"."""

import math

import numpy as np
import pytest
from judging import X, double, parts_of, real_only
from scipy import special
from scipy.linalg import solve_sylvester, sqrtm

from npcbam.gradcheck import examine
from npcbam.pointwise import relu_vjp, sigmoid_vjp


def reference_of(f, *args, **options):
    """Return the reference for f, vouched for each argument by a right gradient of any size."""
    parts = parts_of(f, *args, **options)
    with np.errstate(all="ignore"):
        for i in range(len(args)):
            parts.reference.vouch(i, parts.numbers.g())
    return parts.reference


def nothing(forward):
    """Return a function of any number of arguments with a pullback that gives zeros."""
    return lambda *args: (forward(*args), lambda dy: tuple(0 * arg for arg in args))


# By hand

COMPLEX, REAL = "complex step", "finite differences (f does not run on complex128: TypeError)"
OTHER = "finite differences (on complex128 f has another derivative, as with abs, real and conj)"


@pytest.mark.parametrize(
    ("f", "x", "name"),
    [
        (double, X, COMPLEX),
        (real_only(double), X, REAL),
        (lambda x: (np.abs(x), lambda dy: dy * np.sign(x)), X, OTHER),
        (lambda x: (x * np.log(x), lambda dy: dy * (np.log(x) + 1)), X**2, COMPLEX),
        (lambda x: (np.real(x) ** 2, lambda dy: 2 * dy * x), X, OTHER),
        (sigmoid_vjp, X.astype(np.longdouble), COMPLEX),
        (relu_vjp, np.zeros(3), COMPLEX),
        (relu_vjp, X, COMPLEX),
    ],
)
def test_the_reference_is_named(f, x, name):
    report = examine(f, x)
    assert (report.outcome, report.reference) == ("right", name)


def other_on_complex(given):
    """Return a function that is another one on complex numbers."""
    return lambda x: given(x) if x.dtype.kind == "c" else np.square(x)


@pytest.mark.parametrize(
    ("f", "doubt"),
    [
        (other_on_complex(lambda x: x * np.nan), "on complex128 f is not finite"),
        (other_on_complex(lambda x: x**2 + 1e-6), "on complex128 f gives another result"),
        (other_on_complex(lambda x: x**2 + 1e-12), ""),
    ],
)
def test_why_the_complex_step_is_refused(f, doubt):
    reference = reference_of(nothing(f), np.array([1.0, -2.0]))
    assert (reference.doubt, reference.exact) == (doubt, [not doubt])
    name = f"finite differences ({reference.doubt})" if doubt else "complex step"
    assert reference.name == name


def test_from_both_sides_only_where_they_are_asked_for():
    reference = reference_of(relu_vjp, np.zeros(2))
    v = np.array([1.0, 2.0])
    same, right = reference.along(v, True)
    assert same is v
    assert right.left.tolist() == right.right.tolist() == [1, 2]
    _, both = reference.along(v, True, both=True)
    assert (both.left.tolist(), both.right.tolist()) == ([0, 0], [1, 2])


# The complex step is vouched for leaf by leaf


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_each_leaf_is_vouched_for_by_itself(seed, size):
    def f(x, w):
        return np.array(size * (x**2).sum() + np.abs(w).sum())

    reference = reference_of(nothing(f), X, X + 1, seed=seed)
    assert reference.exact == [True, False]
    assert reference.name == f"complex step; finite differences for w ({OTHER.split('(')[1]}"


@pytest.mark.parametrize("seed", range(5))
def test_a_small_entry_that_is_not_analytic_hides_behind_no_large_one(seed):
    def f(x):
        return np.concatenate([1e6 * np.sin(x[1:]), np.abs(x[:1])])

    def with_gradient(x):
        g = np.append(1e6 * np.cos(x), 0.0)
        return f(x), lambda dy: np.append(np.sign(x[0]) * dy[-1], g[1:-1] * dy[:-1])

    reference = reference_of(with_gradient, np.array([0.3, 1.0, -2.0, 0.7]), seed=seed)
    assert reference.exact == [False]


def straight_through(x):
    """Rounds the real part, and lets the imaginary one through."""
    return np.round(np.real(x)) + (1j * np.imag(x) if np.iscomplexobj(x) else 0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "f",
    [
        np.abs,
        np.real,
        straight_through,
        lambda x: x * np.conj(x),
        lambda x: np.real(x) * x,
        lambda x: np.sqrt(np.real(x) ** 2 + 1) + 0 * x,
    ],
)
def test_what_is_not_analytic_is_not_vouched_for(f, seed):
    x = np.random.default_rng(seed).normal(size=12) * 3
    assert reference_of(nothing(f), x, seed=seed).exact == [False]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "f", [np.sin, np.expm1, lambda x: x**20, lambda x: np.exp(-(x**2)), lambda x: np.sqrt(x**2 + 1)]
)
def test_what_is_analytic_is(f, seed):
    x = np.random.default_rng(seed).normal(size=12)
    assert reference_of(nothing(f), x, seed=seed).exact == [True]


# The second reference


@pytest.mark.parametrize(
    ("f", "x"),
    [(np.sin, X), (np.exp, X), (lambda x: x**3, 1e6 * X), (special.log_ndtr, np.array([-5.4, 1]))],
)
def test_both_references_know_their_error(f, x):
    reference = reference_of(nothing(f), x)
    v = np.abs(x).ravel()
    _, first = reference.along(v, reference.exact[0])
    second = reference.second(v, reference.exact[0])
    # log_ndtr of complex numbers is off by 1e-7, which it does not know.
    slack = 1e-6 * np.abs(first.left) if f is special.log_ndtr else 0
    assert (np.abs(first.left - second.left) <= first.error + second.error + slack).all()
    assert (second.error <= 1e-8 * np.abs(second.left)).all()


def test_the_second_reference_knows_better_where_the_first_is_off():
    z = np.array([-5.4])
    reference = reference_of(nothing(special.log_ndtr), z)
    right = math.exp(-0.5 * 5.4**2) / math.sqrt(2 * math.pi) / special.ndtr(-5.4)
    second = reference.second(np.ones(1), reference.exact[0])
    assert abs(second.left[0] - right) <= second.error[0] + 1e-12
    assert abs(second.left[0] - right) < 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_square_roots_of_matrices(seed):
    a = np.random.default_rng(seed).normal(size=(3, 3))
    a = a @ a.T + 3 * np.eye(3)
    reference = reference_of(nothing(lambda a: sqrtm(a)), a, seed=seed)
    da = np.random.default_rng(seed).normal(size=(3, 3))
    root = sqrtm(a)
    right = solve_sylvester(root, root, da).ravel()
    second = reference.second(da.ravel(), reference.exact[0])
    assert (np.abs(second.left - right) <= second.error + 1e-13).all()


def test_the_second_of_differences_takes_other_steps():
    x = np.array([0.3, 2.0])
    reference = reference_of(real_only(nothing(np.sin)), x)
    assert reference.exact == [False]
    _, first = reference.along(np.ones(2), False)
    second = reference.second(np.ones(2), False)
    assert (first.left != second.left).any()
    np.testing.assert_allclose(first.left, np.cos(x), rtol=1e-9)
    np.testing.assert_allclose(second.left, np.cos(x), rtol=1e-9)


def test_without_long_double_the_second_takes_another_direction():
    x, v = np.array([0.3, 2.0]), np.array([1.0, -2.0])
    reference = reference_of(nothing(lambda x: np.sin(x.astype(np.float64))), x)
    assert reference.exact == [False]
    _, first = reference.along(v, False)
    second = reference.second(v, False)
    for found in (first, second):
        assert (np.abs(found.right - np.cos(x) * v) <= found.error).all()
        np.testing.assert_allclose(found.left, np.cos(x) * v, rtol=1e-9)
    assert (first.left != second.left).all()


# Where f ends


def test_a_shorter_direction_is_taken_where_f_ends():
    def logs(x):
        return np.array([math.log(v) for v in x])

    x = np.array([1e-9, 1.0, 5.0])
    reference = reference_of(nothing(logs), x)
    v = np.array([1.0, 1.0, 1.0])
    shorter, found = reference.along(v, False)
    assert (np.abs(shorter) <= np.abs(v)).all()
    assert (np.abs(found.left - shorter / x) <= found.error).all()
    assert (found.error <= 1e-4 * np.abs(found.left)).all()


# Rounding


def test_rounding_is_at_least_a_unit_of_each_result():
    reference = reference_of(double, X)
    assert (reference.noise >= 0.9 * np.finfo(float).eps / 2 * np.abs(2 * X.ravel())).all()


@pytest.mark.parametrize("seed", range(4))
def test_single_precision_within_is_heard(seed):
    def f(x):
        return np.exp(x.astype(np.float32)).astype(np.float64)

    x = np.random.default_rng(seed).normal(size=20)
    noise = reference_of(nothing(real_only(f)), x, seed=seed).noise
    assert np.median(noise / np.exp(x)) > 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_kinks_of_others_are_no_rounding(seed):
    def f(x):
        return np.array([np.maximum(np.real(x), 0).sum()])

    x = np.random.default_rng(seed).normal(size=1000)
    noise = reference_of(nothing(f), x, seed=seed).noise
    assert noise[0] < 1e-11


# Steadiness


def test_what_is_left_of_terms_that_cancel_is_not_steady():
    def sinc(x):
        return np.sin(np.pi * x) / (np.pi * x)

    x = np.array([1.1e-8, 3e-8])
    assert not reference_of(nothing(sinc), x).steady(np.ones(2))
    assert reference_of(nothing(np.sin), x).steady(np.ones(2))
