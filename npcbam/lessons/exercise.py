"""What an exercise is: a task, its right answer, and the mistakes that are known of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from npcbam.arguments import Array

# All that belongs to one input, by name: for `mean_vjp` x, y, dy, and dx as it should be.
Values = SimpleNamespace
# y, and a pullback that gives one cotangent for each argument, in a tuple.
Answer = tuple[Array, Callable[[Array], tuple[Array, ...]]]


@dataclass(frozen=True)
class Mistake:
    """A known way to answer an exercise, and what is computed by it.

    Attributes
    ----------
    code, sentence : its stable name, and what is wrong
    gives : from the right values, those results that differ from them
    accepted : whether this is another convention, and as right
    """

    code: str
    sentence: str
    gives: Callable[[Values], Mapping[str, Array]]
    accepted: bool = False


@dataclass(frozen=True, eq=False)
class Exercise:
    """A vjp for the reader to write on plain arrays.

    Attributes
    ----------
    name : of the function
    takes : its arguments, each with its shape
    result, shape : name and shape of what it computes
    vjp : the right answer, `y, pullback = vjp(*args)`; the pullback gives a tuple
    points : the inputs that tell answers apart, by name
    mistakes : those that are known, the likelier first
    hints : two, the second of which says more, and the lines of the answer
    """

    name: str
    takes: Mapping[str, str]
    result: str
    shape: str
    vjp: Callable[..., Answer]
    points: Mapping[str, tuple[Array, ...]]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, str, str]

    @property
    def cotangents(self) -> list[str]:
        """The names of what the pullback gives, one an argument."""
        return [f"d{name}" for name in self.takes]

    @property
    def task(self) -> str:
        """What it takes and gives, in one sentence."""
        taken = listed([f"{name} {shape}" for name, shape in self.takes.items()])
        return (
            f"{self.name} takes {taken}, and returns {self.result} {self.shape} and a pullback "
            f"that makes {listed(self.cotangents)} of d{self.result}"
        )

    def shape_of(self, name: str) -> str:
        """Return the shape of a result, in letters."""
        return self.shape if name == self.result else self.takes[name.removeprefix("d")]

    @functools.cached_property
    def right(self) -> dict[str, Values]:
        """All right values, by point."""
        return {point: self.values(args) for point, args in self.points.items()}

    @functools.cached_property
    def known(self) -> dict[Mistake, list[Mapping[str, Array]]]:
        """What each mistake gives at each point."""
        return {m: [m.gives(values) for values in self.right.values()] for m in self.mistakes}

    def values(self, args: tuple[Array, ...], seed: int = 0) -> Values:
        """Return all right values at `args`, with a random cotangent."""
        y, pullback = self.vjp(*args)
        dy = cotangent(y, seed)
        found: dict[str, Any] = dict(zip(self.takes, args, strict=True))
        found |= {self.result: y, f"d{self.result}": dy}
        return Values(**found, **dict(zip(self.cotangents, pullback(dy), strict=True)))


Step = Callable[[Values], Any]


def walk(v: Values, steps: Mapping[str, Step], **swapped: Step) -> Values:
    """Compute step after step, each from `v` and the steps before it, some of them swapped."""
    t = Values(**vars(v))
    for name, step in steps.items():
        setattr(t, name, swapped.get(name, step)(t))
    return t


def cotangent(y: Array, seed: int) -> Array:
    """Return a cotangent for y whose entries all differ, and are not small."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], y.shape)
    return np.asarray(signs * rng.uniform(0.5, 1.5, y.shape)).astype(y.dtype)


def normal(seed: int, *shapes: tuple[int, ...]) -> tuple[Array, ...]:
    """Return random arrays of these shapes."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape) for shape in shapes)


def listed(names: list[str]) -> str:
    """Spell a list as English does.

    >>> listed(["dw0", "dw1", "dx"])
    'dw0, dw1 and dx'
    """
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
