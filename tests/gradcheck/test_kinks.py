"""Directions that keep ties, the names of the rules, and the search for the next switch."""

import numpy as np
import pytest

from npcbam.gradcheck.kinks import members, nearest_switch, rule, spread, together
from npcbam.gradcheck.report import Entry


def rng(seed=0):
    return np.random.default_rng(seed)


def tie(shares, low=-1.0, step=2.0, leaf="x"):
    """Return one entry a share, each with the same step from left to right."""
    return [
        Entry(leaf, (i,), low + share * step, low, low + step, 0.0, at_kink=True)
        for i, share in enumerate(shares)
    ]


# Directions


@pytest.mark.parametrize("shape", [1000, (10, 100)])
def test_spread_has_both_signs_and_neither_small_nor_large_numbers(shape):
    v = spread(rng(), shape)
    sizes = np.abs(v)
    assert v.size == 1000
    assert v.shape == np.zeros(shape).shape
    assert 0.5 <= sizes.min() < 0.51
    assert 1.49 < sizes.max() <= 1.5
    assert 400 < (v > 0).sum() < 600
    assert np.unique(sizes).size == 1000


def test_equal_elements_move_together():
    leaf = np.array([[1.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    v = together(rng(), leaf)
    assert v.shape == leaf.shape
    by_value = {value: set(v[leaf == value].tolist()) for value in (1.0, 2.0, 3.0)}
    assert [len(moves) for moves in by_value.values()] == [1, 1, 1]
    assert len(set.union(*by_value.values())) == 3
    assert together(rng(), np.zeros((2, 0))).shape == (2, 0)


# The rules

FIRST, LAST = "the first tied element takes all", "the last tied element takes all"
EVEN, ALL = (
    "tied elements share evenly",
    "every tied element gets all of it, so that the sum is too large",
)
NONE = "no tied element gets any of it"
RULES = [
    ([0.0], "the left derivative at a kink"),
    ([0.5], "the middle at a kink"),
    ([1.0], "the right derivative at a kink"),
    ([0.25], "a value between left and right at a kink"),
    ([0.502], "a value between left and right at a kink"),
    ([0.5005], "the middle at a kink"),
    ([1, 0], FIRST),
    ([1, 0, 0, 0], FIRST),
    ([1.0005, 0.0005, -0.0005], FIRST),
    ([0, 1], LAST),
    ([0, 0, 1], LAST),
    ([0.5, 0.5], EVEN),
    ([1 / 3, 1 / 3, 1 / 3], EVEN),
    ([1, 1], ALL),
    ([1, 1, 1], ALL),
    ([0, 0], NONE),
    ([0, 0, 0], NONE),
    ([0, 1, 0], "one tied element takes all, neither the first nor the last"),
    ([0, 0, 1, 0], "one tied element takes all, neither the first nor the last"),
    ([0.7, 0.3], "tied elements share unevenly"),
    ([1.003, 0, 0], "tied elements share unevenly"),
]


@pytest.mark.parametrize(("low", "step"), [(-1.0, 2.0), (3.0, -0.5)])
@pytest.mark.parametrize(("shares", "name"), RULES)
def test_rule(shares, name, low, step):
    assert rule(tie(shares, low, step)) == name


def test_no_entry_no_rule():
    assert rule([]) is None
    assert members([]) is None


def test_places_are_counted_and_the_largest_tie_comes_first():
    entries = tie([0.0]) + tie([1, 0], step=3.0) + tie([1, 0], step=-5.0)
    assert rule(entries) == f"{FIRST} (in 2 places); the left derivative at a kink"
    assert rule(tie([0.0]) + tie([0, 0], step=3.0)) == f"{NONE}; the left derivative at a kink"


@pytest.mark.parametrize(
    ("leaf", "step", "name"),
    [
        ("x", 2.0, EVEN),
        ("x", -2.0, EVEN),
        ("x", 2.0 * (1 + 5e-7), EVEN),
        ("x", 2.0 * (1 - 5e-7), EVEN),
        ("x", 2.0 * (1 + 1e-5), "the middle at a kink (in 2 places)"),
        ("x", 6.0, "the middle at a kink (in 2 places)"),
        ("w", 2.0, "the middle at a kink (in 2 places)"),
    ],
)
def test_elements_of_one_leaf_with_equal_steps_are_one_tie(leaf, step, name):
    assert rule(tie([0.5]) + tie([0.5], step=step, leaf=leaf)) == name


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        (tie([0.0]), "x[0] sits on a kink"),
        (tie([1, 0]), "x[0], x[1] are tied"),
        (tie([1, 0, 0, 0]), "x[0], x[1], x[2], x[3] are tied"),
        (tie([1, 0, 0, 0, 0]), "x[0], x[1], x[2], x[3] and 1 more are tied"),
        (tie([1] * 7), "x[0], x[1], x[2], x[3] and 3 more are tied"),
        (tie([1], step=3.0) + tie([1, 0]), "x[0], x[1] are tied; 1 more such places"),
        (
            tie([1]) + tie([1], step=3.0) + tie([1], step=5.0),
            "x[0] sits on a kink; 2 more such places",
        ),
        ([Entry("x", (1, 2), 0.0, 0.0, 1.0, 0.0)], "x[1, 2] sits on a kink"),
        ([Entry("x", (), 0.0, 0.0, 1.0, 0.0)], "x[] sits on a kink"),
        ([Entry("x", None, 0.0, 0.0, 1.0, 0.0)], "x[] sits on a kink"),
    ],
)
def test_members(entries, text):
    assert members(entries) == text


# The next switch


@pytest.mark.parametrize(
    "place", [0.3, -0.3, 0.01, -1e-3, 3e-5, -1e-8, 1e-11, 2.5e-12, -1.2e-12, -0.499]
)
@pytest.mark.parametrize("height", [1.0, -1.0, 1e-3])
def test_a_jump_is_found(place, height):
    def phi(t):
        return 5.0 + 1e-4 * t + height * ((t > place) if place > 0 else (t < place))

    # Twenty halvings of an interval that is at most as long as its nearer end.
    assert nearest_switch(phi) == pytest.approx(place, rel=2e-6)


def test_the_nearest_of_several_jumps_counts():
    assert nearest_switch(lambda t: (t > 0.2) + 2.0 * (t < -0.1)) == pytest.approx(-0.1, rel=1e-5)
    assert nearest_switch(lambda t: (t > 0.1) + 2.0 * (t < -0.2)) == pytest.approx(0.1, rel=1e-5)
    assert nearest_switch(lambda t: (t > 0.1) + 9.0 * (t > 0.4)) == pytest.approx(0.1, rel=1e-5)


def test_a_jump_hides_behind_no_steep_place():
    """At 0.01 phi is only steep; that does not end the search."""
    steep = lambda t: np.tanh((t - 0.01) / 1e-4)  # noqa: E731
    assert nearest_switch(lambda t: steep(t) + 5.0 * (t > 0.3)) == pytest.approx(0.3, rel=1e-5)


@pytest.mark.parametrize(
    "phi",
    [
        lambda t: 1.0,
        lambda t: 0.0,
        lambda t: 3 * t,
        lambda t: t**2 - 5,
        np.exp,
        lambda t: np.tanh(t / 1e-3),
        lambda t: abs(t - 0.1),
        lambda t: 1e8 + 1e-2 * (t > 0.1),  # below what phi's own rounding may do
        lambda t: float(t > 0.6),
        lambda t: float(t < -0.6),
        lambda t: float(t > 2.0**-41),
    ],
)
def test_where_nothing_jumps_there_is_no_switch(phi):
    assert nearest_switch(phi) is None


@pytest.mark.parametrize("phi", [np.exp, lambda t: t**2 - 5, lambda t: 3 * t])
def test_smooth_lines_are_not_halved(phi):
    at = []
    nearest_switch(lambda t: at.append(t) or phi(t))
    assert len(at) == 80


def test_the_line_is_searched_at_powers_of_two_on_both_sides():
    at = []
    nearest_switch(lambda t: at.append(t) or 0.0)
    powers = [2.0**-k for k in range(40, 0, -1)]
    assert at == powers + [-t for t in powers]
