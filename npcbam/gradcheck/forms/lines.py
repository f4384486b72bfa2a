"""A function along random lines through a point, whose slopes a forward-mode derivative gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.gradcheck.forms.asked import has_floats
from npcbam.gradcheck.forms.run import Form, Options
from npcbam.gradcheck.forms.tangents import SIZES, Push, dot, y_of

ALONG = 8  # lines in each leaf, and in all leaves together
TOGETHER = "together"


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines through `args`: a leaf moves by (t - start) · tangents of it, t being an array.

    `tangents` has, by the name of the leaf, one tangent a line; leaves that stay have none.
    """

    f: Callable[..., Any]
    push: Push
    args: tuple[Any, ...]
    names: tuple[str, ...]
    tangents: dict[str, Array]
    start: Array

    @classmethod
    def of(
        cls,
        f: Callable[..., Any],
        push: Push,
        args: tuple[Any, ...],
        names: tuple[str, ...],
        options: Options,
    ) -> Lines:
        """Draw the lines; what is fixed, and what is no array of floats, stays."""
        fixed, domain = options.get("fixed", ()), options.get("domain")
        rng = np.random.default_rng(options.get("seed", 0))
        tangents = {
            name: _along(leaf, rng, _domain_of(domain, name))
            for name, leaf in _leaves(args, names)
            if leaf.dtype.kind not in "iub" and not any(_within(name, place) for place in fixed)
        }
        # At 0 there would be no size to step by. At the start the arguments are those given.
        start = (0.75 + 0.5 * rng.permutation(ALONG) / ALONG) * (-1.0) ** np.arange(ALONG)
        return cls(f, push, args, names, tangents, start)

    @property
    def size(self) -> int:
        """The number of entries that may move."""
        return sum(v[0].size for v in self.tangents.values())

    def form(self, said: str, every: bool) -> Form:
        """Return f as a function of t: one for each leaf, if `every`, and one for all together."""
        leaves = [*self.tangents] if every else []
        starts = [self.start.astype(self.tangents[name].dtype) for name in leaves]
        wide = np.result_type(*(v.dtype for v in self.tangents.values()))
        note = (
            f"entry k is ⟨dy, jvp(v)⟩ for a random v, which moves {'the leaf, or ' * every}all "
            f"leaves ({TOGETHER}), where what is not linear in v shows"
        )
        args = (*starts, self.start.astype(wide))
        g, names = self._along_all(leaves), (*leaves, TOGETHER)
        return Form(g, args, names, said, (note,), without=("domain", "fixed"))

    def _along_all(self, leaves: list[str]) -> Callable[..., Any]:
        """Return g(*ts) -> (y, pullback), with one t for each of `leaves`, and one for all."""

        def g(*ts: Array) -> Any:
            moved = {name: _move(ts[-1], self.start, v) for name, v in self.tangents.items()}
            for name, t in zip(leaves, ts[:-1], strict=True):
                moved[name] = moved[name] + _move(t, self.start, self.tangents[name])
            args = self._with(
                self.args, lambda name, leaf: leaf + moved[name] if name in moved else leaf
            )
            y = y_of(self.f(*args))

            def pullback(dy: Any) -> tuple[Array, ...]:
                found = [self._slopes(args, y, dy, (name,)) for name in leaves]
                found.append(self._slopes(args, y, dy, tuple(self.tangents)))
                return tuple(s.astype(t.dtype) for s, t in zip(found, ts, strict=True))

            return y, pullback

        return g

    def _slopes(self, args: tuple[Any, ...], y: Any, dy: Any, leaves: tuple[str, ...]) -> Array:
        """Return ⟨dy, jvp(v)⟩ along each line of these leaves, asked for at several sizes of v."""
        found = []
        for k in range(ALONG):
            size = SIZES[k % len(SIZES)]
            at = {name: self.tangents[name][k] for name in leaves}
            tangent = self._tangent(args, at, size)
            found.append(dot(dy, self.push(args, tangent, y)) / size)
        return np.array(found)

    def _tangent(self, args: tuple[Any, ...], at: dict[str, Array], size: float) -> tuple[Any, ...]:
        """Return a tangent of `args`, `size` times the leaves of `at` and 0 in others."""

        def of(name: str, leaf: Array) -> Array:
            return size * at[name].astype(leaf.dtype) if name in at else np.zeros_like(leaf)

        moving = self._with(args, of)
        return tuple(v if has_floats(a) else None for v, a in zip(moving, args, strict=True))

    def _with(self, args: tuple[Any, ...], of: Callable[[str, Array], Any]) -> tuple[Any, ...]:
        """Return the arguments with `of(name, leaf)` as their leaves, where they have floats."""
        values = iter([of(name, leaf) for name, leaf in _leaves(args, self.names)])
        return tuple(tree.replace_leaves(a, values) if has_floats(a) else a for a in args)


def _leaves(args: tuple[Any, ...], names: tuple[str, ...]) -> list[tuple[str, Array]]:
    pairs = zip(names, args, strict=True)
    return [pair for name, arg in pairs if has_floats(arg) for pair in tree.leaves(arg, name)]


def _move(t: Array, start: Array, tangents: Array) -> Array:
    moved: Array = np.tensordot(t - start.astype(t.real.dtype), tangents, 1)
    return moved


def _along(leaf: Array, rng: np.random.Generator, domain: Any) -> Array:
    """Return tangents of a leaf in units of its entries, or of its largest one where one is 0."""
    units = np.array(np.abs(leaf.astype(np.float64)))
    units[units == 0] = units.max(initial=0) or 1.0
    shape = (ALONG, *leaf.shape)
    found = units * rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)
    if domain == "symmetric":
        found = found + found.swapaxes(-1, -2)
    if domain == "simplex":
        found -= found.mean(-1, keepdims=True)
    return np.asarray(found, leaf.dtype)


def _domain_of(domain: Any, name: str) -> Any:
    if isinstance(domain, Mapping):
        return next((kind for place, kind in domain.items() if _within(name, place)), None)
    return domain


def _within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")
