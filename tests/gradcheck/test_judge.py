"""What is allowed, what is looked at, and how the evidence becomes an outcome."""

import dataclasses
import math
import re

import numpy as np
import pytest

from npcbam import pooling
from npcbam.gradcheck import examine
from npcbam.gradcheck.contract import Trial, keep
from npcbam.gradcheck.judge import Judge, _decide
from npcbam.gradcheck.report import Entry, LeafCheck
from npcbam.pointwise import relu_vjp, sigmoid_vjp

EPS = float(np.finfo(np.float64).eps)
X = np.array([[1.0, -3.0], [0.5, 2.0]])


def kept_by(f, *args, seed=0):
    trial = Trial(f, args, ("x", "w")[: len(args)], np.random.default_rng(seed))
    return trial, keep(trial)


def judge(f, *args, directions=None, seed=0, **planted):
    """Return the verdict on what f's own pullback gave, but for what is `planted` in it."""
    trial, kept = kept_by(f, *args, seed=seed)
    changed = {name: change(getattr(kept, name)) for name, change in planted.items()}
    return Judge(trial, dataclasses.replace(kept, **changed)).verdict(directions, seed)


def told(report):
    return report.outcome, report.code, report.reason


def bump(at, size):
    def bumped(g):
        moved = g.copy()
        moved[at] += size
        return moved

    return bumped


def double(x):
    return 2 * x, lambda dy: 2 * dy


def real_only(f_vjp):
    def f(x):
        if x.dtype.kind == "c":
            raise TypeError("real only")
        return f_vjp(x)

    return f


# The decision

FITS = Entry("x", (0,), got=1.0, left=1.0, right=1.0, allowed=0.5)
OFF, FAR = FITS.but(got=2.0), FITS.but(got=3.0, leaf="w")
KINKY = FITS.but(left=0.0, right=2.0, got=0.0, at_kink=True)
UNKNOWN = FITS.but(left=math.inf, right=math.inf)
FINE = LeafCheck("x", 4, "every entry", FITS, caught=0.01, scale=1.0, quiet=0.0)
AGREE = "all cotangents agree with the derivative"
ROUGH = (
    "the derivative is too rough here: an error of 0.011 in dx, "
    "whose largest entry is 1, would have passed"
)


@pytest.mark.parametrize(
    ("seen", "entries", "told"),
    [
        ([FINE], [FITS, FITS.but(other=True)], ("right", "right", AGREE)),
        ([], [], ("right", "right", AGREE)),
        ([FINE], [KINKY], ("right", "right", f"{AGREE} (this point sits on a kink)")),
        ([FINE], [FITS, OFF], ("wrong", "mismatch", str(OFF))),
        ([FINE], [OFF, FAR, FITS], ("wrong", "mismatch", str(FAR))),
        (
            [FINE],
            [FAR.but(other=True)],
            ("wrong", "nonlinear", f"the pullback is not linear in dy: {FAR}"),
        ),
        ([FINE], [FAR.but(other=True), OFF], ("wrong", "mismatch", str(OFF))),
        (
            [FINE],
            [OFF, FITS.but(got=math.nan)],
            ("wrong", "nan", str(FITS.but(got=math.nan))),
        ),
        ([FINE], [OFF, FITS.but(got=math.inf)], ("wrong", "nan", str(FITS.but(got=math.inf)))),
        ([FINE], [OFF, KINKY], ("wrong", "mismatch", f"{OFF}; the left derivative at a kink")),
        ([FINE], [FAR, KINKY], ("wrong", "mismatch", str(FAR))),
        (
            [FINE],
            [FITS, UNKNOWN],
            ("cannot tell", "nonfinite", "the derivative is not finite at this point"),
        ),
        ([FINE], [UNKNOWN, OFF], ("wrong", "mismatch", str(OFF))),
        (
            [FINE],
            [FITS, OFF.but(doubt="too near"), FAR.but(doubt="other")],
            ("cannot tell", "kink", f"too near: {OFF}"),
        ),
        ([FINE], [OFF, FAR.but(doubt="too near")], ("wrong", "mismatch", str(OFF))),
        ([dataclasses.replace(FINE, caught=0.011)], [], ("cannot tell", "resolution", ROUGH)),
        (
            [FINE, dataclasses.replace(FINE, caught=0.011)],
            [],
            ("cannot tell", "resolution", ROUGH),
        ),
        ([dataclasses.replace(FINE, caught=9.0, quiet=1.0)], [], ("right", "right", AGREE)),
        (
            [dataclasses.replace(FINE, caught=0.011, quiet=0.99)],
            [],
            ("cannot tell", "resolution", ROUGH),
        ),
    ],
)
def test_the_decision(seen, entries, told):
    kinky = [entry for entry in entries if entry.at_kink]
    assert _decide(seen, entries, kinky) == told


