"""What is looked at, leaf by leaf, and what counts as wrong."""

import dataclasses

import numpy as np
import pytest
from judging import X, bump, double, parts_of, real_only, seen_of

from npcbam import pooling
from npcbam.gradcheck.judge import BLOCK, FEW, MOST_BLOCKS, SINGLY
from npcbam.gradcheck.reference import Reference
from npcbam.pointwise import relu_vjp


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def wrong(seen):
    """Return the comparisons that are off for certain."""
    return [entry for entry in seen.entries if not entry.ok and not entry.doubt]


def mixed(x):
    """A function whose entries all meet."""
    w = np.sin(np.arange(x.size * 3.0)).reshape(3, -1)
    return np.tanh(w @ x.ravel()), lambda dy: (
        (dy * (1 - np.tanh(w @ x.ravel()) ** 2)) @ w
    ).reshape(x.shape)


# What is looked at


@pytest.mark.parametrize(
    ("f", "size", "many", "how"),
    [
        (double, SINGLY, None, "every entry"),
        (mixed, SINGLY, None, "every entry"),
        (mixed, SINGLY + 1, None, "2 directions"),
        (mixed, BLOCK * MOST_BLOCKS, None, f"{MOST_BLOCKS} directions"),
        (mixed, 10 * BLOCK * MOST_BLOCKS, None, f"{MOST_BLOCKS} directions"),
        (mixed, 5, 1, "1 direction"),
        (mixed, 500, 2, "2 directions"),
        # Where a move is many calls of f, fewer are made.
        (real_only(mixed), FEW, None, "every entry"),
        (real_only(mixed), FEW + 1, None, "1 direction"),
        # Entries that never meet take one move.
        (real_only(double), 1000, None, "every entry"),
    ],
)
def test_how_a_leaf_is_looked_at(f, size, many, how):
    # Entries of about one size, lest blocks be split.
    x = normal(size) / 10 + np.sign(normal(size, seed=1))
    _, seen = seen_of(f, x, many=many)
    assert seen.how == how
    assert not wrong(seen)


def test_a_leaf_on_a_bound_has_no_entry_to_look_at():
    """It says nothing, and nothing that is wrong."""
    _, seen = seen_of(double, np.full(3, 2.0), domain=(2.0, 5.0))
    (entry,) = seen.entries
    assert (seen.how, entry.leaf, entry.index, entry.ok) == ("no entry", "x", None, True)
    assert (entry.got, entry.left, entry.right, entry.allowed, entry.badness) == (0, 0, 0, 0, 0)
    assert entry.doubt == (
        "all of x lies on a bound of its domain, where no direction is left; "
        'fixed=("x",) asks about the others alone'
    )
    _, some = seen_of(double, np.array([2.0, 3.0, 2.0]), domain=(2.0, 5.0))
    assert some.how == "all but 2"
    assert [each.index for each in some.entries if each.index] == [(1,)] * len(some.entries)


