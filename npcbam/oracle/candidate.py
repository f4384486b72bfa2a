"""What a candidate is: named arrays, a forward and a vjp, all of it in NumPy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from npcbam.checks import Array


class CannotRun(Exception):  # noqa: N818
    """The candidate could not be loaded or built, or it runs on no input."""


class BadOutput(Exception):  # noqa: N818
    """The candidate ran and gave back what no CBAM gives: a tuple, a module, a missing gradient."""


class Candidate(ABC):
    """An implementation on trial, whatever it is written in.

    Attributes
    ----------
    name : what the report calls it
    parameters : the arrays that it learns, by name, with the values that it came with
    buffers : the arrays that it does not learn, such as a norm's running statistics

    Nothing here is changed by a call. `params` of the methods sets parameters and buffers for
    that call alone, in any values; those that it leaves out keep the values that they came with.
    """

    name: str
    parameters: dict[str, Array]
    buffers: dict[str, Array]

    @abstractmethod
    def forward(self, params: Mapping[str, Array], x: Array) -> Array:
        """Return y = f(params, x) in float64; raise BadOutput if y is no array."""

    @abstractmethod
    def vjp(
        self, params: Mapping[str, Array], x: Array, dy: Array
    ) -> tuple[dict[str, Array], Array] | None:
        """Return the cotangents of all `parameters` and of x, or None if it has no backward."""

    def state(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """Return all parameters and buffers, with those in `params` set."""
        return self.parameters | self.buffers | dict(params)


def sentence(error: BaseException) -> str:
    """Return what an exception says, in one line that is not too long."""
    lines = str(error).strip().splitlines() or [""]
    said = lines[0] if len(lines[0]) <= 160 else lines[0][:157] + "..."
    if isinstance(error, CannotRun | BadOutput):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
