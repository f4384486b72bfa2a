"""What a pullback owes its caller: each breach with its sentence, and what is kept of the rest."""

import copy

import numpy as np
import pytest

from npcbam import tree
from npcbam.gradcheck import examine
from npcbam.gradcheck.contract import Stop, Trial, flat, keep, random_cotangent

X = np.array([[1.0, -3.0, 0.5]])
W = np.array([2.0, 5.0])
EPS = float(np.finfo(np.float64).eps)


def trial(f, *args, labels=("x", "w"), seed=0):
    return Trial(f, args, labels[: len(args)], np.random.default_rng(seed))


def double(x):
    return 2 * x, lambda dy: 2 * dy


# By hand


def test_a_trial_lays_its_leaves_end_to_end():
    args = ({"a": X, "b": [W]}, np.zeros((0, 2)), np.array(7.0, np.float32))
    laid = trial(double, *args, labels=("p", "e", "s"))
    assert laid.names == ["p.a", "p.b.0", "e", "s"]
    assert laid.parts == [slice(0, 3), slice(3, 5), slice(5, 5), slice(5, 6)]
    assert (laid.size, laid.unit) == (6, float(np.finfo(np.float32).eps))
    assert [laid.largest(i) for i in range(4)] == [3.0, 5.0, 0.0, 7.0]
    assert [laid.span(i) for i in range(4)] == [4.0, 3.0, 1.0, 1.0]
    assert trial(double, 0.01 * X).span(0) == 1.0


@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
def test_nothing_finer_than_double_precision_is_judged(dtype):
    assert trial(double, X.astype(dtype)).unit == EPS


def test_flat_is_one_vector_of_float64():
    found = flat((X.astype(np.float32), {"w": W}))
    assert found.dtype == np.float64
    assert found.tolist() == [1, -3, 0.5, 2, 5]


def test_random_cotangents_are_like_y_and_as_large_as_asked():
    y = {"a": np.zeros((20, 30), np.float32), "b": np.zeros(500)}
    for size in (1, 4):
        more = {} if size == 1 else {"size": size}
        dy = random_cotangent(y, np.random.default_rng(0), **more)
        for name, leaf in tree.leaves(dy):
            assert (leaf.shape, leaf.dtype) == (y[name].shape, y[name].dtype)
            assert 0.5 * size <= np.abs(leaf).min() < 0.55 * size
            assert 1.45 * size < np.abs(leaf).max() <= 1.5 * size


def test_run_gives_y_as_an_array_and_the_pullback():
    y, pullback = trial(lambda x: (x.sum(), len), X).run((X,))
    assert (type(y), y.shape, y.item()) == (np.ndarray, (), -1.5)
    assert pullback is len


def test_cotangents_of_one_argument_may_come_bare_or_in_a_tuple():
    one = trial(double, np.array(3.0))
    for result in (np.array(5.0), np.float64(5.0), (np.array(5.0),), (np.float64(5.0),)):
        assert one.cotangents(result).tolist() == [5.0]
    assert trial(double, X, W).cotangents([2 * X, W]).tolist() == [2, -6, 1, 2, 5]
    assert trial(double, (W, W)).cotangents((W, 2 * W)).tolist() == [2, 5, 4, 10]


def test_what_is_kept():
    def f(x, w):
        return {"s": x * w[0], "t": w}, lambda d: (
            d["s"] * w[0],
            np.array([(d["s"] * x).sum(), 0.0]) + d["t"],
        )

    kept = keep(trial(f, X, W))
    s, t = kept.dy
    assert kept.g.tolist() == pytest.approx([*(2 * s[0]), (s * X).sum() + t[0], t[1]])
    s, t = kept.other_dy
    assert kept.other_g.tolist() == pytest.approx([*(2 * s[0]), (s * X).sum() + t[0], t[1]])
    assert [
        np.abs(leaf).min() >= factor * 0.5
        for leaf, factor in zip(kept.dy + kept.other_dy, [1, 1, 4, 4], strict=True)
    ] == [True] * 4
    assert [
        np.abs(leaf).max() <= factor * 1.5
        for leaf, factor in zip(kept.dy + kept.other_dy, [1, 1, 4, 4], strict=True)
    ] == [True] * 4
    for terms, d, y in zip(kept.terms, kept.dy, (2 * X, W), strict=True):
        assert terms.dtype == np.float64
        np.testing.assert_array_equal(terms, np.abs(d * y))


