"""float32, float16 and bfloat16: judged in float64, and held to it within rounding."""

import ml_dtypes
import numpy as np
import pytest
from judging import double

from npcbam.gradcheck import examine
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.layout import Layout
from npcbam.gradcheck.precision import _Errors, _leaf, _steady, is_wide, same_function, unit

SEEDS = range(3)
SHORT = [np.float32, np.float16, ml_dtypes.bfloat16]
NAMES = {np.float32: "float32", np.float16: "float16", ml_dtypes.bfloat16: "bfloat16"}


def normal(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def tanh(x):
    y = np.tanh(x)
    return y, lambda dy: (dy * (1 - y * y)).astype(x.dtype)


def planted(change, only=None):
    """Return tanh with its cotangent changed; in one precision alone, if one is given."""

    def f(x):
        y, pullback = tanh(x)

        def changed(dy):
            dx = pullback(dy)
            return change(dx).astype(x.dtype) if only is None or x.dtype == only else dx

        return y, changed

    return f


def alone(f, dtype):
    """Return f for one precision alone."""

    def own(x):
        if x.dtype != dtype:
            raise TypeError(f"{dtype} only")
        return f(x)

    return own


# By hand


def test_the_unit_is_that_of_the_coarsest_argument():
    args = np.ones(2), np.ones(2, np.float32), np.ones(2, ml_dtypes.bfloat16)
    assert unit(Layout(args[:1], ("a",))) == 2.0**-52
    assert unit(Layout(args[:2], ("a", "b"))) == 2.0**-23
    assert unit(Layout(args, ("a", "b", "c"))) == 2.0**-7
    assert unit(Layout((np.ones(2, np.longdouble),), ("a",))) == 2.0**-52


@pytest.mark.parametrize(
    ("dtype", "to", "wide"),
    [
        (np.float64, np.float64, True),
        (np.longdouble, np.float64, True),
        (np.float32, np.float64, False),
        (np.float64, np.float32, False),
    ],
)
def test_double_precision_is_wide(dtype, to, wide):
    layout = Layout((np.ones(2, dtype),), ("x",))
    forward = Forward(lambda x: (x.astype(to), double), layout)
    assert is_wide(layout, forward) is wide


@pytest.mark.parametrize(
    ("size", "off", "same"),
    [(10, 1, True), (10, 2, False), (19, 1, True), (19, 2, False), (20, 2, True), (3, 0, True)],
)
def test_a_tenth_of_the_results_may_differ_by_more_than_half_of_the_digits(size, off, same):
    x, moved = np.ones(size), np.zeros(size)
    moved[:off] = 2.0**-11  # √ε of float32 is 2⁻¹¹·⁵

    def at(x, moved):
        return Forward(lambda x: (x + moved.astype(x.dtype), double), Layout((x,), ("x",)))

    assert same_function(at(x.astype(np.float32), 0 * moved), at(x, moved)) is same
    assert same_function(at(x.astype(np.float32), 0 * moved), at(x, moved / 2)) is True


def errors(mean, wrong, lost=(False, False), most=0.0):
    return _Errors(np.array(mean), most, np.array(lost), np.array(wrong))


VALUE = np.ones((1, 2), np.float32)
ALLOWED, RIGHT = np.array([0.001, 0.002]), np.array([0.5, 0.0])
TAIL = "where rounding explains 0.00{}; in float64 it is right{}; {} of 2 entries"


@pytest.mark.parametrize(
    ("mean", "wrong", "right", "kind", "said"),
    [
        ([0.01, 0.0], [True, False], RIGHT, "precision",
         "in float32 dx[0, 0] is off by 0.01 (0.02 relative), " + TAIL.format(1, "", 1)),
        ([0.01, -0.03], [True, True], RIGHT, "precision",
         "in float32 dx[0, 1] is off by 0.03 (inf relative), " + TAIL.format(2, "", 2)),
        ([-0.5, 9.0], [True, False], RIGHT, "underflow",
         "in float32 dx[0, 0] is off by 0.5 (1 relative), "
         + TAIL.format(1, ": something underflows to 0", 1)),
        ([0.498, 0.0], [True, False], RIGHT, "precision",
         "in float32 dx[0, 0] is off by 0.498 (0.996 relative), " + TAIL.format(1, "", 1)),
    ],
)  # fmt: skip
def test_what_is_said_of_one_precision_alone(mean, wrong, right, kind, said):
    finding, note = _leaf("x", VALUE, errors(mean, wrong), ALLOWED, right)
    assert (finding.code, finding.leaf, finding.kind) == ("precision", "x", kind)
    assert (finding.sentence, note) == (said, "")


def test_what_is_not_finite_in_one_precision_alone_is_said_first():
    lost = errors([1.0, 1.0], [True, True], lost=[False, True])
    finding, note = _leaf("x", VALUE, lost, ALLOWED, np.array([0.5, 0.25]))
    said = "in float32 dx[0, 1] is NaN or infinite, in float64 0.25: something overflows"
    assert (finding.sentence, finding.kind, finding.code, note) == (
        said, "overflow", "precision", "",
    )  # fmt: skip
    nowhere = errors([0.0, 0.0], [False, False], lost=[False, True])
    assert _leaf("x", VALUE, nowhere, ALLOWED, np.array([0.5, np.inf])) == (None, "")


@pytest.mark.parametrize(
    ("most", "note"),
    [(0.004, ""), (0.006, "in float32 rounding moves dx by up to 0.012 of its largest")],
)
def test_rounding_that_moves_much_is_noted(most, note):
    quiet = errors([0.0, 0.0], [False, False], most=most)
    assert _leaf("x", VALUE, quiet, ALLOWED, RIGHT) == (None, note)


def test_an_error_counts_where_it_is_the_same_at_all_places():
    steady = np.array([[2.0, 2.0, 0.5, 2.0], [2.2, -2.0, 0.5, 4.0], [1.8, 2.0, 0.5, 9.0]])
    found = _steady(steady, np.full(4, 1.0), None)
    assert found.wrong.tolist() == [True, False, False, False]
    assert found.most == 9
    np.testing.assert_allclose(found.mean, [2, 2 / 3, 0.5, 5])
    assert not found.lost.any()
    lost = _steady(np.array([[1.0, 0.0], [np.inf, 0.0]]), np.ones(2), None)
    assert (lost.lost.tolist(), lost.most) == ([True, False], 1)


def test_in_half_precision_the_mean_counts_too():
    """Of 24 places: the mean is known to a fifth of what they vary by, and eight of that count."""
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(24, 3)) + np.array([0.0, 1.0, 9.0])
    small = np.array([0.1, 0.1, 0.1])
    assert _steady(errors, np.full(3, 1e3), small).wrong.tolist() == [False, False, True]
    assert _steady(errors, np.full(3, 1e3), small + 9).wrong.tolist() == [False] * 3
    assert _steady(errors, np.array([1e3, 1e3, 1e3]), None).wrong.tolist() == [False] * 3


