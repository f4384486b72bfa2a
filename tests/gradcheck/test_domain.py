"""Where an argument may lie: every kind, and f is never asked outside of it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

from npcbam.gradcheck import examine
from npcbam.gradcheck.domain import bounds, domains, projected, units
from npcbam.gradcheck.layout import Layout

X, W = np.array([[1.0, 3.0, 0.5]]), np.array([2.0, 5.0])
S = np.array([[2.0, -1.0], [-1.0, 4.0]])
P = np.array([[0.5, 0.25, 0.25], [0.0, 0.125, 0.875]])


def laid(*args):
    return Layout(args, "xwp"[: len(args)])


# By hand


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        (None, [None, None, None]),
        ("positive", ["positive"] * 3),
        ((0, 9), [(0.0, 9.0)] * 3),
        ([0, np.inf], [(0.0, math.inf)] * 3),
        (np.array([0.0, 9.0]), [(0.0, 9.0)] * 3),
        ({}, [None, None, None]),
        ({"w": (0, 9)}, [None, (0.0, 9.0), None]),
        ({"p": "positive"}, [None, None, "positive"]),
        ({"p.b": "positive", "x": (0.5, 3)}, [(0.5, 3.0), None, "positive"]),
    ],
)
def test_a_domain_is_of_all_or_by_name(given_, found):
    assert domains(given_, laid(X, W, {"b": W})) == found


def test_a_part_goes_before_its_whole():
    layout = laid({"a": X, "b": W})
    assert domains({"x": "positive", "x.b": (0, 9)}, layout) == ["positive", (0.0, 9.0)]


def test_bounds_by_hand():
    assert bounds("positive") == (0, math.inf)
    assert bounds((2.0, 3.0)) == (2, 3)
    assert bounds(None) == bounds("symmetric") == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("x", "domain", "want"),
    [
        ([1.0, -4.0, 2.0], None, [1.0, 4.0, 2.0]),
        # At least half of the typical one, of the spread at most.
        ([0.1, -4.0, 2.0, 0.0], None, [1.0, 4.0, 2.0, 2.0]),
        ([100.0, 101.0, 102.0], None, [2.0, 2.0, 2.0]),
        ([0.0, 0.0], None, [1.0, 1.0]),
        ([5.0], None, [5.0]),
        ([], None, []),
        # No farther than there is room.
        ([0.1, 4.0, 2.0], "positive", [0.1, 3.9, 2.0]),
        ([0.0, 4.0, 2.0], "positive", [0.0, 4.0, 2.0]),
        ([1.0, 2.0, 3.0], (0.75, 3.0), [0.25, 1.0, 0.0]),
        ([0.5, 0.25, 0.25], "simplex", [0.5, 0.25, 0.25]),
    ],
)
def test_the_units_of_a_leaf(x, domain, want):
    np.testing.assert_allclose(units(np.array(x), domain), want)


def test_what_a_domain_forbids_is_taken_out():
    v = np.array([[1.0, 2.0], [4.0, 8.0]])
    assert projected(v, S, None) is v
    assert projected(v, S, "positive") is v
    assert projected(v, S, "symmetric").tolist() == [[1, 3], [3, 8]]
    found = projected(np.array([[1.0, 0, 0], [0, 1, 0]]), P, "simplex")
    assert found.tolist() == [[0.5, -0.25, -0.25], [0, 0.875, -0.875]]


@pytest.mark.parametrize("shape", [(5,), (2, 5), (3, 2, 5)])
def test_parts_that_add_up_to_nearly_1_move_by_nothing_in_sum(shape):
    rng = np.random.default_rng(0)
    p = 1.0009 * rng.dirichlet(np.ones(5), size=shape[:-1])
    found = projected(rng.normal(size=shape), p, "simplex")
    np.testing.assert_allclose(found.sum(axis=-1), 0, atol=1e-14)
    assert np.abs(found).max() > 0.1


@pytest.mark.parametrize(("apart", "symmetric"), [(1e-7, True), (1e-5, False)])
def test_what_is_symmetric_but_for_single_precision_is_symmetric(apart, symmetric):
    s = np.array([S, S])
    s[1, 0, 1] *= 1 + apart
    if symmetric:
        assert domains("symmetric", laid(s)) == ["symmetric"]
    else:
        with pytest.raises(ValueError, match="x: expected symmetric matrices"):
            domains("symmetric", laid(s))


def test_next_to_0_nothing_is_symmetric_by_its_smallness():
    with pytest.raises(ValueError, match="some that are not"):
        domains("symmetric", laid(np.array([[1.0, 1e-9], [0.0, 1.0]])))


# f is asked inside alone

KINDS = ["positive", "symmetric", "simplex", (0.0, 1.0), (-2.0, 3.0)]
ROOM = {"f8": 16 * 2.0**-52, "f4": 16 * 2.0**-23}


def drawn_in(domain, rng):
    if domain == "positive":
        return 10.0 ** rng.uniform(-6, 1, (2, 3))
    if domain == "symmetric":
        a = rng.normal(size=(3, 3))
        return a + a.T
    if domain == "simplex":
        return rng.dirichlet(np.ones(4), size=2)
    low, high = domain
    x = rng.uniform(low, high, (2, 3))
    x.flat[:3] = low, high, low + 1e-3 * (high - low)
    return x


def is_inside(x, domain, room):
    """Tell whether x lies in its domain, but for the rounding of a bound."""
    x = np.real(x).astype(float)
    if domain == "symmetric":
        return np.abs(x - x.T).max() <= room * np.abs(x).max()
    if domain == "simplex":
        return (x >= 0).all() and np.abs(x.sum(axis=-1) - 1).max() <= room
    low, high = bounds(domain)
    size = max(abs(bound) for bound in (low, high) if math.isfinite(bound))
    least = np.nextafter(0, 1) if domain == "positive" else low - room * size
    return (x >= least).all() and (x <= high + room * size).all()


def smooth(x):
    return x**3, 3 * x**2


def kinked(x):
    return np.maximum(x, 0.3), 1.0 * (x > 0.3)


def real_only(x):
    return np.abs(x) ** 3, 3 * x * np.abs(x)


@pytest.mark.parametrize("domain", KINDS, ids=str)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("of", [smooth, kinked, real_only])
@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_f_is_never_asked_outside(domain, dtype, of, factor):
    for seed in range(2):
        seen = []

        def f(x, seen=seen):
            seen.append(np.array(x))
            y, slope = of(x)
            return y, lambda dy: (factor * slope * dy).astype(dy.dtype)

        x = drawn_in(domain, np.random.default_rng(seed)).astype(dtype)
        report = examine(f, x, domain=domain, seed=seed, points=2)
        assert report.outcome == ("right" if factor == 1 else "wrong")
        assert len(seen) > 20
        for each in seen:
            assert is_inside(each, domain, ROOM[dtype])


def test_what_is_wrong_outside_alone_is_not_asked_about():
    """A gradient that is right on symmetric matrices, and on no others."""

    def f(a):
        return (a @ a)[0, 0], lambda dy: dy * 2 * np.outer([1, 0], a[0])

    assert examine(f, S).outcome == "wrong"
    assert examine(f, S, domain="symmetric").outcome == "right"
    wrong = lambda a: (f(a)[0], lambda dy: f(a)[1](dy) * 1.01)  # noqa: E731
    assert examine(wrong, S, domain="symmetric").outcome == "wrong"


def test_on_the_simplex_a_constant_is_no_error():
    def f(p, more=0.0):
        logs = np.log(p)
        return (p * logs).sum(axis=-1), lambda dy: dy[:, None] * (logs + 1 + more)

    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    assert examine(f, p, domain="simplex").outcome == "right"
    moved = lambda p: f(p, 3.0)  # noqa: E731
    assert examine(moved, p).outcome == "wrong"
    assert examine(moved, p, domain="simplex").outcome == "right"
    turned = lambda p: f(p, np.array([0.01, 0, 0]))  # noqa: E731
    assert examine(turned, p, domain="simplex").outcome == "wrong"


# Laws


@given(drawn.arrays(float, (3, 3), elements=st.floats(-9, 9)), st.integers(0, 99))
def test_a_projection_stays(v, seed):
    p = np.random.default_rng(seed).dirichlet(np.ones(3), size=3)
    once = projected(v, p, "simplex")
    np.testing.assert_allclose(once.sum(axis=-1), 0, atol=1e-13)
    np.testing.assert_allclose(projected(once, p, "simplex"), once, atol=1e-13)
    once = projected(v, S, "symmetric")
    np.testing.assert_array_equal(once, once.T)
    np.testing.assert_array_equal(projected(once, S, "symmetric"), once)


@given(
    drawn.arrays(float, st.integers(0, 6), elements=st.floats(0, 1)),
    st.sampled_from(["positive", (0.0, 1.0), (-1.0, 2.0)]),
)
def test_units_never_leave_the_domain(x, domain):
    low, high = bounds(domain)
    found = units(x, domain)
    rounding = 1e-15
    assert (found >= 0).all()
    assert (x - found >= low - rounding).all()
    assert (x + found <= high + rounding).all()


# Errors


@pytest.mark.parametrize(
    ("args", "given_", "message"),
    [
        ((X,), "negative", "^domain: expected 'positive', 'symmetric', 'simplex' or"),
        ((X,), 3, r"'simplex' or \(low, high\), got 3$"),
        ((X,), (1, 0), r"got \(1, 0\)$"),
        ((X,), (1, 1), r"got \(1, 1\)$"),
        ((X,), (0, np.nan), "^domain: expected"),
        ((X,), (0, 1, 2), "^domain: expected"),
        ((X,), ("a", "b"), "^domain: expected"),
        ((X,), {"x": "negative"}, "got 'negative'$"),
        ((X, W), {"y": "positive"}, r"^domain: expected names of arguments \(x, w\), got 'y'$"),
        ((X,), {3: "positive"}, r"^domain: expected names of arguments \(x\), got 3$"),
        ((-X,), "positive", "^x: expected values from 0 to inf, as domain says, got -3 to -0.5$"),
        ((X, W), (0, 4), "^w: expected values from 0 to 4, as domain says, got 2 to 5$"),
        (
            (X,),
            "symmetric",
            r"^x: expected symmetric matrices, as domain says, got shape \(1, 3\)$",
        ),
        ((W,), "symmetric", r"^x: expected symmetric matrices, .* got shape \(2,\)$"),
        ((S + np.array([[0, 1], [0, 0]]),), "symmetric", "^x: expected symmetric matrices"),
        (
            (abs(X),),
            "simplex",
            "^x: expected parts that add up to 1 along the last axis, .* got 4.5$",
        ),
        ((P - [1, -1, 0],), "simplex", "^x: expected parts that add up to 1"),
        ((np.array(1.5),), "simplex", "^x: expected parts that add up to 1"),
    ],
)
def test_bad_domains(args, given_, message):
    with pytest.raises(ValueError, match=message):
        domains(given_, laid(*args))


def test_a_bad_domain_ends_the_check():
    with pytest.raises(ValueError, match=r"^domain: expected"):
        examine(lambda x: (x, lambda dy: dy), X, domain="negative")


# On a bound


def parabola(factor):
    def f(x):
        def pullback(dy):
            dx = dy * (2 * x + 3)
            dx[0] *= factor
            return dx

        return x**2 + 3 * x, pullback

    return f


UNJUDGED = "on a bound of the domain, so that its cotangent is not judged: x[0]"


@pytest.mark.parametrize("domain", ["positive", (0, 5)])
@pytest.mark.parametrize("factor", [1.0, 77.0, np.inf])
def test_what_lies_on_a_bound_is_said_not_to_be_judged(domain, factor):
    report = examine(parabola(factor), np.array([0.0, 1.0, 2.0]), domain=domain)
    assert report.outcome == "right"
    assert UNJUDGED in report.notes
    assert report.leaves[0].how == "all but 1"


def test_nan_is_wrong_on_a_bound_too():
    report = examine(parabola(np.nan), np.array([0.0, 1.0, 2.0]), domain="positive")
    assert (report.outcome, report.code) == ("wrong", "nan")
    assert report.reason == "dx[0] is NaN, where x lies on a bound of its domain"


def test_where_all_lies_on_a_bound_nothing_can_be_told():
    report = examine(parabola(1.0), np.zeros(3), domain="positive")
    assert (report.outcome, report.code) == ("cannot tell", "resolution")
    assert report.reason == (
        "all of x lies on a bound of its domain, where no direction is left; "
        'fixed=("x",) asks about the others alone'
    )
    assert "no entry of 3" in str(report)
