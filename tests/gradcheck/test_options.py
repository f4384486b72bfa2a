"""What a check may be asked, and what is said of an option that is none."""

import numpy as np
import pytest

from npcbam.gradcheck import check_vjp, examine
from npcbam.gradcheck.options import ALLOWED, Options, labelled, validated

ASKED = {
    "seed": 0,
    "fixed": (),
    "before": None,
    "allow": (),
    "rtol": None,
    "points": 1,
    "directions": None,
}


def double(x):
    return 2 * x, lambda dy: 2 * dy


# By hand


@pytest.mark.parametrize(
    "option",
    [
        {},
        {"seed": 2**40},
        {"seed": np.int64(3)},
        {"fixed": ("x", "p.b")},
        {"fixed": ["x"]},
        {"before": lambda: None},
        {"allow": ALLOWED},
        {"allow": ["writes"]},
        {"rtol": 1e-6},
        {"rtol": 0},
        {"rtol": np.float32(0.5)},
        {"points": 3, "directions": 1},
    ],
)
def test_options_that_are_some(option):
    assert validated(**{**ASKED, **option}) is None


@pytest.mark.parametrize(
    ("names", "drawn", "labels"),
    [
        (None, ("x", "w"), ("x", "w")),
        (("a", "b"), ("x", "w"), ("a", "b")),
        (["a", "b"], ["x", "w"], ("a", "b")),
        ((), ("x", "w"), ("x", "w")),
    ],
)
def test_names_are_those_given_or_those_of_the_signature(names, drawn, labels):
    assert labelled(names, drawn, 2) == labels


def test_all_options_of_a_check_are_known():
    assert set(ASKED) | {"names", "domain", "device"} == set(Options.__annotations__)


@pytest.mark.parametrize("check", [examine, check_vjp])
def test_every_option_is_taken(check):
    report = check(
        double,
        np.array([1.0, 2.0]),
        seed=3,
        names=("a",),
        domain="positive",
        before=lambda: None,
        allow=("writes",),
        rtol=1e-3,
        points=2,
        directions=3,
        fixed=(),
        device=None,
    )
    assert (report.outcome, report.seed, report.leaves[0].leaf) == ("right", 3, "a")


# Errors

BAD = [
    ({"seed": -1}, ValueError, "seed: expected a seed of at least 0, got -1"),
    ({"seed": 0.5}, TypeError, "seed: expected a whole number, got 0.5"),
    ({"points": 0}, ValueError, "points: expected at least 1, got 0"),
    ({"points": 1.5}, TypeError, "points: expected an integer, got 1.5"),
    ({"points": True}, TypeError, "points: expected an integer, got True"),
    ({"directions": 0}, ValueError, "directions: expected at least 1, got 0"),
    ({"directions": "3"}, TypeError, "directions: expected an integer, got '3'"),
    ({"rtol": -0.1}, ValueError, "rtol: expected a number from 0 to 1, got -0.1"),
    ({"rtol": 2}, ValueError, "rtol: expected a number from 0 to 1, got 2"),
    ({"rtol": np.nan}, ValueError, "rtol: expected a number from 0 to 1, got nan"),
    ({"rtol": "1e-3"}, TypeError, "rtol: expected a number, got '1e-3'"),
    ({"fixed": "x"}, TypeError, "fixed: expected a tuple of strings, got 'x'"),
    ({"fixed": 3}, TypeError, "fixed: expected a tuple of strings, got 3"),
    ({"fixed": None}, TypeError, "fixed: expected a tuple of strings, got None"),
    ({"allow": 3}, TypeError, "allow: expected a tuple of strings, got 3"),
    ({"fixed": (0,)}, TypeError, "fixed: expected a tuple of strings, got (0,)"),
    ({"allow": "writes"}, TypeError, "allow: expected a tuple of strings, got 'writes'"),
    ({"allow": (None,)}, TypeError, "allow: expected a tuple of strings, got (None,)"),
    (
        {"allow": ("mismatch",)},
        ValueError,
        "allow: expected 'writes', 'dtype', 'layout', 'impure' or 'stale', got 'mismatch'",
    ),
    ({"before": 3}, TypeError, "before: expected a function of no arguments, got 3"),
]


@pytest.mark.parametrize(("option", "error", "message"), BAD)
def test_options_that_are_none(option, error, message):
    with pytest.raises(error) as caught:
        validated(**{**ASKED, **option})
    assert str(caught.value) == message
    with pytest.raises(error) as caught:
        examine(double, np.ones(2), **option)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (
            ("a", "a"),
            ValueError,
            "names: expected names that differ and are not empty, got ('a', 'a')",
        ),
        (
            ("a", ""),
            ValueError,
            "names: expected names that differ and are not empty, got ('a', '')",
        ),
        (3, TypeError, "names: expected a tuple of strings, got 3"),
        (("a",), ValueError, "names: expected 2 names, got 1"),
        (("a", "b", "c"), ValueError, "names: expected 2 names, got 3"),
        ((1, 2), TypeError, "names: expected a tuple of strings, got (1, 2)"),
        ("ab", TypeError, "names: expected a tuple of strings, got 'ab'"),
        ({"a": 1, "b": 2}, TypeError, "names: expected a tuple of strings, got {'a': 1, 'b': 2}"),
    ],
)
def test_names_that_are_none(names, error, message):
    with pytest.raises(error) as caught:
        labelled(names, ("x", "w"), 2)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["y", "x.b", "", "X"])
def test_what_is_fixed_has_to_be_there(name):
    with pytest.raises(ValueError, match=r"^fixed: expected names of arguments \(x, w\), got "):
        examine(lambda x, w: (x * w, None), np.ones(2), np.ones(2), fixed=(name,))
