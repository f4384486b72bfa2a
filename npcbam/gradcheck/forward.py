"""A function that is called many times: by whatever it does, the check survives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.layout import Layout, Results, spell
from npcbam.gradcheck.outcomes import Stop

Pullback = Callable[[Any], Any]


class Forward:
    """A function at a point, in one dtype: its results when the arguments move.

    Attributes
    ----------
    x : (n,) the arguments as one vector
    y : (m,) the results there
    calls : how often the function has been called
    """

    def __init__(
        self,
        f: Callable[..., Any],
        layout: Layout,
        dtype: Any = None,
        before: Callable[[], object] | None = None,
    ) -> None:
        """Call f at the point; `dtype` is that in which it runs, by default each leaf's own."""
        self.f, self.layout, self.dtype, self.before = f, layout, dtype, before
        self.calls = 0
        self.wide = np.dtype(dtype) if dtype is not None else wide_of(layout.dtypes())
        self.x = layout.vector(self.wide)
        self.results, self.pullback, self.args = self.start()
        if not self.results.leaves:
            got = spell(self.results.y)
            reason = f"y: expected an array of floating numbers or a float, got {got}"
            raise Stop("wrong", "structure", reason)
        self.y = self._read(self.results.y)

    def start(self) -> tuple[Results, Pullback, tuple[Any, ...]]:
        """Call f at the point; return what it gave, its pullback, and the arguments it had."""
        args = self.layout.build(dtype=self.dtype)
        y, pullback = split(self.run(args), self.f)
        return Results(y), pullback, args

    def at(self, x: Array) -> tuple[Results, Pullback]:
        """Call f at another point; return what it gave, and its pullback."""
        y, pullback = split(self.run(self._built(x)))
        return Results(y), pullback

    def run(self, args: tuple[Any, ...]) -> Any:
        """Call f."""
        self.calls += 1
        if self.before is not None:
            self.before()
        return self.f(*args)

    def moved(self, by: Array) -> Array:
        """Return the results at the point moved by a vector; NaN where f has none."""
        try:
            y, _ = split(self.run(self._built(self.x + by)))
        except Exception:  # a probe outside of what f takes is one that failed
            return np.full(self.y.shape, np.nan, self.wide)
        found = self.results.read(y, np.result_type(self.wide, np.float64))
        return np.full(self.y.shape, np.nan, self.wide) if found is None else found

    def complex(self, by: Array) -> Array:
        """Return the results at the point moved by a complex vector; raise what f raises."""
        y, _ = split(self.run(self.layout.build(self.x + by, np.complex128)))
        found = self.results.read(y, np.complex128)
        if found is None:
            raise TypeError("the results have another form")
        return found

    def _built(self, x: Array) -> tuple[Any, ...]:
        return self.layout.build(x, self.dtype)

    def _read(self, y: Any) -> Array:
        found = self.results.read(y, np.result_type(self.wide, np.float64))
        assert found is not None  # the form was read off this very result
        return found


def split(result: Any, f: Any = None) -> tuple[Any, Pullback]:
    """Return (y, pullback), or stop because it is something else."""
    if isinstance(result, tuple) and len(result) == 2 and callable(result[1]):
        return result[0], result[1]
    from npcbam.gradcheck.forms.hint import which_form

    kind = spell(result)
    reason = f"f: expected it to return (y, pullback), got {kind}"
    raise Stop("wrong", "structure", reason, which_form(result, f))


def wide_of(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the dtype that holds all of some dtypes, and at least float64."""
    longest = [d for d in dtypes if d == np.longdouble]
    return np.dtype(np.longdouble if longest else np.float64)
