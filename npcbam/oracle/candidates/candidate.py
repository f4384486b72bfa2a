"""What a candidate is: named arrays, a forward and a vjp, all of it in NumPy."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypeAlias

from npcbam.arguments import Array
from npcbam.messages import CannotRun as CannotRun
from npcbam.messages import Said
from npcbam.messages import sentence as sentence
from npcbam.oracle.precision import DTYPES
from npcbam.routes import Cotangents as Cotangents

# By the names of parameters and buffers.
Arrays: TypeAlias = Mapping[str, Array]

# How an input may lie in memory: one after the other, channels innermost, or with gaps.
MEMORY = ("contiguous", "channels_last", "strided")
LAYOUTS = ("NCHW", "NHWC")
STAGES = ("whole", "channel", "spatial")


class BadOutput(Said):
    """The candidate ran and gave back what no CBAM gives: a tuple, a module, a missing gradient."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One forward with nothing protected from it: what it gave, and what else it did.

    Attributes
    ----------
    y : the output, in float64
    dtype : the output's, as the framework spells it
    x_after : the input after the call, equal to x unless the candidate writes to it
    params_after : parameters and buffers after the call, by name
    printed : what came on the standard output of Python
    """

    y: Array
    dtype: str
    x_after: Array
    params_after: dict[str, Array]
    printed: str


class Candidate(ABC):
    """An implementation on trial, whatever it is written in.

    Attributes
    ----------
    name : what the report calls it
    parameters : the arrays that it learns, by name, with the values that it came with
    buffers : the arrays that it does not learn, such as a norm's running statistics
    framework : what it is written in, as in "numpy" or "torch"
    source : lines of Python that bind it to the name `block`, for the snippets of a report
    setting : lines that have to come before those
    recipe : lines that run it; here and in `setting`, {params}, {x} and {dtype} stand for what is
        filled in, and all other braces for themselves
    device : what it runs on
    layout : "NCHW" or "NHWC", how it takes its input; here all arrays are (N, C, *S) all the same
    is_static : whether it has the sizes of an example that it was exported with
    stage : "whole", or "channel" or "spatial" where it is one half of a CBAM
    dtypes : the precisions that it can run at
    dtype : the one that it runs at

    Arrays come and go in float64 at every precision: those that come are rounded to it, those that
    go are widened, which is exact. Nothing here is changed by a call. `params` of the methods sets
    parameters and buffers for that call alone, in any values; those that it leaves out keep the
    values that they came with.
    """

    name: str
    parameters: dict[str, Array]
    buffers: dict[str, Array]
    framework: str = "numpy"
    source: str = "block = ...  # the candidate"
    setting: str = ""
    recipe: str = "y = block({params}, {x})"
    layout: str = "NCHW"
    device: str = "cpu"
    is_static: bool = False
    stage: str = "whole"
    dtypes: tuple[str, ...] = DTYPES[:1]
    dtype: str = DTYPES[0]

    @abstractmethod
    def forward(self, params: Arrays, x: Array) -> Array:
        """Return y = f(params, x) in float64; raise BadOutput if y is no array."""

    @abstractmethod
    def vjp(self, params: Arrays, x: Array, dy: Array) -> Cotangents | None:
        """Return the cotangents of all `parameters` and of x, or None if it has no backward."""

    def observe(self, params: Arrays, x: Array, *, layout: str = MEMORY[0]) -> Observation:
        """Run forward once on an input that lies in memory as `layout` says, and see all it does.

        Where a framework's arrays cannot be written to or have no layout, there is nothing to see.
        """
        y = self.forward(params, x)
        return Observation(y, self.dtype, x, self.state(params), "")

    def replay(self, params: str, x: str) -> str:
        """Return code of its own framework that computes y, as the framework lays it.

        `params` and `x` are expressions: a dict of NumPy arrays by name, and an array (N, C, *S).
        """
        laid = f"np.moveaxis({x}, 1, -1)" if self.layout == "NHWC" else x
        words = {"{params}": params, "{x}": laid, "{dtype}": self.dtype}
        setting, recipe = (_filled(lines, words) for lines in (self.setting, self.recipe))
        return f"{setting}{self.source}\n{recipe}"

    def at(self, dtype: str) -> Self:
        """Return the same block running at another precision."""
        if dtype not in self.dtypes:
            known = ", ".join(self.dtypes)
            raise CannotRun(f"{self.name}: expected a precision among {known}, got {dtype}")
        other = copy.copy(self)
        other.dtype = dtype
        return other

    @property
    def itself(self) -> Candidate:
        """The candidate under its own names, however it is seen."""
        return self

    def own(self, params: Arrays) -> dict[str, Array]:
        """Return arrays under the names that they have in its own framework."""
        return dict(params)

    def index(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return an index of y as its own framework lays it, channels aside."""
        return index

    def state(self, params: Arrays) -> dict[str, Array]:
        """Return all parameters and buffers, with those in `params` set."""
        return self.parameters | self.buffers | dict(params)


def _filled(lines: str, words: Mapping[str, str]) -> str:
    """Return lines with these words filled in; braces of their own, as of a dict, stay."""
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], lines)
