"""Kinks beside the point that excuse an entry, and the next switch."""

import re

import numpy as np
import pytest
from judging import AGREE, EPS, X, bump, double, judge, kept_by, real_only, told

from npcbam import pooling
from npcbam.pointwise import relu_vjp, sigmoid_vjp


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


@pytest.mark.parametrize("off", [1e-6, 1e-3, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_pullback_is_no_excuse(off, seed):
    def f(x):
        return x**3, lambda dy: 3 * x**2 * dy

    x = np.array([0.3, 1.0, -2.0])
    assert judge(real_only(f), x, g=bump(1, off), seed=seed).code == "mismatch"


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