# What is allowed


def allowed_by_hand(kept, dy, y, scale, length=1.0):
    """Roundings of the terms, of what the pullback moved by, and of the largest |dy y|."""
    natural = max(np.abs(d * leaf).max() for d, leaf in zip(dy, y, strict=True))
    floor = 4 * EPS * natural / np.ptp(X)
    return 4 * EPS * scale + (16 * kept.noise[0] + floor) * length + 16 * EPS * scale


def test_what_is_allowed_to_an_entry():
    trial, kept = kept_by(double, X)
    (seen,) = Judge(trial, kept).verdict(None, 0).leaves
    (dy,) = kept.dy
    wanted = [allowed_by_hand(kept, [dy], [2 * X], 2 * abs(d)) for d in dy.ravel()]
    assert seen.caught == pytest.approx(2 * max(wanted), rel=1e-6)
    assert seen.scale == np.abs(2 * dy).max()
    assert seen.quiet == pytest.approx(
        16 * kept.noise[0] + 16 * EPS * 2 * 3 * np.abs(dy).sum(), rel=1
    )
    for at, most in enumerate(wanted):
        for share, outcome in ((0.9, "right"), (1.1, "wrong")):
            report = judge(double, X, g=bump(at, share * most))
            assert report.outcome == outcome, (at, share)
            if outcome == "wrong":
                assert report.worst.index == np.unravel_index(at, X.shape)
                assert report.worst.allowed == pytest.approx(most, rel=1e-6)


def test_noise_is_allowed_sixteen_times():
    for share, outcome in ((15.9, "right"), (16.1, "wrong")):
        planted = {"noise": lambda _: [1e-5], "g": bump(1, share * 1e-5)}
        assert judge(double, X, **planted).outcome == outcome
    (seen,) = judge(double, X, noise=lambda _: [1e-4]).leaves
    assert seen.caught == pytest.approx(2 * 16 * 1e-4, rel=1e-6)
    assert seen.quiet == pytest.approx(16 * 1e-4, rel=1e-6)


def test_what_would_be_caught_along_directions():
    (seen,) = judge(double, X, directions=3, noise=lambda _: [1e-6]).leaves
    # Every step is 0.5 to 1.5 times the largest of the leaf, 3; their norm is the length.
    least, most = (2 * 16e-6 * 3 * part * 2 / (0.5 * 3) for part in (0.5, 1.5))
    assert seen.how == "3 directions"
    assert least < seen.caught < most


def test_a_block_is_a_direction_of_its_own():
    """Its length is that of random steps in 2048 elements, and not in all."""
    x = np.ones(4 * 2048)
    x[::2] = -1
    (seen,) = judge(double, x, noise=lambda _: [1e-6]).leaves
    # The mean square of steps from 0.5 to 1.5 is 13/12.
    length = np.sqrt(2048 * 13 / 12)
    assert seen.how == "16 directions"
    assert seen.caught == pytest.approx(2 * 16e-6 * length / 0.5, rel=0.05)


def test_a_larger_cotangent_may_be_off_by_as_much_more():
    x = np.array([3.0])
    _, kept = kept_by(double, x)
    most = 16 * 1e-5 * abs(kept.other_dy[0][0])
    for share, code in ((0.95, "right"), (1.05, "nonlinear")):
        planted = {"noise": lambda _: [1e-5], "other_g": bump(0, share * most)}
        assert judge(double, x, **planted).code == code


def test_finite_differences_step_in_units_of_the_leaf():
    def cube(x):
        return x**3, lambda dy: 3 * x**2 * dy

    for unit in (1e-6, 1.0, 1e6):
        (seen,) = judge(real_only(cube), unit * X).leaves
        assert seen.caught < 1e-8 * seen.scale


def test_only_results_that_a_leaf_reaches_count_for_it():
    def f(x, w):
        return {"x": 1e6 * x, "w": w}, lambda d: (1e6 * d["x"], d["w"].copy())

    x, w = judge(f, X, np.array([1.0, 5.0])).leaves
    assert x.caught > 1e-10
    assert w.caught < 1e-13


# What is looked at


@pytest.mark.parametrize(
    ("size", "directions", "how"),
    [
        (2048, None, "every entry"),
        (2049, None, "8 directions"),
        (4096, None, "8 directions"),
        (4097, None, "12 directions"),
        (2048 * 16 + 1, None, "64 directions"),
        (5, 1, "1 direction"),
        (5000, 2, "2 directions"),
    ],
)
def test_how_a_leaf_is_looked_at(size, directions, how):
    x = np.random.default_rng(0).normal(size=size)
    (seen,) = judge(double, x, directions=directions).leaves
    assert (seen.leaf, seen.size, seen.how) == ("x", size, how)