# Right is right


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", SHORT)
def test_right_is_right(dtype, seed):
    report = examine(tanh, normal(seed, 30, dtype=dtype), seed=seed)
    assert report.outcome == "right", report


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", SHORT)
def test_right_in_one_precision_alone_is_never_wrong(dtype, seed):
    report = examine(alone(tanh, dtype), normal(seed, 30, dtype=dtype), seed=seed)
    if dtype == np.float32:
        assert report.outcome == "right", report
    # Halves have too few digits for differences; then it is said.
    assert (report.outcome, report.code) in (("right", "right"), ("cannot tell", "resolution"))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", SHORT[:2])
def test_sums_of_many_terms_round(dtype, seed):
    a, b = normal(seed, 16, 100, dtype=dtype), normal(seed + 9, 100, 12, dtype=dtype)
    f = lambda a, b: (a @ b, lambda dy: (dy @ b.T, a.T @ dy))  # noqa: E731
    report = examine(f, a, b, seed=seed)
    assert report.outcome == "right", report


@pytest.mark.parametrize("seed", SEEDS)
def test_softmax_and_its_cancellation(seed):
    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        y = e / e.sum(-1, keepdims=True)
        return y, lambda dy: y * (dy - (dy * y).sum(-1, keepdims=True))

    report = examine(softmax, 3 * normal(seed, 8, 20), seed=seed)
    assert report.outcome == "right", report


