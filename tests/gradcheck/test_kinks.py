"""The rules at ties and kinks, and kinks beside the point that excuse an entry."""

import numpy as np
import pytest
from judging import EPS, X, bump, double, parts_of, real_only, seen_of

from npcbam import pooling
from npcbam.gradcheck import examine
from npcbam.gradcheck.findings import Entry
from npcbam.gradcheck.kinks import members, rule
from npcbam.pointwise import relu_vjp


def tie(shares, low=-1.0, step=2.0, leaf="x", value=1.0):
    """Return one entry a share, each with the same step from left to right."""
    return [
        Entry(leaf, (i,), low + share * step, low, low + step, 0.0, at_kink=True, value=value)
        for i, share in enumerate(shares)
    ]


# The rules

FIRST, LAST = "the first tied element takes all", "the last tied element takes all"
EVEN, ALL = (
    "tied elements share evenly",
    "every tied element gets all of it, so that the sum is too large",
)
NONE = "no tied element gets any of it"
TWO = "the middle at a kink (in 2 places)"
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
    ("leaf", "step", "value", "name"),
    [
        ("x", 2.0, 1.0, EVEN),
        ("x", -2.0, 1.0, EVEN),
        ("x", 2.0 * (1 + 5e-7), 1.0, EVEN),
        ("x", 2.0 * (1 - 5e-7), 1.0, EVEN),
        ("x", 2.0, 1.0 + 1e-9, EVEN),
        ("x", 2.0 * (1 + 1e-5), 1.0, TWO),
        ("x", 6.0, 1.0, TWO),
        ("x", 2.0, 1.1, TWO),
        ("w", 2.0, 1.0, TWO),
    ],
)
def test_equal_elements_of_one_leaf_with_equal_steps_are_one_tie(leaf, step, value, name):
    other = tie([0.5], step=step, leaf=leaf, value=value)
    assert rule(tie([0.5]) + other) == name


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


# Kinks beside the point


@pytest.mark.parametrize("wrapped", [lambda f: f, real_only])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_kink_may_have_any_value_between_its_sides(wrapped, share):
    f = wrapped(
        lambda x: (np.maximum(np.real(x), 0), lambda dy: dy * np.where(x == 0, share, x > 0))
    )
    report = examine(f, np.array([0.0, 1.0, -1.0]), names=("x",))
    assert report.outcome == "right"
    assert report.reason.endswith("(this point sits on a kink)")
    assert report.switch == "x[0] sits on a kink"


@pytest.mark.parametrize("share", [1.001, -0.001, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_beyond_both_sides_is_wrong(share, seed):
    f = lambda x: (np.maximum(np.real(x), 0), lambda dy: dy * np.where(x == 0, share, x > 0))  # noqa: E731
    report = examine(f, np.array([0.0, 1.0, -1.0]), seed=seed)
    assert (report.outcome, report.code) == ("wrong", "mismatch")
    assert report.worst.index == (0,)


@pytest.mark.parametrize(("above", "outcome"), [(EPS, "right"), (1e-3, "wrong"), (0.5, "wrong")])
@pytest.mark.parametrize("seed", range(25))
def test_a_tie_within_rounding_may_fall_either_way(above, outcome, seed):
    def f(x):
        y, pullback = pooling.max_vjp(x, (0,))
        return y, lambda dy: pullback(dy)[[1, 0, 2]]

    report = examine(f, np.array([1.0, 1.0 + above, 0.2]), seed=seed)
    assert report.outcome == outcome


@pytest.mark.parametrize("place", [0.3, 3e-3, 1e-5, 1e-8, 1e-11])
@pytest.mark.parametrize("seed", range(3))
def test_a_kink_nearby_changes_no_verdict(place, seed):
    x = np.array([place, 1.0, -1.0])
    assert examine(real_only(relu_vjp), x, seed=seed).outcome in ("right", "cannot tell")
    wrong = lambda x: (np.maximum(x, 0), lambda dy: dy * (x > 0.5 * place) * 1.3)  # noqa: E731
    assert examine(real_only(wrong), x, seed=seed).outcome == "wrong"


@pytest.mark.parametrize("off", [1e-6, 1e-3, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_pullback_is_no_excuse(off, seed):
    def f(x):
        return x**3, lambda dy: 3 * x**2 * dy

    x = np.array([0.3, 1.0, -2.0])
    _, seen = seen_of(real_only(f), x, planted=bump(1, off), seed=seed)
    wrong = [e for e in seen.entries if not e.ok]
    assert wrong
    assert not any(entry.doubt for entry in wrong)


def pairs(x):
    """The larger of each pair of three: two kinks meet in each element of a tie."""
    at = ((0, 1), (0, 2), (1, 2))
    ys, pullbacks = zip(*(pooling.max_vjp(x[list(p)], (0,)) for p in at), strict=True)

    def pullback(dy):
        dx = np.zeros_like(x)
        for pair, back, d in zip(at, pullbacks, dy, strict=True):
            dx[list(pair)] += back(np.array([d]))
        return dx

    return np.concatenate(ys), pullback


@pytest.mark.parametrize("seed", range(6))
def test_where_several_kinks_meet_in_one_element(seed):
    x = np.ones(3)
    assert examine(pairs, x, seed=seed).outcome == "right"

    def far(x):
        y, pullback = pairs(x)
        return y, lambda dy: pullback(dy) + np.array([20.0, -20.0, 0.0]) * np.abs(dy).sum()

    report = examine(far, x, seed=seed)
    assert report.outcome in ("wrong", "cannot tell")


# The excuse by hand


def test_what_fits_is_smooth_or_along_a_direction_needs_no_excuse():
    parts = parts_of(double, X)
    dy = parts.numbers.asked[0].dy
    for entry in (
        Entry("x", (0, 0), 1.0, 1.0, 1.0, 0.1),
        Entry("x", (0, 0), 5.0, 1.0, 1.0, 0.1),
        Entry("x", None, 5.0, 1.0, 3.0, 0.1, at_kink=True),
        Entry("x", (0, 0), np.nan, 1.0, 3.0, 0.1, at_kink=True),
    ):
        assert parts.near.excuse(0, entry, dy) is entry


@pytest.mark.parametrize("wrapped", [lambda f: f, real_only])
def test_an_entry_counts_by_the_slopes_beside_it(wrapped):
    x = np.array([0.0, 1.0, -1.0])
    parts = parts_of(wrapped(relu_vjp), x)
    dy = parts.numbers.asked[0].dy
    # As if only the right side had been seen.
    one_side = Entry("x", (0,), 0.0, dy[0], 1.01 * dy[0], 1e-12, at_kink=True)
    assert parts.near.excuse(0, one_side, dy).ok
    far = one_side.but(got=3 * dy[0])
    assert not parts.near.excuse(0, far, dy).ok
