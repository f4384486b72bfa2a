"""Which arguments a function gets: from spellings, from its signature, from a maker."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pytest

from npcbam.gradcheck.command.supply import from_maker, from_specs
from npcbam.messages import CannotRun


def supply(f, *specs):
    return from_specs(f, "f", specs, np.random.default_rng(0))


def shapes(found):
    return [getattr(arg, "shape", arg) for arg in found.args]


def plain(x, w, eps=1e-5, mode="same"):
    """Takes two arrays, and two settings."""


def noted(x: "N(n,4)", w: Annotated[np.ndarray, "weights", "spd(4)"], eps: float, *, k: "I(2)"):  # noqa: F821, UP037
    """Says what it takes."""


def typed(x: npt.NDArray[np.float32], n: int, p: float = 1):
    """Says of what type."""


def many(*arrays, **others):
    """Takes any number."""


def test_in_their_order_and_by_name():
    assert shapes(supply(plain, "N(3,4)", "N(4)")) == [(3, 4), (4,), 1e-5, "same"]
    assert shapes(supply(plain, "w=N(4)", "N(3,4)"))[:2] == [(3, 4), (4,)]
    assert shapes(supply(plain, "N(3)", "N(3)", "mode=full")) == [(3,), (3,), 1e-5, "full"]


def test_off_the_signature():
    found = supply(noted, "eps=1")
    assert shapes(found) == [(3, 4), (4, 4), 1.0]
    assert type(found.args[2]) is float
    assert found.keywords["k"].dtype == np.int64
    assert shapes(supply(noted, "N(2,2)", "eps=1"))[0] == (2, 2)


def test_types_off_the_signature():
    found = supply(typed, "N(3)", "2", "p=3")
    assert found.args[0].dtype == np.float32
    assert found.args[1:] == (2, 3.0)
    assert type(found.args[2]) is float


def test_jaxtyping():
    jaxtyping = pytest.importorskip("jaxtyping")

    def f(x, i):
        """Is annotated by hand, since this file's notes are text."""

    f.__annotations__ = {
        "x": jaxtyping.Float[np.ndarray, "n 4"],
        "i": jaxtyping.Int[np.ndarray, "n"],
    }
    found = supply(f)
    assert shapes(found) == [(3, 4), (3,)]
    assert found.args[1].dtype == np.int64


def test_any_number():
    found = supply(many, "N(2)", "3", "a=N(4)")
    assert shapes(found) == [(2,), 3]
    assert found.keywords["a"].shape == (4,)
    assert shapes(supply(np.dot, "N(2)", "N(2)")) == [(2,), (2,), None]


def test_what_is_drawn_from_a_domain_stays_there():
    found = supply(plain, "N(3)", "P(3)", "eps=U(3)")
    assert found.domains == {1: ("w", "positive")}
    assert supply(plain, "(spd(3), 1)", "[P(3)]").domains == {}


def test_named_sizes_are_shared_by_all():
    x, w, v = supply(many, "N(n,m)", "N(m,n)", "N(m)").args
    assert x.shape == w.shape[::-1]
    assert v.shape == w.shape[:1]


@pytest.mark.parametrize(
    ("f", "specs", "said"),
    [
        (plain, [], "f(x, w, eps=1e-05, mode='same') needs x and w: say how to draw them, as in "
         '--args x="N(3,4)" w="N(3,4)", or give --make NAME'),
        (plain, ["N(2)"], "f(x, w, eps=1e-05, mode='same') needs w: "),
        (plain, ["1"] * 5, "--args: f(x, w, eps=1e-05, mode='same') takes 4, got 5"),
        (plain, ["v=1"], "--args v=: there is no such argument of f(x, w, "),
        (plain, ["1", "x=1"], "--args x=: it is given twice"),
        (noted, [], "f(x, w, eps, *, k) needs eps: "),
        (typed, [], "f(x, n, p=1) needs x and n: "),
    ],
)  # fmt: skip
def test_says_what_is_missing_or_too_much(f, specs, said):
    with pytest.raises(CannotRun) as caught:
        supply(f, *specs)
    assert str(caught.value).startswith(said)


def test_a_maker():
    def make(rng):
        return rng.normal(size=3), 2

    def alone() -> Any:
        return np.ones(3)

    rng = np.random.default_rng(0)
    assert shapes(from_maker(plain, make, "make", rng)) == [(3,), 2, 1e-5, "same"]
    assert shapes(from_maker(many, make, "make", rng)) == [(3,), 2]
    assert shapes(from_maker(many, alone, "alone", rng)) == [(3,)]
    # A dict by the names of arguments, in any order; any other is the one argument.
    found = from_maker(plain, lambda: {"mode": "full", "w": 1, "x": 2}, "named", rng)
    assert found.args == (2, 1, 1e-5, "full")
    assert from_maker(typed, lambda: ({"x0": 1}, 2), "params", rng).args == ({"x0": 1}, 2, 1)
    assert from_maker(many, lambda: {"w0": 1}, "params", rng).args == ({"w0": 1},)
    with pytest.raises(CannotRun, match=r"^w: there is no such argument among those that were m"):
        from_maker(plain, lambda: {"x": 1}, "few", rng)


def test_a_maker_that_fails():
    with pytest.raises(CannotRun, match=r"^make raised KeyError: 'lost'$"):
        from_maker(plain, lambda: {}["lost"], "make", np.random.default_rng(0))