# The noise


@pytest.mark.parametrize(("roundings", "counts"), [(1000, True), (1100, False)])
def test_noise_is_what_a_sum_of_cotangents_gives_more_than_both(roundings, counts):
    """Up to 1024 roundings of the largest; what is more is a fault, told elsewhere."""
    size = 0.0

    def f(x):
        def pullback(dy):
            nonlocal size
            largest = np.abs(dy).max()
            size = size or 2 * largest  # of g, the first that is asked for
            return 2 * dy + roundings * EPS * size * (largest > 6.1)

        return 2 * x, pullback

    # Cotangents of one sign: 0.5 to 1.5, 2 to 6, and their sum of more than 6.
    rng = np.random.default_rng(0)
    while True:
        state = rng.bit_generator.state
        dy, other = random_cotangent(X[0, :1], rng), random_cotangent(X[0, :1], rng, 4)
        if abs((dy + other).item()) > 6.1:
            break
    rng.bit_generator.state = state
    (noise,) = keep(Trial(f, (X[0, :1] * 1e-3,), ("x",), rng)).noise
    assert (noise > 500 * EPS * size) == counts


def test_a_pullback_that_jumps_under_roundings_is_not_noisy():
    def f(x):
        at = (x == X).all()
        return 2 * x, lambda dy: 2 * dy if at else 3 * dy

    assert keep(trial(f, X)).noise[0] < 1024 * 8 * EPS


def test_a_linear_pullback_has_the_noise_of_its_rounding():
    (noise,) = keep(trial(double, X)).noise
    # Nudged by two roundings times at most 1.5, doubled, on top of 1.5, and rounded.
    assert EPS < noise < 16 * EPS


def test_a_pullback_without_rounding_has_no_noise():
    def f(x):
        return np.sum(np.sign(x)), lambda dy: np.zeros_like(x)

    assert keep(trial(f, X)).noise == [0.0]


def test_noise_moves_with_the_arguments():
    def f(x):
        return x * 1e6 - 1e6 * x + x, lambda dy: 1e6 * np.sin(1e3 * x) * dy

    (noise,) = keep(trial(f, X)).noise
    # Of the slope 1e9 dy cos(1e3 x), x moves by two roundings times 0.5 to 1.5.
    assert 0.1 * 1e9 * EPS < noise < 40 * 1e9 * EPS


# Breaches of the contract


class Calls:
    """A pullback of the double of x that changes at a given call."""

    def __init__(self, at, change):
        self.at, self.change, self.count = at, change, 0

    def __call__(self, x):
        def pullback(dy):
            self.count += 1
            return self.change(2 * dy) if self.count == self.at else 2 * dy

        return 2 * x, pullback


def one_buffer(x):
    buffer = np.empty_like(x)

    def pullback(dy):
        buffer[...] = 2 * dy
        return buffer

    return 2 * x, pullback


def stale():
    last = []

    def f(x):
        last[:] = [x]
        return x**2, lambda dy: 2 * last[0] * dy

    return f


def spoils_in_pullback(what):
    def f(x):
        y = 2 * x

        def pullback(dy):
            result = 2 * dy
            {"x": x, "y": y, "dy": dy}[what].flat[0] += 1
            return result

        return y, pullback

    return f


def spoils_x(x):
    y = 2 * x
    x.flat[0] += 1
    return y, lambda dy: 2 * dy


def gives(result):
    return lambda x: (2 * x, lambda dy: result)


