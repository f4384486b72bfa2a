"""What is allowed, what is looked at, and how the evidence becomes an outcome."""

import re

import numpy as np
import pytest
from judging import EPS, X, bump, double, judge, kept_by, real_only

from npcbam import pooling
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.judge import Judge
from npcbam.pointwise import relu_vjp

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
        (32, None, "every entry"),
        (33, None, "2 directions"),
        (2048, None, "64 directions"),
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


def test_blocks_that_leave_anything_open_are_looked_at_entry_by_entry():
    x = np.random.default_rng(0).normal(size=100)
    assert judge(double, x).leaves[0].how == "4 directions"
    wrong = judge(double, x, g=bump(70, 1e-9))
    assert (wrong.code, wrong.worst.index, wrong.leaves[0].how) == (
        "mismatch",
        (70,),
        "every entry",
    )
    # Too coarse, at a kink, and where only finite differences can be taken.
    assert judge(double, x, noise=lambda _: [1e-8]).leaves[0].how == "every entry"
    assert judge(relu_vjp, np.where(np.arange(100) == 70, 0, x)).leaves[0].how == "every entry"
    assert judge(real_only(double), x).leaves[0].how == "every entry"


def test_errors_that_only_add_up_to_too_much_have_no_place(monkeypatch):
    def f(x):  # the offset makes an entry's rounding large, and no larger for a sum of many
        return 2 * x + 1e6, lambda dy: 2 * dy

    x = np.random.default_rng(0).normal(size=3000)
    (seen,) = judge(f, x).leaves
    least = 0.1 * seen.worst.allowed / np.sqrt(1500)
    monkeypatch.setattr(Directions, "along", lambda *_, **__: np.ones(3000))
    report = judge(f, x, g=lambda g: g + least)
    assert (report.code, report.worst.index) == ("mismatch", None)
    assert report.worst.error == pytest.approx(1500 * least, rel=1e-3)


@pytest.mark.parametrize("at", [0, 31, 32, 99])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_blocks_see_what_is_not_finite(at, bad):
    x = np.random.default_rng(0).normal(size=100)
    report = judge(double, x, g=bump(at, bad))
    assert (report.code, report.worst.index) == ("nan", (at,))


def test_what_blocks_state_as_caught_is_caught():
    x = np.random.default_rng(0).normal(size=100)
    caught = judge(double, x).leaves[0].caught
    for at in range(0, 100, 7):
        assert judge(double, x, g=bump(at, caught)).outcome == "wrong"


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


# Ties and kinks


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


def test_the_outcome_is_that_of_the_seed():
    assert judge(double, X, seed=5).seed == 5
