"""Lines through a point: how long they are, where they start, and what stays."""

import numpy as np
import pytest

from npcbam.gradcheck.forms.lines import ALONG, TOGETHER, Lines
from npcbam.gradcheck.forms.tangents import Push

RNG = np.random.default_rng(0)
X = RNG.choice([-1.0, 1.0], (20, 20)) * RNG.uniform(1, 3, (20, 20))
W = np.array([0.0, 4.0, -2.0])


def product(p, n):
    return n * p["x"] * p["w"]


def product_jvp(p, n, dp, dn):
    return n * (dp["x"] * p["w"] + p["x"] * dp["w"])


def lines(*args, f=None, jvp=None, names="xwb", **options):
    return Lines.of(f, Push(jvp, "flat"), args, tuple(names[: len(args)]), options)


# By hand


def test_a_form_is_f_along_its_lines():
    x, w = np.array([2.0, -1.0]), np.array([3.0, 0.5])
    found = lines({"x": x, "w": w}, 10, f=product, jvp=product_jvp, names="pn")
    assert [*found.tangents] == ["p.x", "p.w"]
    form = found.form("check_jvp(f, jvp, p, n)", every=True)
    assert (form.names, form.repeat) == (("p.x", "p.w", TOGETHER), "check_jvp(f, jvp, p, n)")
    assert form.without == ("domain", "fixed")
    assert "moves the leaf, or all leaves (together)" in form.notes[0]
    y, pullback = form.f(*form.args)
    assert y.tolist() == [60, -5]
    dy = np.array([1.0, 100.0])
    dx, dw = 10 * w * dy, 10 * x * dy
    by_x, by_w, together = pullback(dy)
    np.testing.assert_allclose(by_x, found.tangents["p.x"] @ dx)
    np.testing.assert_allclose(by_w, found.tangents["p.w"] @ dw)
    np.testing.assert_allclose(together, by_x + by_w)
    # Along the first line, by as much as both are moved.
    start, _, whole = form.args
    moved = np.eye(ALONG)[0]
    y, _ = form.f(start + moved, form.args[1], whole + 2 * moved)
    tx, tw = found.tangents["p.x"][0], found.tangents["p.w"][0]
    np.testing.assert_allclose(y, 10 * (x + 3 * tx) * (w + 2 * tw))


def test_a_form_of_all_leaves_together_alone():
    found = lines({"x": X, "w": X}, 10, f=product, jvp=product_jvp, names="pn")
    form = found.form("f", every=False)
    assert form.names == (TOGETHER,)
    assert "which moves all leaves (together)" in form.notes[0]
    assert found.size == 2 * X.size


def test_a_form_is_in_the_precision_of_its_leaves():
    found = lines(X.astype(np.float32), W, f=lambda x, w: x, names="xw")
    assert [t.dtype for t in found.tangents.values()] == [np.float32, np.float64]
    form = found.form("f", every=True)
    assert [arg.dtype for arg in form.args] == [np.float32, np.float64, np.float64]


def test_what_is_fixed_and_what_has_no_floats_stays():
    tree = {"a": X, "n": np.array([1, 2])}
    assert [*lines(tree, W, 3).tangents] == ["x.a", "w"]
    assert [*lines(tree, W, 3, fixed=("w",)).tangents] == ["x.a"]
    assert [*lines(tree, W, 3, fixed=("x",)).tangents] == ["w"]
    assert [*lines(tree, W, fixed=("x.a", "x.b")).tangents] == ["w"]


# Laws


def test_lines_start_apart_on_either_side_of_nothing():
    start = lines(X).start
    assert np.sort(np.abs(start)).tolist() == (0.75 + np.arange(ALONG) / 16).tolist()
    assert np.sign(start).tolist() == [1, -1] * (ALONG // 2)
    assert (lines(X, seed=1).start != start).any()
    assert (lines(X, seed=0).start == start).all()


def test_an_entry_moves_by_half_of_itself_to_one_and_a_half():
    found = lines(X).tangents["x"]
    assert found.shape == (ALONG, *X.shape)
    share = found / np.abs(X)
    size = np.abs(share)
    assert 0.5 <= size.min() < 0.51
    assert 1.49 < size.max() <= 1.5
    assert abs(np.sign(share).mean()) < 0.1
    assert np.unique(size).size == size.size
    assert not (found == lines(X, seed=1).tangents["x"]).any()


@pytest.mark.parametrize(("w", "unit"), [(W, 4.0), (np.zeros(3), 1.0)])
def test_a_zero_moves_as_the_largest_does(w, unit):
    size = np.abs(lines(w).tangents["x"][:, 0])
    assert (size >= 0.5 * unit).all()
    assert (size <= 1.5 * unit).all()
    assert lines(np.zeros(0)).tangents["x"].shape == (ALONG, 0)


@pytest.mark.parametrize(
    ("domain", "symmetric"),
    [("symmetric", True), ({"x": "symmetric"}, True), ({"w": "symmetric"}, False), (None, False)],
)
def test_symmetric_matrices_move_so(domain, symmetric):
    found = lines(X, domain=domain).tangents["x"]
    assert np.array_equal(found, found.swapaxes(-1, -2)) is symmetric


def test_parts_move_by_nothing_in_sum():
    parts = np.abs(X) / np.abs(X).sum(-1, keepdims=True)
    found = lines({"a": parts}, parts, domain={"x": "simplex"}).tangents
    np.testing.assert_allclose(found["x.a"].sum(-1), 0, atol=1e-15)
    assert np.abs(found["w"].sum(-1)).max() > 0.01
