"""What a pullback owes its caller: each breach with its sentence, and what is kept of the rest."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keeping import (
    W,
    X,
    double,
    flattened,
    forward,
    gives,
    kept_by,
    one_buffer,
    scales_dy,
    spoils,
    spoils_x,
    stale,
    told,
    two,
)

from npcbam.gradcheck import examine
from npcbam.gradcheck.contract import ask, first, keep, still_the_same
from npcbam.gradcheck.outcomes import Stop

# By hand


def test_what_is_kept_of_a_right_pullback():
    kept = kept_by(two, X, W)
    assert (kept.findings, kept.notes) == ([], [])
    assert len(kept.asked) == len(kept.readings) == 5
    for cotangent, reading in zip(kept.asked, kept.readings, strict=True):
        s, t = cotangent.dy[:6], cotangent.dy[6:]
        want = [*(2 * s), s @ X.ravel() + t[0], t[1]]
        np.testing.assert_allclose(reading.g, want, rtol=1e-14)


def test_the_first_answer_and_answers_without_duties():
    at = forward(double, X)
    reading = first(at)
    assert (np.abs(reading.g) >= 1).all()
    (again,) = ask(at, kept_by(double, X).asked[:1])
    np.testing.assert_array_equal(again.g, 2 * kept_by(double, X).asked[0].dy)


def test_a_function_that_keeps_something_of_a_call_elsewhere():
    held = [1.0]

    def f(x):
        return held[0] * x, lambda dy: held[0] * dy

    at = forward(f, X)
    still_the_same(at, 2.0**-52)
    held[0] = 1 + 1e-9
    with pytest.raises(Stop) as caught:
        still_the_same(at, 2.0**-52)
    assert vars(caught.value) == {
        "outcome": "cannot tell",
        "code": "random",
        "reason": "f gives another result after it was called elsewhere: it keeps something of a "
        "call",
        "evidence": "before= may put back what it keeps",
    }
    still_the_same(at, 1e-6)  # in such units it is the same


def test_each_cotangent_gets_a_pullback_of_its_own():
    """One that spoils what it has saved gives the right numbers nevertheless."""

    def f(x):
        saved = x.copy()

        def pullback(dy):
            dx = 2 * saved * dy
            saved[:] = 0
            return dx

        return x**2, pullback

    kept = kept_by(f, X)
    for cotangent, reading in zip(kept.asked, kept.readings, strict=True):
        np.testing.assert_array_equal(reading.g, 2 * X.ravel() * cotangent.dy)
    assert [f.code for f in kept.findings] == ["impure"]


# Breaches


BREACHES = [
    (spoils_x, [("writes", "x", "f writes to its argument x")]),
    (spoils("x"), [("writes", "x", "the pullback writes to the argument x")]),
    (spoils("y"), [("writes", "y", "the pullback writes to the result y")]),
    (spoils("dy"), [("writes", "", "the pullback writes to its cotangent dy")]),
    (scales_dy, [("writes", "", "the pullback writes to its cotangent dy")]),
    (gives(X[0]), [("shape", "x", "dx: expected shape (2, 3) like x, got (3,)")]),
    (gives("x"), [("structure", "x", "dx: expected an array like x, got str")]),
]


@pytest.mark.parametrize(("f", "findings"), BREACHES)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_breaches_of_the_contract(f, findings):
    assert told(kept_by(f, X)) == findings


@pytest.mark.parametrize(("f", "findings"), BREACHES)
def test_breaches_are_reported(f, findings):
    report = examine(f, X)
    codes = {finding.code for finding in report.findings}
    assert report.outcome == "wrong"
    assert {code for code, _, _ in findings} <= codes
    assert codes <= {code for code, _, _ in findings} | {"mismatch"}


@pytest.mark.parametrize("part", ["a.0", "n", "c"])
def test_writes_are_seen_in_every_part_of_the_arguments(part):
    def f(x, p):
        y = 2 * x
        {"a.0": p["a"][0], "n": p["n"], "c": p["c"].w}[part][...] += 1
        return y, lambda dy: (2 * dy, None)

    @dataclass
    class Layer:
        w: np.ndarray

    p = {"a": [W.copy()], "n": np.arange(2), "c": Layer(W.copy())}
    found = told(kept_by(f, X, p))
    name = f"w.{part}" + (".w" if part == "c" else "")
    assert found == [("writes", name, f"f writes to its argument {name}")]


def test_writes_to_results_that_are_trees():
    def f(x):
        y = {"a": [2 * x]}

        def pullback(dy):
            result = 2 * dy["a"][0]
            dy["a"][0][0] = 0
            y["a"][0][0] = 0
            return result

        return y, pullback

    codes = [(code, leaf) for code, leaf, _ in told(kept_by(f, X))]
    assert codes == [("writes", ""), ("writes", "y")]


def test_all_breaches_are_found():
    last = []

    def f(x):
        y = 2 * x
        last[:] = [x]
        x.flat[0] += 1

        def pullback(dy):
            result = (2 * dy).astype(np.float32)
            dy[:] = 0
            y[:] = 0
            return last[0].astype(np.float32) * result

        return y, pullback

    found = {(code, leaf) for code, leaf, _ in told(kept_by(f, X))}
    assert found == {
        ("writes", "x"),
        ("dtype", "x"),
        ("writes", ""),
        ("writes", "y"),
        ("stale", "x"),
    }
    report = examine(f, X)
    assert {finding.code for finding in report.findings} >= {"writes", "dtype", "stale", "mismatch"}


@pytest.mark.parametrize(
    ("f", "code"),
    [
        (spoils_x, "writes"),
        (spoils("dy"), "writes"),
        (one_buffer, "impure"),
        (stale(), "stale"),
        (flattened, "layout"),
        (lambda x: (2 * x, lambda dy: (2 * dy).astype(np.float32)), "dtype"),
    ],
)
def test_what_is_allowed_is_no_fault(f, code):
    whole = np.array([[1.0, -2.0, 0.5], [2.0, 0.25, -4.0]])
    report = examine(f, whole, allow=(code,), rtol=1e-6)
    assert (report.outcome, report.findings) == ("right", ())
    other = "stale" if code != "stale" else "writes"
    assert examine(f, whole, allow=(other,), rtol=1e-6).outcome == "wrong"


# What is no breach


def test_a_buffer_that_f_uses_again_is_no_fault():
    buffer = np.zeros(X.shape)

    def f(x):
        buffer[...] = 2 * x
        return buffer, lambda dy: 2 * dy

    assert told(kept_by(f, X)) == []
    assert examine(f, X).outcome == "right"


def test_views_that_share_memory_are_no_fault():
    assert told(kept_by(lambda x: (x, lambda dy: dy), X)) == []
    assert told(kept_by(lambda x: (x.T, lambda dy: dy.T), X)) == []
    assert told(kept_by(lambda x: (x[:, ::-1], lambda dy: dy[:, ::-1]), X)) == []


@pytest.mark.parametrize("x", [np.zeros((0, 3)), np.array(3.0), np.ones(1)])
def test_small_arguments(x):
    assert told(kept_by(double, x)) == []


# Laws


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["f2", "f4", "f8"]))
def test_right_pullbacks_owe_nothing(seed, dtype):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(2, 3)).astype(dtype), rng.normal(size=2).astype(dtype)

    def f(x, w):
        y = np.tanh(x) * w[:, None]
        return y, lambda dy: (dy * w[:, None] * (1 - np.tanh(x) ** 2), (dy * np.tanh(x)).sum(1))

    unit = float(np.finfo(dtype).eps)
    at = forward(f, x, w)
    kept = keep(at, rng, unit, 1.25 * at.x)
    assert (kept.findings, kept.notes) == ([], [])
