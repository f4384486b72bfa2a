"""What an exhibit is: a public bug in a hand-written backward, beside its repaired twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

Rng: TypeAlias = np.random.Generator
Forward: TypeAlias = tuple[Any, Callable[[Any], Any]]  # y and its pullback
Twin: TypeAlias = tuple[Callable[..., Forward], tuple[Any, ...]]  # f and its arguments
Make: TypeAlias = Callable[[Rng, bool], Twin]

EXHIBITS: dict[str, Exhibit] = {}
# Other checkers, under the names that a reader knows.
PEERS = {
    "torch": "torch gradcheck",
    "torch fast": "torch gradcheck (fast mode)",
    "jax": "jax check_grads",
    "CS231n": "the relative error of CS231n",
    "scipy": "scipy check_grad",
}
# Kept apart from the streams that a checker draws its cotangents from: with the same seed alone,
# dy would be x.
STREAM = 98


@dataclass(frozen=True)
class Exhibit:
    """One public bug in a backward pass.

    Attributes
    ----------
    name : short, as on the command line
    what : one sentence, what is wrong
    source : where it was seen: repo#number, or repository, file and commit
    kind : what sort of mistake, "group: finer kind" where there is a finer one
    shows : how it shows
    make : `make(rng, wrong) -> (f, args)`. What differs stands under `if wrong:`, so that the page
        can show the wrong line beside the right one
    also : further reports of the same mistake
    truth : what is to be said of the reported twin: "right" where something was reported that is
        a subgradient, or a false alarm of a checker
    code : the word of `examine` for it
    leaves : names of the arguments whose cotangent is wrong, or that are written to
    note : where the code here departs from the original
    hides : why other checks pass it, where that is known
    misjudged : the PEERS that pass it though it is wrong, or reject it though it is right, as
        `tests/gradcheck/peers.py` finds them with three seeds
    named : a word of the sentence that names the mistake; "" where its code says all
    array : what the wrong array is, by its code in `npcbam.diagnosis`; "" where it has none
    """

    name: str
    what: str
    source: str
    kind: str
    shows: str
    make: Make
    also: tuple[str, ...] = ()
    truth: Literal["wrong", "right"] = "wrong"
    code: str = "mismatch"
    leaves: tuple[str, ...] = ("x",)
    note: str = ""
    hides: str = ""
    misjudged: tuple[str, ...] = ()
    named: str = ""
    array: str = ""

    @property
    def group(self) -> str:
        """The kind without what is finer."""
        return self.kind.partition(": ")[0]

    def vjp(self, seed: int = 0, wrong: bool = False) -> Twin:
        """Return f, which gives y and its pullback, and arguments drawn from `seed`."""
        return self.make(np.random.default_rng([seed, STREAM]), wrong)


def register(source: str, kind: str, **more: Any) -> Callable[[Make], Make]:
    """Put `make(rng, wrong)` into the museum, named and described as it is itself."""

    def add(make: Make) -> Make:
        name = make.__name__.strip("_").replace("_", "-")
        what = " ".join((make.__doc__ or "").split()).removesuffix(".")
        if name in EXHIBITS:
            raise ValueError(f"name: expected one that is new, got {name} a second time")
        EXHIBITS[name] = Exhibit(name, what, source, kind, make=make, **more)
        return make

    return add