BREACHES = [
    (spoils_x, "writes", "f writes to its argument x"),
    (spoils_in_pullback("x"), "writes", "the pullback writes to the argument x"),
    (spoils_in_pullback("y"), "writes", "the pullback writes to the result y"),
    (spoils_in_pullback("dy"), "writes", "the pullback writes to its cotangent dy"),
    (
        one_buffer,
        "impure",
        "a second call of the pullback overwrites what the first one gave: dx differs",
    ),
    (
        Calls(4, lambda dx: 1.001 * dx),
        "impure",
        "a second call of the pullback gives another result: dx differs",
    ),
    (
        Calls(5, lambda dx: dx + np.array([[0.0, -0.25, 0.125]])),
        "nonlinear",
        "the pullback is not linear in dy: for dy = 0 it gives dx up to 0.25",
    ),
    (
        stale(),
        "stale",
        "after f ran on other arguments, the first pullback gives another result: dx differs",
    ),
    (
        gives(3.0),
        "structure",
        "dx: expected a cotangent like x, got float "
        "(tree: expected the same structure, got float and ndarray)",
    ),
    (
        gives(None),
        "structure",
        "dx: expected a cotangent like x, got NoneType "
        "(tree: expected the same structure, got NoneType and ndarray)",
    ),
    (gives(X[0]), "shape", "dx: expected shape (1, 3) like x, got (3,)"),
    (gives(X.astype("f4")), "dtype", "dx: expected dtype float64 like x, got float32"),
    (lambda x: 2 * x, "structure", "f: expected it to return (y, pullback), got ndarray"),
    (lambda x: (x, 3), "structure", "f: expected it to return (y, pullback), got tuple"),
    (lambda x: [x, len], "structure", "f: expected it to return (y, pullback), got list"),
    (lambda x: (x, len, len), "structure", "f: expected it to return (y, pullback), got tuple"),
    (
        lambda x: ("y", len),
        "structure",
        "y: expected a NumPy array or a layer, got str",
    ),
    (lambda x: ((1j * x), len), "structure", "y: expected a real dtype, got complex128"),
]


@pytest.mark.parametrize(("f", "code", "reason"), BREACHES, ids=[b[2][:40] for b in BREACHES])
def test_a_breach_ends_the_check(f, code, reason):
    with pytest.raises(Stop) as caught:
        keep(trial(copy.copy(f), X.copy()))  # Calls count
    stop = caught.value
    assert (stop.outcome, stop.code, str(stop)) == ("wrong", code, reason)


def test_a_breach_is_reported():
    report = examine(gives(X[0]), X, seed=3)
    assert (report.outcome, report.code, report.seed) == ("wrong", "shape", 3)
    assert report.reason == "dx: expected shape (1, 3) like x, got (3,)"


@pytest.mark.parametrize(
    ("result", "code", "reason"),
    [
        ((X,), "count", "the pullback must return 2 cotangents, one an argument; it gave 1"),
        (X, "count", "the pullback must return 2 cotangents, one an argument; it gave ndarray"),
        ((X, {"w": 1.0}), "structure", None),
        (
            (X, {"w": W[:1]}),
            "shape",
            "dp.w: expected shape (2,) like p.w, got (1,)",
        ),
        (
            (X, {"w": W.astype("f4")}),
            "dtype",
            "dp.w: expected dtype float64 like p.w, got float32",
        ),
        (
            (X, {"v": W}),
            "structure",
            "dp: expected a cotangent like p, got dict "
            "(tree: expected the same structure, got the keys w and the keys v)",
        ),
    ],
)
def test_cotangents_of_several_arguments(result, code, reason):
    two = trial(lambda x, p: (x, lambda dy: result), X, {"w": W}, labels=("x", "p"))
    with pytest.raises(Stop) as caught:
        keep(two)
    assert (caught.value.outcome, caught.value.code) == ("wrong", code)
    assert reason in (None, str(caught.value))


@pytest.mark.parametrize(
    ("f", "x", "reason"),
    [
        (double, np.array([1.0, np.nan]), "an argument is not finite at this point"),
        (double, np.array([-np.inf]), "an argument is not finite at this point"),
        (lambda x: (x * np.inf, len), X, "f is not finite at this point"),
    ],
)
def test_where_something_is_not_finite_nothing_is_told(f, x, reason):
    with pytest.raises(Stop) as caught:
        keep(trial(f, x))
    stop = caught.value
    assert (stop.outcome, stop.code, str(stop)) == ("cannot tell", "nonfinite", reason)