def test_blocks_hold_entries_of_one_size():
    scale = 10.0 ** -np.arange(0, 40, 0.2)
    f = lambda x: (np.array((scale * x).sum()), lambda dy: scale * dy)  # noqa: E731
    _, seen = seen_of(f, np.ones(200) + 0.1 * normal(200))
    assert not wrong(seen)
    for at in (0, 60, 150, 199):
        _, seen = seen_of(f, np.ones(200) + 0.1 * normal(200), planted=bump(at, 1e-3 * scale[at]))
        # Below a unit of rounding of y nothing can tell.
        assert bool(wrong(seen)) == (scale[at] > 1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("at", [0, 31, 32, 99])
def test_one_wrong_entry_is_found_in_its_block(at, seed):
    parts, seen = seen_of(mixed, normal(100), planted=bump(at, 1e-6), seed=seed)
    (first, *_) = [entry for entry in wrong(seen) if entry.index is not None]
    assert first.index == (at,)
    assert first.error == pytest.approx(1e-6, rel=1e-3)
    assert parts.judge.is_certain(0)


@pytest.mark.parametrize("at", [0, 1499, 1500, 2999])
@pytest.mark.parametrize("f", [mixed, real_only(mixed), double, real_only(double)])
def test_the_wrong_entry_of_many_is_found(f, at):
    _, seen = seen_of(f, normal(1500, 2), planted=bump(at, 1e-2))
    indices = {entry.index for entry in wrong(seen)} - {None}
    assert indices == {(at // 2, at % 2)}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [20, 100])
def test_what_is_not_finite_is_seen(size, bad):
    _, seen = seen_of(mixed, normal(size), planted=bump(7, bad))
    assert any(not np.isfinite(entry.got) for entry in wrong(seen))


def test_two_leaves_are_looked_at_apart():
    f = lambda x, w: (x * w, lambda dy: (dy * w, dy * x))  # noqa: E731
    parts, seen = seen_of(f, X, X + 1, planted=bump(5, 1e-6), leaf=0)
    assert not wrong(seen)
    with np.errstate(all="ignore"):
        second = parts.judge.leaf(1, None)
    assert next(entry.index for entry in wrong(second)) == (0, 1)
    assert (parts.judge.is_certain(0), parts.judge.is_certain(1)) == (False, True)
    assert parts.judge.certain


# What would have been caught


@pytest.mark.parametrize("f", [double, mixed])
@pytest.mark.parametrize("size", [6, 100])
def test_what_is_allowed_bounds_the_error_that_passes(f, size):
    x = normal(size)
    _, right = seen_of(f, x)
    assert 0 < right.allowed < 1e-9
    for at in range(0, size, max(size // 6, 1)):
        _, seen = seen_of(f, x, planted=bump(at, 1e5 * right.allowed))
        assert wrong(seen)


# Two references


def with_second(monkeypatch, change):
    """Let the second reference say something else."""
    original = Reference.second
    monkeypatch.setattr(
        Reference, "second", lambda self, v, exact: change(original(self, v, exact))
    )


@pytest.mark.parametrize("size", [6, 100])
@pytest.mark.parametrize("f", [double, mixed, real_only(double), real_only(mixed)])
def test_wrong_needs_both_references(monkeypatch, size, f):
    x = normal(size)
    planted = bump(3, 1e-6)
    _, seen = seen_of(f, x, planted=planted)
    assert wrong(seen)
    # A second one that cannot tell is not against the pullback.
    with_second(
        monkeypatch, lambda found: dataclasses.replace(found, error=np.full(found.error.shape, 1e3))
    )
    parts, seen = seen_of(f, x, planted=planted)
    assert not wrong(seen)
    assert not parts.judge.is_certain(0)
    assert seen.allowed > 1.0, "what passes is told"


def test_where_the_second_reference_has_no_value_nothing_is_certain(monkeypatch):
    with_second(
        monkeypatch,
        lambda found: dataclasses.replace(found, left=found.left + np.nan, right=found.right),
    )
    parts, seen = seen_of(double, X, planted=bump(1, 1e-6))
    assert not wrong(seen)
    assert any("no second reference" in entry.doubt for entry in seen.entries)
    assert not parts.judge.certain


def test_all_that_is_off_may_be_taken_back(monkeypatch):
    """Of many entries that the first reference calls off, the second is asked of each."""
    asked = []
    original = Reference.second

    def second(self, v, exact):
        asked.append(np.flatnonzero(v))
        found = original(self, v, exact)
        return dataclasses.replace(found, error=found.error + 1e3)

    monkeypatch.setattr(Reference, "second", second)
    _, seen = seen_of(double, normal(6), planted=lambda g, size: g + 1e-6 * size)
    assert {int(at[0]) for at in asked} == set(range(6))
    assert not wrong(seen)


# Kinks


def test_tied_elements_must_give_the_derivative_together():
    def f(x):
        return pooling.max_vjp(x, (0,))

    x = np.array([2.0, 2.0, 1.0])
    _, seen = seen_of(f, x)
    assert not wrong(seen)
    assert seen.kinked

    def half_to_none(g, size):
        g[np.argmax(np.abs(g))] /= 2
        return g

    _, seen = seen_of(f, x, planted=half_to_none)
    assert {entry.index for entry in wrong(seen)} == {None}

    def shared(g, size):
        g[:2] = g[:2].sum() / 2
        return g

    assert not wrong(seen_of(f, x, planted=shared)[1])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [6, 200])
def test_a_wrong_entry_beside_kinks_is_found(size, seed):
    x = normal(size, seed=seed)
    x[::2] = 0
    x[1] = 0.7
    for f in (relu_vjp, real_only(relu_vjp)):
        assert not wrong(seen_of(f, x, seed=seed)[1])
        _, seen = seen_of(f, x, planted=bump(1, 1e-3), seed=seed)
        assert (1,) in {entry.index for entry in wrong(seen)}
    zero = seen_of(real_only(relu_vjp), x, planted=lambda g, _: 0 * g, seed=seed)[1]
    assert wrong(zero)


@pytest.mark.parametrize("seed", range(4))
def test_kinks_of_a_block_hide_no_smooth_entry(seed):
    """Half of the entries sit on a kink, and all meet in each result."""
    w = np.sin(np.arange(300.0)).reshape(3, 100)

    def f(x):
        return w @ relu_vjp(x)[0], lambda dy: (dy @ w) * (x > 0)

    x = np.abs(normal(100, seed=seed)) + 0.1
    x[::2] = 0
    assert not wrong(seen_of(f, x, seed=seed)[1])
    _, seen = seen_of(f, x, planted=bump(51, 1e-3), seed=seed)
    assert (51,) in {entry.index for entry in wrong(seen)}


def test_equal_values_of_two_leaves_move_together():
    f = lambda x, w: (np.maximum(x, w), lambda dy: (dy * (x >= w), dy * (w >= x)))  # noqa: E731
    parts = parts_of(real_only(f), X, X.copy())
    with np.errstate(all="ignore"):
        for i in range(2):
            parts.reference.vouch(i, parts.numbers.g())
            assert not wrong(parts.judge.leaf(i, None))
        joined = parts.judge.joined()
    assert wrong(joined)
    assert joined.entries[0].leaf == "x and w"


# What to look at for a diagnosis


@pytest.mark.parametrize("calls", [4, 20, 1000])
def test_as_many_entries_as_calls_allow(calls):
    parts, _ = seen_of(mixed, normal(100), planted=bump(60, 1e-3))
    entries = parts.judge.entries_for(0, calls)
    assert entries.size == min(calls, 100)
    assert 60 in entries
    assert np.unique(entries).size == entries.size
