"""What came for a cotangent, held against slopes with what rounding may make of it."""

import numpy as np
import pytest
from judging import EPS, X, bump, double, move_of, parts_of, smooth

from npcbam.slopes import Slopes

# What is allowed, as the tests expect it: a change of these is a change of every verdict.
SUM, NOISE, FLOOR = 4, 16, 4


def numbers_of(f, *args, noise=0.0, floor=0.0, **options):
    """Return the numbers of a check with a noise of their own."""
    numbers = parts_of(f, *args, **options).numbers
    numbers.noise = np.full(numbers.noise.shape, noise)
    for i in range(len(args)):
        numbers._floors[i] = floor
    return numbers


def jacobian_move(numbers, slopes, at=0):
    """Return a move of one entry of `double`'s argument, by 1."""
    v = np.zeros(numbers.forward.x.size)
    v[at] = 1
    return move_of(slopes, entries=(at,), v=v)


def right_slopes(numbers, at=0):
    found = np.zeros(numbers.forward.y.size)
    found[at] = 2
    return smooth(found)


# By hand


def test_what_fits_is_off_nowhere():
    numbers = numbers_of(double, X)
    compared = numbers.compare(0, jacobian_move(numbers, right_slopes(numbers)), alone=True)
    assert compared.off.tolist() == [False]
    assert len(compared.worst) == len(numbers.asked)
    worst = compared.worst[0]
    assert (worst.leaf, worst.index, worst.cotangent) == ("x", (0, 0), "")
    assert worst.left == worst.right == pytest.approx(2 * numbers.asked[0].dy[0])
    assert worst.got == pytest.approx(worst.left)


@pytest.mark.parametrize(("share", "off"), [(0.9, False), (1.1, True)])
def test_each_term_of_what_is_allowed(share, off):
    def told(planted, **options):
        slopes = options.pop("error", 0.0)
        numbers = numbers_of(double, X, planted=planted, **options)
        known = right_slopes(numbers)
        with_error = Slopes.smooth(known.left, np.full(known.left.shape, slopes))
        return numbers.compare(0, jacobian_move(numbers, with_error), alone=True)

    compared = told(bump(0, share * NOISE * 1e-6), noise=1e-6)
    assert compared.off.tolist() == [off]
    compared = told(bump(0, share * 1e-6), floor=1e-6)
    assert compared.off.tolist() == [off]
    dy = numbers_of(double, X).asked[0].dy
    worst = np.minimum(np.abs(dy).sum(), 3 * np.linalg.norm(dy)) * 1e-6
    compared = told(None, error=1e-6)
    assert compared.allowed[0] == pytest.approx(worst, rel=1e-6)


def test_the_terms_of_a_sum_are_rounded():
    numbers = numbers_of(double, X)
    big = smooth([2e9, -2e9, 2e9, 2.0])
    compared = numbers.compare(0, jacobian_move(numbers, big), alone=True)
    scale = (np.abs(numbers.asked[0].dy) * np.abs(big.left)).sum()
    assert compared.allowed[0] == pytest.approx(SUM * EPS * scale, rel=1e-6)


def test_a_relative_tolerance_is_added():
    plain, lax = (numbers_of(double, X, rtol=rtol) for rtol in (0.0, 1e-3))
    move = jacobian_move(plain, right_slopes(plain))
    more = lax.compare(0, move, True).allowed - plain.compare(0, move, True).allowed
    assert more[0] == pytest.approx(1e-3 * 2 * abs(plain.asked[0].dy[0]))


def test_a_larger_cotangent_may_be_off_by_as_much_more():
    numbers = numbers_of(double, X, noise=1e-6)
    move = jacobian_move(numbers, right_slopes(numbers))
    worst = numbers.compare(0, move, alone=True).worst
    for entry, asked in zip(worst, numbers.asked, strict=True):
        assert entry.cotangent == asked.name
        assert entry.allowed == pytest.approx(NOISE * 1e-6 * asked.size, rel=1e-3)


def test_one_cotangent_that_is_off_is_enough():
    def far(g, scale):
        return np.clip(g, -1e3, 1e3)

    numbers = numbers_of(double, X, planted=far)
    compared = numbers.compare(0, jacobian_move(numbers, right_slopes(numbers)), alone=True)
    assert compared.off.tolist() == [True]
    assert [entry.cotangent for entry in compared.worst if not entry.ok] == [
        "a dy 1e+06 times as large"
    ]


# Kinks, and what is not known