# What is no breach


@pytest.mark.parametrize(("roundings", "breach"), [(60, False), (70, True)])
def test_a_few_roundings_are_no_change_of_state(roundings, breach):
    """64 units in the last place of the largest entry, for sums in threads."""

    def off(dx):
        return dx + roundings * EPS * np.abs(dx).max()

    for call, code in ((4, "impure"), (7, "stale")):
        f = Calls(call, off)
        if breach:
            with pytest.raises(Stop) as caught:
                keep(trial(f, X))
            assert caught.value.code == code
        else:
            keep(trial(f, X))


def test_nan_that_stays_is_no_change_of_state():
    def f(x):
        return 2 * x, lambda dy: dy * np.array([[2.0, np.nan, 2.0]])

    kept = keep(trial(f, X))
    assert np.isnan(kept.g).tolist() == [False, True, False]


@pytest.mark.parametrize(("roundings", "breach"), [(60, False), (70, True)])
def test_a_few_roundings_are_those_of_the_gradient_itself(roundings, breach):
    x = 1e-6 * X
    off = Calls(4, lambda dx: dx + roundings * EPS * np.abs(dx).max())

    def f(x):
        y, pullback = off(x)
        return 1e-6 * y, lambda dy: 1e-6 * pullback(dy)

    if breach:
        with pytest.raises(Stop, match="another result"):
            keep(trial(f, x))
    else:
        keep(trial(f, x))


def test_a_state_that_the_other_pullback_changes_is_stale():
    last = [1.0]

    def f(x):
        factor = x[0, 0]

        def pullback(dy):
            dx = 2 * dy * last[0]
            last[0] = max(last[0], factor)
            return dx

        return 2 * x, pullback

    with pytest.raises(Stop, match=r"^after f ran on other arguments, the first pullback gives"):
        keep(trial(f, X))


def test_gradients_that_are_nan_or_empty_are_kept():
    kept = keep(trial(lambda x: (2 * x, lambda dy: dy * np.nan), X))
    assert np.isnan(kept.g).all()
    kept = keep(trial(lambda x, w: (2 * x, lambda dy: (2 * dy, w.copy())), X, np.zeros(0)))
    assert kept.noise[1] == 0
    assert keep(trial(lambda x: (x[:0], lambda dy: 0 * x), X)).noise == [0]


def test_f_may_be_undefined_at_some_of_the_places_nearby():
    calls = []

    def f(x):
        calls.append(x)
        if len(calls) == 3:
            raise ZeroDivisionError
        return 2 * x, lambda dy: 2 * dy

    assert keep(trial(f, X)).noise[0] > 0
    assert len(calls) == 1 + 1 + 4


def test_f_may_have_no_other_place_to_run_at():
    def f(x):
        if not (x == X).all():
            raise ZeroDivisionError
        return 2 * x, lambda dy: 2 * dy

    assert keep(trial(f, X)).noise[0] == 0


def test_f_is_run_elsewhere_a_quarter_further_on():
    at = []

    def f(x):
        at.append(x)
        return 2 * x, lambda dy: 2 * dy

    many = np.linspace(1, 2, 64)
    keep(trial(f, many.astype(np.float32)))
    assert len(at) == 1 + 1 + 4
    assert {x.dtype for x in at} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(at[1], np.float32(1.25) * at[0])
    unit = np.finfo(np.float32).eps
    for x in at[2:]:
        moved = np.abs(x.astype(np.float64) / at[0] - 1)
        assert moved.min() > 0
        assert moved.max() <= 3.5 * unit  # two roundings times 1.5, rounded


def test_equal_values_are_nudged_equally():
    at = []

    def f(x):
        at.append(x)
        return 2 * x, lambda dy: 2 * dy

    keep(trial(f, np.array([3.0, 1.0, 3.0])))
    for x in at[2:]:
        assert x[0] == x[2] != 3
