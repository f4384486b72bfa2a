"""What is wrong with a cotangent in words, with its entries beside the right ones."""

import numpy as np
import pytest

from npcbam.diagnosis import Diagnosis
from npcbam.gradcheck import examine
from npcbam.gradcheck.explain import LEAST, _told, _where
from npcbam.gradcheck.findings import Entry, Finding, LeafCheck


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def linear(change):
    """Return x @ w + b whose cotangents (dx, dw, db) are changed."""

    def f(x, w, b):
        y = x @ w + b
        return y, lambda dy: change(dy @ w.T, x.T @ dy, dy.sum(0), dy)

    return f


ARGS = normal(4, 3), normal(3, 3, seed=1), normal(3, seed=2)
DY = np.eye(4, 3)


# By hand: what hand-written backwards are known for, and the word that a maintainer would use

NAMED = {
    "a factor": (lambda dx, dw, db, dy: (dx, 2 * dw, db), "w", "dw is 2 times"),
    "a sign": (lambda dx, dw, db, dy: (dx, dw, -db), "b", "sign"),
    "a mean": (lambda dx, dw, db, dy: (dx, dw / 4, db), "w", "1/N for N = 4"),
    "transposed": (lambda dx, dw, db, dy: (dx, dw.T, db), "w", "dw is transposed"),
    "zero": (lambda dx, dw, db, dy: (0 * dx, dw, db), "x", "dx is all zeros"),
    "a row missing": (lambda dx, dw, db, dy: (dx * (np.arange(4) > 0)[:, None], dw, db), "x", "0"),
    "the cotangent itself": (lambda dx, dw, db, dy: (dy.copy(), dw, db), "x", "dx is dy itself"),
    "rounded": (
        lambda dx, dw, db, dy: (dx, dw.astype(np.float32).astype(float), db),
        "w",
        "rounded to float32",
    ),
    "one sample's": (lambda dx, dw, db, dy: (dx, dw, dy[0]), "b", "db"),
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("seed", range(3))
def test_the_mistake_is_named(name, seed):
    change, leaf, word = NAMED[name]
    report = examine(linear(change), *ARGS, seed=seed)
    (finding,) = report.findings
    assert (finding.code, finding.leaf) == ("mismatch", leaf)
    assert finding.kind != ""
    assert word in finding.sentence
    # The entry that shows it stands below what it is.
    assert "the pullback gives" in finding.evidence
    assert (report.reason, report.evidence) == (finding.sentence, finding.evidence)


@pytest.mark.parametrize("seed", range(3))
def test_swapped_cotangents_are_one_mistake(seed):
    f = lambda a, b: (a * b, lambda dy: (dy * a, dy * b))  # noqa: E731
    report = examine(f, normal(3, 4), normal(3, 4, seed=1), seed=seed)
    assert {finding.kind for finding in report.findings} == {"exchanged"}
    assert str(report).count("exchanged") <= 1


def test_one_mistake_of_several_leaves_is_said_once():
    report = examine(linear(lambda dx, dw, db, dy: (2 * dx, 2 * dw, 2 * db)), *ARGS)
    assert [finding.leaf for finding in report.findings] == ["x", "w", "b"]
    assert {finding.kind for finding in report.findings} == {"factor"}
    assert str(report).count("2 times what it should be") == 1


# Noise has no name


@pytest.mark.parametrize("seed", range(5))
def test_what_has_no_name_gets_none(seed):
    noise = normal(3, 3, seed=100 + seed)
    f = linear(lambda dx, dw, db, dy: (dx, dw + noise * np.abs(dw).sum() / 9 + noise**2, db))
    report = examine(f, *ARGS, seed=seed)
    (finding, *_) = [each for each in report.findings if each.code == "mismatch"]
    assert finding.leaf == "w"
    assert finding.sentence == "dw is wrong at each of its 9 entries" or finding.kind
    assert finding.evidence.startswith("dw[")


@pytest.mark.parametrize(
    ("size", "looked", "wrong", "sentence"),
    [
        (9, 9, 9, "dx is wrong at each of its 9 entries"),
        (9, 9, 2, "dx is wrong at 2 of its 9 entries"),
        (9, 4, 4, "dx is wrong at 4 of 4 entries looked at"),
        (1, 1, 1, "dx is wrong"),
    ],
)
def test_without_a_name_it_is_said_how_many_are_wrong(size, looked, wrong, sentence):
    entry = Entry("x", (0,), 1.0, 2.0, 2.0, 1e-9)
    leaf = LeafCheck("x", (size,), size, "", entry, 1.0, 1.0, wrong, looked)
    assert _where(leaf) == sentence


# Counts and pictures


@pytest.mark.parametrize("count", [1, 3, 9])
def test_wrong_entries_are_counted(count):
    def change(dx, dw, db, dy):
        dw = dw.copy()
        dw.flat[:count] *= 1.5 + np.arange(count)
        return dx, dw, db

    leaf = next(leaf for leaf in examine(linear(change), *ARGS).leaves if leaf.leaf == "w")
    assert (leaf.wrong, leaf.looked) == (count, 9)
    assert np.isfinite(leaf.want).all()
    off = np.abs(leaf.got - leaf.want) > 1e-9
    assert np.flatnonzero(off).tolist() == list(range(count))


def test_what_is_known_is_right():
    report = examine(linear(lambda dx, dw, db, dy: (dx, 3 * dw, db)), *ARGS)
    leaf = next(leaf for leaf in report.leaves if leaf.leaf == "w")
    np.testing.assert_allclose(leaf.got, 3 * leaf.want, rtol=1e-9)
    others = [leaf for leaf in report.leaves if leaf.leaf != "w"]
    assert all((leaf.got, leaf.want, leaf.wrong) == (None, None, 0) for leaf in others)


def mixed(x, factor):
    """A function whose entries all meet, so that each takes a move of its own."""
    w = np.sin(np.arange(x.size * 3.0)).reshape(3, -1)
    z = np.tanh(w @ x)
    return z, lambda dy: factor * ((dy * (1 - z**2)) @ w)


def test_of_many_entries_a_part_is_looked_at():
    report = examine(lambda x: mixed(x, 2.0), normal(3000) / 50)
    (leaf,) = report.leaves
    assert leaf.looked == np.isfinite(leaf.want).sum()
    assert LEAST // 2 <= leaf.looked < 3000
    assert leaf.wrong == leaf.looked
    assert report.findings[0].kind == "factor"


def test_the_calls_are_bounded():
    calls = []

    def counted(factor):
        def f(x):
            calls.append(1)
            return mixed(x, factor)

        calls.clear()
        examine(f, normal(300) / 20)
        return len(calls)

    right, wrong = counted(1.0), counted(1.7)
    assert wrong <= 3 * right + 2 * LEAST


# A cotangent in another shape has a name too


def test_a_shape_that_was_not_summed_is_named():
    report = examine(linear(lambda dx, dw, db, dy: (dx, dw, dy)), *ARGS)
    (finding,) = report.findings
    assert (finding.code, finding.leaf) == ("shape", "b")
    assert "expected shape (3,) like b, got (4, 3)" in finding.evidence
    assert finding.kind != ""


def test_nonlinear_and_not_finite_are_told_too():
    report = examine(lambda x: (x**2, lambda dy: 2 * x * np.abs(dy)), normal(5))
    assert report.outcome == "wrong"

    def nan(x):
        return x**2, lambda dy: np.where(np.arange(5) == 2, np.nan, 2 * x * dy)

    report = examine(nan, normal(5))
    assert (report.code, report.leaves[0].wrong) == ("nan", 1)
    assert np.isnan(report.leaves[0].got[2])


def test_what_is_wrong_beside_nan_is_counted():
    def f(x):
        def pullback(dy):
            dx = 2 * x * dy
            dx[0] = np.nan
            dx[2:] *= 1.5 + np.arange(x.size - 2)
            return dx

        return x**2, pullback

    (finding,) = examine(f, normal(5)).findings
    assert finding.sentence == "dx is NaN at index 0, and wrong at 3 more"


@pytest.mark.parametrize("seed", range(3))
def test_small_leaves_are_looked_at_whole_by_differences_too(seed):
    """np.var has no complex step, and a mean term is known by all entries alone."""

    def f(x):
        std = np.sqrt(x.var(-1, keepdims=True))
        y = (x - x.mean(-1, keepdims=True)) / std
        return y, lambda dy: (dy - y * (dy * y).mean(-1, keepdims=True)) / std

    report = examine(f, normal(3, 5, seed=seed), seed=seed)
    assert report.leaves[0].looked == 15
    assert "the same along axis 1" in report.reason


# How it is told, by hand

SWAPPED = Diagnosis("swapped", "dx and dw are swapped", ("dx", "dw"))
GONE = Diagnosis("not-finite", "dx is NaN at 2 entries", ("dx",))


def off(leaf, got=None, want=None, wrong=2):
    entry = Entry(leaf, (0,), 1.0, 2.0, 2.0, 0.1)
    got, want = (None if a is None else np.array(a) for a in (got, want))
    return LeafCheck(leaf, (2,), 2, "every entry", entry, 0.1, 1.0, wrong, 2, got, want)


def told(finding, diagnosed=None, wrong=None):
    (found,) = _told([finding], diagnosed or {}, wrong or {})
    return found.code, found.leaf, found.kind, found.sentence, found.evidence


@pytest.mark.parametrize("code", ["mismatch", "nan", "shape"])
def test_what_is_named_has_the_entry_below_it(code):
    found = told(Finding(code, "x", "dx[0] is off"), {"dx": SWAPPED})
    assert found == (code, "x", "swapped", "dx and dw are swapped", "dx[0] is off")
    found = told(Finding(code, "x", "dx is off", evidence="dx[0]: 1, not 2"), {"dx": SWAPPED})
    assert found == (code, "x", "swapped", "dx and dw are swapped", "dx[0]: 1, not 2")


def test_what_is_not_linear_keeps_its_own_sentence_beside_the_entry():
    finding = Finding("nonlinear", "x", "it is not linear", evidence="dx[0]: 1, not 2")
    found = told(finding, {"dx": SWAPPED})
    assert found[3:] == ("dx and dw are swapped", "it is not linear: dx[0]: 1, not 2")
    finding = Finding("nonlinear", "x", "it is not linear")
    assert told(finding, {"dx": SWAPPED})[3:] == ("dx and dw are swapped", "it is not linear")


def test_what_is_no_array_keeps_its_sentence():
    finding = Finding("structure", "x", "dx is a list", evidence="seen")
    assert told(finding, {"dx": GONE}) == ("structure", "x", "not-finite", "dx is a list", "seen")


def test_what_is_said_of_two_is_said_once():
    two = [Finding("mismatch", leaf, f"d{leaf}[0] is off", evidence="as seen") for leaf in "xw"]
    first, second = _told(two, {"dx": SWAPPED, "dw": SWAPPED}, {})
    assert (first.sentence, first.evidence) == ("dx and dw are swapped", "as seen")
    assert (second.kind, second.sentence, second.evidence) == ("swapped", "as seen", "")


@pytest.mark.parametrize(
    ("finding", "sentence"),
    [
        (Finding("mismatch", "x", "dx[0] is off"), "dx is wrong at each of its 2 entries"),
        (Finding("nan", "x", "dx[0] is NaN"), "dx is wrong at each of its 2 entries"),
        (Finding("mismatch", "x", "dx[0] is off", kind="ties"), None),
        (Finding("mismatch", "w", "dw[0] is off"), None),
        (Finding("shape", "x", "dx has shape (3,)"), None),
        (Finding("writes", "x", "it writes to x"), None),
    ],
)
def test_without_a_name_what_is_wrong_is_counted(finding, sentence):
    found = told(finding, wrong={"x": off("x")})
    if sentence is None:
        assert found == tuple(
            vars(finding)[k] for k in ("code", "leaf", "kind", "sentence", "evidence")
        )
    else:
        assert found[2:] == ("", sentence, finding.sentence)


def test_a_finding_that_no_mistake_makes_has_none():
    finding = Finding("writes", "x", "it writes to x")
    assert told(finding, {"dx": SWAPPED})[3:] == ("it writes to x", "")


@pytest.mark.parametrize(
    ("leaf", "more"),
    [
        (off("x", [np.nan, 3.0, 4.0], [1.0, 2.0, 4.0], wrong=2), ", and wrong at 1 more"),
        (off("x", [np.nan, 2.0], [1.0, 2.0], wrong=1), ""),
        (off("x", [np.nan, 3.0], [np.nan, 2.0], wrong=1), ", and wrong at 1 more"),
        (off("x", [np.nan, 3.0, 1.0], [1.0, 2.0], wrong=2), ""),
        (off("x"), ""),
        (None, ""),
    ],
)
def test_beside_what_is_not_finite_the_wrong_ones_are_counted(leaf, more):
    wrong = {"x": leaf} if leaf else {}
    found = told(Finding("nan", "x", "dx[0] is NaN"), {"dx": GONE}, wrong)
    assert found[3] == f"dx is NaN at 2 entries{more}"
    # Of other mistakes nothing is counted.
    found = told(Finding("nan", "x", "dx[0] is NaN"), {"dx": SWAPPED}, wrong)
    assert found[3] == "dx and dw are swapped"