def test_between_left_and_right_all_fits():
    for share, off in ((0.0, False), (0.3, False), (1.0, False), (1.1, True), (-0.1, True)):
        numbers = numbers_of(double, X, planted=lambda g, _, s=share: g * s)
        left, right = np.zeros(4), np.array([2.0, 0, 0, 0])
        slopes = Slopes(left, right, np.zeros(4), np.zeros(4, bool))
        move = jacobian_move(numbers, slopes)
        compared = numbers.compare(0, move, alone=True)
        assert compared.off.tolist() == [off]
        entry = compared.worst[0]
        assert entry.at_kink
        # The left slope stays the left one, whatever the sign of dy is.
        assert entry.left == 0
        assert entry.right == pytest.approx(2 * numbers.asked[0].dy[0])


def test_what_is_not_known_is_not_off():
    numbers = numbers_of(double, X)
    compared = numbers.compare(0, jacobian_move(numbers, smooth([np.nan] * 4)), alone=True)
    assert compared.off.tolist() == [False]
    assert np.isnan(compared.worst[0].left)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_off(bad):
    numbers = numbers_of(double, X, planted=bump(0, bad))
    compared = numbers.compare(0, jacobian_move(numbers, right_slopes(numbers)), alone=True)
    assert compared.off.tolist() == [True]
    assert not np.isfinite(compared.worst[0].got)


# Along directions


def test_a_direction_is_one_sum():
    numbers = numbers_of(double, X, noise=1e-6)
    v = np.array([1.0, -2.0, 0.0, 0.5])
    compared = numbers.compare(0, move_of(2 * v, v=v), alone=False)
    assert compared.off.tolist() == [False]
    assert compared.worst[0].index is None
    want = (2 * v * numbers.asked[0].dy).sum()
    assert compared.worst[0].got == pytest.approx(want)
    # Roundings of different entries do not all point one way.
    length = np.linalg.norm(v)
    assert compared.allowed[0] == pytest.approx(NOISE * 1e-6 * length, rel=1e-6)
    planted = numbers_of(double, X, planted=bump(1, 1e-3))
    assert planted.compare(0, move_of(2 * v, v=v), alone=False).off.tolist() == [True]


def test_entries_are_told_in_their_own_unit():
    numbers = numbers_of(double, X)
    v = np.array([0.0, -3.0, 0.0, 0.0])
    entry = numbers.compare(0, move_of(2 * v, entries=(1,), v=v), alone=True).worst[0]
    assert entry.index == (0, 1)
    assert entry.value == -3.0
    assert entry.left == pytest.approx(2 * numbers.asked[0].dy[1])


def test_entries_that_move_together_are_told_each_by_itself():
    """In the order in which they were given."""
    numbers = numbers_of(double, X, planted=bump(1, 1e-3))
    move = move_of([0.0, -6.0, 0.0, 2.0], entries=(3, 1), v=[0.0, -3.0, 0.0, 1.0],
                   local=[-1, 1, -1, 0])  # fmt: skip
    compared = numbers.compare(0, move, alone=True)
    assert compared.off.tolist() == [False, True]
    assert compared.allowed.shape == (2,)
    entry = compared.worst[0]
    assert (entry.index, entry.value, entry.ok) == ((0, 1), -3.0, False)
    assert entry.got - entry.left == pytest.approx(1e-3)
    # What is right to the last bit is no worse than anything.
    exact = numbers_of(double, X).compare(0, move, alone=True).worst[0]
    assert exact.badness < 1


def test_along_a_direction_no_entry_has_a_value():
    numbers = numbers_of(double, X)
    v = np.array([1.0, -2.0, 0.0, 0.5])
    assert np.isnan(numbers.compare(0, move_of(2 * v, v=v), alone=False).worst[0].value)


def test_a_gap_is_in_units_of_its_cotangent():
    numbers = numbers_of(double, X, planted=bump(1, 1e-3))
    v = np.array([1.0, -2.0, 0.0, 0.5])
    for k in range(len(numbers.asked)):
        assert numbers.gap(move_of(2 * v, v=v), k) == pytest.approx(2e-3, rel=1e-3)
        assert numbers.g(k) is numbers.readings[k].g
    assert numbers.g() is numbers.readings[0].g


# What drowns in the rounding of y


def test_the_floor_is_that_of_the_results_a_leaf_reaches():
    numbers = numbers_of(double, X)
    slopes = smooth([2.0, 0.0, 0.0, 0.0])
    numbers.drowned(0, slopes, np.ones(4))
    want = FLOOR * EPS * abs(numbers.asked[0].dy[0] * numbers.forward.y[0])
    assert numbers._floors[0] == pytest.approx(want)
    numbers.lower(0)
    assert numbers._floors[0] == 0


@pytest.mark.parametrize(("slope", "drowned"), [(2.0, False), (1e-15, True), (0.0, False)])
def test_a_leaf_drowns_where_its_derivatives_are_all_tiny(slope, drowned):
    numbers = numbers_of(double, X)
    assert numbers.drowned(0, smooth([slope] * 4), np.ones(4)) == drowned