# One entry among ten thousand


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("at", [0, 5001, 9999])
def test_one_entry_off_by_a_thousandth_is_caught_in_every_way(at, seed):
    x = normal(seed, 10_000)
    x[at] = 0.4

    def off(dx):
        dx[at] *= dx.dtype.type(1.001)
        return dx

    both = examine(planted(off), x, seed=seed)
    assert (both.outcome, both.worst.index) == ("wrong", (at,))
    single = examine(planted(off, only=np.float32), x, seed=seed)
    assert (single.outcome, single.code) == ("wrong", "precision")
    assert f"in float32 dx[{at}] is off by" in single.reason
    assert "1 of 10000 entries" in single.reason
    own = examine(alone(planted(off), np.float32), x, seed=seed)
    assert own.outcome == "wrong"


@pytest.mark.parametrize(("dtype", "factor"), [(np.float16, 1.25), (ml_dtypes.bfloat16, 3.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_halves_that_are_off_by_more_than_they_round(dtype, factor, seed):
    x = normal(seed, 40, dtype=dtype)
    x[7] = 0.4

    def off(dx):
        dx[7] *= dx.dtype.type(factor)
        return dx

    for f in (planted(off), planted(off, only=dtype)):
        report = examine(f, x, seed=seed)
        assert report.outcome == "wrong", report
    assert NAMES[dtype] in report.reason


# What runs in one precision alone is said


def test_what_does_not_run_in_float64_is_said():
    report = examine(alone(tanh, np.float32), normal(0, 8))
    assert "does not run in float64: it is judged in its own precision" in " ".join(report.notes)
    assert not examine(tanh, normal(0, 8)).notes


def test_a_draw_that_differs_by_dtype_is_no_reference():
    def f(x):
        rng = np.random.default_rng(0)
        kept = rng.random(x.shape, dtype=np.float32 if x.dtype == np.float32 else np.float64) < 0.5
        return x * kept, lambda dy: dy * kept

    assert examine(f, normal(0, 30)).outcome == "right"


# Underflow and overflow are named


def test_overflow_is_named():
    def f(x):
        def pullback(dy):
            big = np.exp(x.astype(x.dtype))
            return dy * (big * big / (1 + big) ** 2 / big)

        return 1 / (1 + np.exp(-x)), pullback

    x = np.array([1.0, 60.0, -1.0], np.float32)
    report = examine(f, x)
    assert report.outcome == "wrong"
    assert report.code in ("nan", "precision")
    assert "overflows" in str(report)


def test_underflow_is_named():
    def f(x):
        def pullback(dy):
            small = x.dtype.type(1e-30)
            return dy * (2 * x * small * small) / small / small

        return x**2, pullback

    report = examine(f, normal(0, 6))
    assert (report.outcome, report.code) == ("wrong", "precision")
    assert report.findings[0].kind == "underflow"
    assert "something underflows to 0" in report.reason


def test_rounding_to_less_is_found():
    f = lambda x: (x**2, lambda dy: (2 * dy * x).astype(np.float16).astype(x.dtype))  # noqa: E731
    assert examine(f, normal(0, 20)).outcome == "wrong"
    assert examine(f, normal(0, 20).astype(np.float64)).outcome == "wrong"


# Errors


def test_dtypes_of_cotangents():
    f = lambda x: (x**2, lambda dy: (2 * dy * x).astype(np.float64))  # noqa: E731
    for dtype in SHORT:
        report = examine(f, normal(0, 5, dtype=dtype))
        assert (report.outcome, report.code) == ("wrong", "dtype")
        assert f"expected dtype {NAMES[dtype]} like x, got float64" in report.reason
