"""What a point hides is said; and other points are drawn where f is at home."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npcbam.gradcheck import examine
from npcbam.gradcheck.domain import bounds
from npcbam.gradcheck.hints import another_point, hidden, unasked
from npcbam.gradcheck.layout import Layout

WIDE = np.array([[1.0, -2.0, 3.0], [0.5, -0.25, 4.0]])


def notes(*args):
    return hidden(Layout(args, ("x", "w", "index")[: len(args)]))


# By hand


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (WIDE, None),
        (np.ones(3), "x has one value everywhere"),
        (np.zeros((2, 3)), "x has one value everywhere"),
        (WIDE[:1], "x has length 1 along its first axis"),
        (WIDE[:, :2], "x is square, so that a transposition keeps the shape"),
        (np.abs(WIDE), "x has no negative entry"),
        (np.array([1.0]), None),
        (np.array(3.0), None),
        (np.zeros(0), "x has no entries"),
        (np.array([1.0, 2.0]), None),
        (np.array([0.0, 1.0, 2.0]), None),
        (np.array([0.0, 1.0, 2.0, 3.0]), "x has no negative entry"),
        (np.ones((1, 1)), None),
        (WIDE.astype(np.float32)[:, :2], "x is square, so that a transposition keeps the shape"),
    ],
)
def test_what_a_leaf_hides(x, said):
    found = notes(x)
    assert found == ([f"this point hides mistakes: {said}"] if said else [])


def test_indices_that_never_repeat_hide_who_wins():
    assert notes(WIDE, WIDE, np.array([0, 2, 1])) == [
        "this point hides mistakes: index repeats no index"
    ]
    assert notes(WIDE, WIDE, np.array([0, 2, 2])) == []
    assert notes(WIDE, WIDE, np.array([1])) == []


def test_one_line_says_all_and_names_alike_leaves_once():
    (line,) = notes(np.ones((1, 3)), np.ones((2, 2)), np.array([0, 1]))
    assert line == (
        "this point hides mistakes: x (and 1 more) has one value everywhere; "
        "x has length 1 along its first axis; "
        "w is square, so that a transposition keeps the shape; index repeats no index"
    )


@pytest.mark.parametrize(
    ("still", "which"),
    [
        ([], None),
        ([4], "x[1, 1]"),
        ([2, 4], "x[0, 2] and 1 more"),
        ([1, 2, 5], "x[0, 1] and 2 more"),
    ],
)
def test_entries_on_a_bound_are_not_asked_about(still, which):
    units = np.ones(6)
    units[still] = 0
    said = "on a bound of the domain, so that its cotangent is not judged"
    assert unasked(Layout((np.ones((2, 3)),), ("x",)), units) == (
        [f"{said}: {which}"] if which else []
    )


# In a report


def test_a_right_report_says_it_and_a_wrong_one_need_not():
    f = lambda gamma: (gamma**2, lambda dy: 2 * gamma * dy)  # noqa: E731
    assert any("gamma has one value everywhere" in note for note in examine(f, np.ones(4)).notes)
    wrong = lambda gamma: (gamma**2, lambda dy: 3 * gamma * dy)  # noqa: E731
    assert not any("hides" in note for note in examine(wrong, np.ones(4)).notes)


# Other points


@pytest.mark.parametrize("domain", [None, "positive", (0.0, 1.0), "simplex", "symmetric"])
@given(st.integers(0, 200))
def test_drawn_points_lie_in_the_domain(domain, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.1, 0.9, size=(3, 3))
    if domain == "simplex":
        x /= x.sum(-1, keepdims=True)
    elif domain == "symmetric":
        x = x + x.T
    f = lambda x: (x**2, lambda dy: 2 * x * dy)  # noqa: E731
    layout = another_point(f, Layout((x,), ("x",)), domain, rng)
    (drawn,) = layout.args
    assert (drawn != x).any()
    if domain == "simplex":
        assert (drawn >= 0).all()
        np.testing.assert_allclose(drawn.sum(-1), 1)
    elif domain == "symmetric":
        np.testing.assert_array_equal(drawn, drawn.T)
    else:
        low, high = bounds(domain)
        assert ((drawn >= low) & (drawn <= high)).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_point_is_drawn_where_f_is_finite(seed):
    def f(x):
        y = np.log(np.real(x))
        if (np.real(x) <= 0).any():
            raise ValueError("positive only")
        return y, lambda dy: dy / x

    x = np.array([1e-3, 0.2, 5.0])
    rng = np.random.default_rng(seed)
    (drawn,) = another_point(f, Layout((x,), ("x",)), None, rng).args
    assert (drawn > 0).all()
    assert (drawn != x).any()


def test_where_no_other_point_is_found_the_same_stays():
    def f(x):
        if not np.array_equal(x, [1.0, 2.0]):
            raise ValueError("here only")
        return x, lambda dy: dy

    layout = Layout((np.array([1.0, 2.0]),), ("x",))
    assert another_point(f, layout, None, np.random.default_rng(0)) is layout


def test_dtypes_and_what_has_no_gradient_stay():
    args = WIDE.astype(np.float32), np.array([0, 1]), "mode"
    f = lambda x, index, mode: (x[index], lambda dy: (dy, None, None))  # noqa: E731
    layout = another_point(f, Layout(args, ("x", "index", "mode")), None, np.random.default_rng(0))
    assert layout.args[0].dtype == np.float32
    np.testing.assert_array_equal(layout.args[1], [0, 1])
    assert layout.args[2] == "mode"


# Laws of other points, of so many entries that what they vary by is known to a thirtieth


def drawn(x, domain=None, f=None):
    rng, layout = np.random.default_rng(1), Layout((x,), ("x",))
    layout = another_point(f or (lambda x: (x, len)), layout, domain, rng)
    assert layout.labels == ("x",)
    return layout.args[0]


def varies(change, by):
    return change.std() == pytest.approx(by, rel=0.1) and abs(change.mean()) < 0.15 * by


@pytest.mark.parametrize(
    ("x", "size"),
    [
        (3 + 2 * np.random.default_rng(0).choice([-1.0, 1.0], 1000), 2),
        (np.full(1000, -4.0), 4),
        (np.zeros(1000), 1),
    ],
)
def test_a_point_moves_by_what_it_varies_by(x, size):
    assert varies(drawn(x) - x, size)


def test_where_f_ends_entries_keep_their_sign():
    x = np.random.default_rng(0).choice([-1.0, 1.0], 1000) * np.random.default_rng(0).uniform(
        1, 2, 1000
    )

    def f(other):
        with np.errstate(all="ignore"):
            return np.log(other * x), len

    assert varies(np.log(drawn(x, f=f) / x), 0.3)


@pytest.mark.parametrize("domain", ["positive", (0.5, 3.0)])
def test_a_point_stays_between_its_bounds(domain):
    x = np.random.default_rng(0).uniform(1, 1.2, 1000)
    moved = drawn(x, domain)
    assert varies(np.log(moved / x), 0.3)
    assert moved.min() >= bounds(domain)[0]
    assert drawn(np.full(100, 2.9), (0.5, 3.0)).max() == 3


def test_symmetric_matrices_stay_symmetric():
    x = np.random.default_rng(0).normal(size=(40, 5, 5))
    x = x + x.swapaxes(-1, -2)
    moved = drawn(x, "symmetric")
    np.testing.assert_array_equal(moved, moved.swapaxes(-1, -2))
    above = np.triu_indices(5, 1)
    # Beside the diagonal two of half of the size are added.
    assert varies((moved - x)[:, *above], 0.1 * x.std() / np.sqrt(2))
    assert (moved - x)[:, range(5), range(5)].std() == pytest.approx(0.1 * x.std(), rel=0.15)


def test_parts_stay_parts():
    x = np.random.default_rng(0).dirichlet(np.ones(4), size=(300, 2))
    x[0, 0] = 1, 0, 0, 0
    moved = drawn(x, "simplex")
    np.testing.assert_allclose(moved.sum(axis=-1), 1)
    assert (moved > 0).all()
    change = np.log(moved / (x + 0.025))
    change -= change.mean(axis=-1, keepdims=True)
    assert change.std() == pytest.approx(0.5 * np.sqrt(3 / 4), rel=0.1)