@pytest.mark.parametrize("at", [0, 1, 1499, 1500, 1777, 2998, 2999])
def test_the_wrong_entry_of_many_is_found(at):
    x = np.random.default_rng(0).normal(size=(1500, 2))
    report = judge(double, x, g=bump(at, 1e-6))
    assert report.code == "mismatch"
    assert report.worst.index == (at // 2, at % 2)
    assert report.worst.error == pytest.approx(1e-6, rel=1e-5)


def test_nan_among_many_is_seen():
    x = np.random.default_rng(0).normal(size=3000)
    assert judge(double, x, g=bump(1234, np.nan)).code == "nan"


def test_the_other_cotangent_is_looked_at_along_a_direction():
    report = judge(double, X, other_g=bump(2, 1e-6))
    assert (report.outcome, report.code) == ("wrong", "nonlinear")
    wanted = r"the pullback is not linear in dy: dx along a random direction: the pullback gives .*"
    assert re.fullmatch(wanted, report.reason)
    worst = report.worst
    assert worst.other
    assert 0.5e-6 * 3 <= worst.error <= 1.5e-6 * 3


def test_empty_leaves_are_passed_over():
    def f(x, w):
        return 2 * x, lambda dy: (2 * dy, np.zeros_like(w))

    assert [seen.leaf for seen in judge(f, X, np.zeros(0)).leaves] == ["x"]


# The derivative to judge by


@pytest.mark.parametrize(
    ("f", "x", "reference"),
    [
        (double, X, "complex step"),
        (
            real_only(double),
            X,
            "finite differences (f does not run on complex128: TypeError)",
        ),
        (
            lambda x: (np.abs(x), lambda dy: dy * np.sign(x)),
            X,
            "finite differences (on complex128 f has another derivative, "
            "as with abs, real and conj)",
        ),
        (lambda x: (x * np.log(x), lambda dy: dy * (np.log(x) + 1)), X**2, "complex step"),
        (sigmoid_vjp, X.astype(np.longdouble), "complex step"),
        (relu_vjp, np.zeros(3), "complex step"),
    ],
)
def test_the_reference_is_named(f, x, reference):
    report = examine(f, x)
    assert (report.outcome, report.reference) == ("right", reference)


def test_finite_differences_take_double_precision_where_f_does():
    def f(x):
        return np.sin(x), lambda dy: dy * np.cos(x)

    def single(x):
        return f(x) if x.dtype == np.float32 else (_ for _ in ()).throw(TypeError("float32"))

    x = X.astype(np.float32)
    fine, rough = judge(real_only(f), x).leaves[0], judge(single, x).leaves[0]
    assert 2 * fine.caught < rough.caught


# Ties and kinks


def test_a_kink_may_have_any_value_between_its_sides():
    x = np.array([0.0, 1.0, -1.0])
    at = f"{AGREE} (this point sits on a kink)"
    assert told(judge(relu_vjp, x)) == ("right", "right", at)
    _, kept = kept_by(relu_vjp, x)
    slope = kept.dy[0][0]
    assert judge(relu_vjp, x, g=bump(0, 0.7 * slope)).outcome == "right"
    report = judge(relu_vjp, x, g=bump(0, 1.1 * slope))
    assert (report.outcome, report.code) == ("wrong", "mismatch")
    assert report.reason.endswith("; a value between left and right at a kink")
    low, high = sorted([0.0, slope])
    assert report.worst.left == pytest.approx(low, abs=1e-3)
    assert report.worst.right == pytest.approx(high, abs=1e-3)


@pytest.mark.parametrize(("off", "outcome"), [(0.9e-5, "right"), (1.2e-5, "wrong")])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_beyond_a_kink_there_is_room_for_the_slope_beside_it(off, outcome, side, seed):
    def f(x):
        y, pullback = relu_vjp(x)
        return 1e3 * y, lambda dy: 1e3 * pullback(dy)

    x = np.array([0.0, 1.0, -1.0])
    _, kept = kept_by(f, x, seed=seed)
    slope = 1e3 * kept.dy[0][0]
    planted = slope * (1 + off) if side else -slope * off
    assert judge(f, x, g=bump(0, planted), seed=seed).outcome == outcome


@pytest.mark.parametrize(("above", "outcome"), [(EPS, "right"), (1e-10, "wrong"), (0.5, "wrong")])
@pytest.mark.parametrize("seed", range(4))
def test_a_tie_within_rounding_may_fall_either_way(above, outcome, seed):
    def f(x):
        return pooling.max_vjp(x, (0,))

    x = np.array([1.0, 1.0 + above, 0.2])
    assert judge(f, x, g=lambda g: g[[1, 0, 2]], seed=seed).outcome == outcome


def test_tied_elements_must_give_the_derivative_together():
    def f(x):
        return pooling.max_vjp(x, (0,))

    x = np.array([2.0, 2.0, 1.0])
    _, kept = kept_by(f, x)
    half = kept.dy[0][0] / 2
    assert judge(f, x, g=lambda g: bump(0, -half)(bump(1, half)(g))).outcome == "right"
    report = judge(f, x, g=bump(0, -half))
    assert (report.code, report.worst.index) == ("mismatch", None)
    assert report.reason.endswith("; tied elements share unevenly")


def test_at_a_kink_one_block_serves_all_directions():
    x = np.random.default_rng(0).normal(size=5000)
    x[::2] = np.abs(x[::2]).max() + 1
    (seen,) = judge(lambda x: pooling.max_vjp(x, (0,)), x).leaves
    assert seen.how == "4 directions"


def test_zeros_at_a_kink_cannot_be_judged_along_directions():
    report = judge(relu_vjp, np.array([0.0, 1.0, -1.0]), directions=2)
    assert (report.outcome, report.code) == ("cannot tell", "kink")
    start = "at a kink that no joint move of equal elements avoids: dx along a random direction: "
    assert report.reason.startswith(start)


def test_a_kink_too_near_for_finite_differences():
    f = real_only(relu_vjp)
    x, kinks = np.array([0.0045, 1.0, -1.0]), 0
    for seed in range(20):
        report = judge(f, x, g=bump(0, 0.3), seed=seed)
        if report.code == "kink":  # where the random line goes far enough
            kinks += 1
            assert report.outcome == "cannot tell"
            assert report.reason.startswith("too near to a kink for finite differences: dx[0]: ")
        # An error on a smooth element is no matter of kinks.
        assert judge(f, x, g=bump(1, 0.3), seed=seed).code in ("mismatch", "resolution")
    assert kinks
    assert judge(f, np.array([0.1, 1.0, -1.0])).outcome == "right"


def test_where_several_kinks_meet_in_one_element_nothing_is_told():
    def f(x):
        ys, pullbacks = zip(
            *(pooling.max_vjp(x[[i, k]], (0,)) for i, k in ((0, 1), (0, 2), (1, 2))), strict=True
        )

        def pullback(dy):
            dx = np.zeros_like(x)
            for at, (back, d) in enumerate(zip(pullbacks, dy, strict=True)):
                dx[[(0, 1), (0, 2), (1, 2)][at],] += back(np.array([d]))
            return dx

        return np.concatenate(ys), pullback

    x = np.array([1.0, 1.0, 1.0])
    assert judge(f, x).outcome == "right"
    report = judge(f, x, g=lambda g: bump(0, 20.0)(bump(1, -20.0)(g)))
    assert (report.outcome, report.code) == ("cannot tell", "kink")
    assert report.reason.startswith("several kinks meet in one element: dx[0]: ")


# The switch


def test_smooth_and_right_places_have_no_switch():
    report = judge(sigmoid_vjp, X)
    assert (report.switch, report.ties) == (None, None)


NOWHERE = "no other within half of the arguments' scale along three random lines"


def test_where_nothing_switches_it_says_so():
    assert judge(double, X, g=bump(0, 1.0)).switch == NOWHERE
    assert judge(real_only(double), X, g=bump(0, 1.0)).switch is None
    report = judge(relu_vjp, np.array([0.0]))
    assert report.ties in ("the left derivative at a kink", "the right derivative at a kink")
    assert report.switch == f"x[0] sits on a kink; {NOWHERE}"


@pytest.mark.parametrize("gap", [1e-4, 1e-2])
def test_the_next_switch_is_named_with_its_distance(gap):
    x = np.array([[0.1, 1.0], [1.0 - gap, 0.2]])
    report = judge(lambda x: pooling.max_vjp(x, (0, 1)), x, g=bump(0, 1.0))
    found = re.fullmatch(
        r"the next is (\S+) of the arguments' scale away on a random line, "
        r"at (x\[0, 1\] and x\[1, 0\]|x\[1, 0\] and x\[0, 1\])",
        report.switch,
    )
    assert found, report.switch
    # The two come nearer by at most 1.5 + 1.5 for each unit of t.
    assert gap / 3 * 0.99 <= float(found[1]) <= 20 * gap


def test_the_outcome_is_that_of_the_seed():
    assert judge(double, X, seed=5).seed == 5
