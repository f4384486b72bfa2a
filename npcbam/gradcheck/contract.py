"""What a pullback owes its caller, before its numbers are looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam import tree
from npcbam.checks import Array
from npcbam.gradcheck import kinks
from npcbam.gradcheck.report import Outcome
from npcbam.slopes import real_leaves


class Stop(Exception):  # noqa: N818
    """Ends a check early: the outcome is known."""

    def __init__(self, outcome: Outcome, code: str, reason: str) -> None:
        """Keep what the report will say."""
        super().__init__(reason)
        self.outcome: Outcome = outcome
        self.code = code


@dataclass
class Trial:
    """A function, the place to check it at, and the randomness to do it with."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    labels: tuple[str, ...]
    rng: np.random.Generator

    def __post_init__(self) -> None:
        """Lay the leaves of all arguments end to end."""
        named = [
            pair
            for label, arg in zip(self.labels, self.args, strict=True)
            for pair in tree.leaves(arg, label)
        ]
        self.names = [name for name, _ in named]
        self.leaves = [leaf for _, leaf in named]
        ends = np.cumsum([leaf.size for leaf in self.leaves])
        self.size = int(ends[-1])
        self.parts = [
            slice(int(end) - leaf.size, int(end))
            for leaf, end in zip(self.leaves, ends, strict=True)
        ]
        # The reference is computed in float64, so that nothing finer can be judged.
        self.unit = max(
            float(np.finfo(dtype).eps)
            for dtype in (np.dtype(np.float64), *(leaf.dtype for leaf in self.leaves))
        )

        # Below the smallest normal number a result has lost digits, or all of them, to underflow.
        self.tiny = max(float(np.finfo(leaf.dtype).tiny) for leaf in self.leaves)

    def largest(self, i: int) -> float:
        """Return the largest magnitude in leaf i."""
        return float(np.abs(self.leaves[i]).max(initial=0))

    def span(self, i: int) -> float:
        """Return the range of leaf i, and at least 1."""
        return max(1.0, float(np.ptp(self.leaves[i]))) if self.leaves[i].size else 1.0

    def place(self, e: int) -> tuple[int, tuple[int, ...]]:
        """Return the leaf in which element e of all arguments lies, and its index there."""
        i = next(k for k, part in enumerate(self.parts) if part.start <= e < part.stop)
        index = np.unravel_index(e - self.parts[i].start, self.leaves[i].shape)
        return i, tuple(int(k) for k in index)

    def run(self, args: tuple[Any, ...]) -> tuple[Any, Callable[[Any], Any]]:
        """Return (y, pullback) of `f`, or stop because it gives something else."""
        result = self.f(*args)
        if not (isinstance(result, tuple) and len(result) == 2 and callable(result[1])):
            kind = type(result).__name__
            raise Stop("wrong", "structure", f"f: expected it to return (y, pullback), got {kind}")
        y = np.asarray(result[0]) if isinstance(result[0], np.generic) else result[0]
        try:
            real_leaves("y", y)
        except TypeError as error:
            raise Stop("wrong", "structure", str(error)) from None
        return y, result[1]

    def cotangents(self, result: Any) -> Array:
        """Return what a pullback gave as one vector, or stop because it does not fit."""
        count = len(self.args)
        if count == 1 and not (isinstance(result, tuple) and len(result) == 1):
            result = (result,)
        if not isinstance(result, tuple | list) or len(result) != count:
            got = len(result) if isinstance(result, tuple | list) else type(result).__name__
            reason = f"the pullback must return {count} cotangents, one an argument; it gave {got}"
            raise Stop("wrong", "count", reason)
        given = [np.asarray(c) if isinstance(c, np.generic) else c for c in result]
        for label, arg, cotangent in zip(self.labels, self.args, given, strict=True):
            _fit(label, arg, cotangent)
        return flat(tree.map(lambda _, cotangent: cotangent, self.args, tuple(given)))


@dataclass
class Kept:
    """What a pullback that kept its contract gave.

    Attributes
    ----------
    dy, g : a random cotangent of y, and all cotangents that the pullback gave for it
    other_dy, other_g : the same for another cotangent, four times larger
    terms : |dy y|, for each leaf of y
    noise : how far rounding alone moves each leaf of g, seen in two ways: when the arguments move
        by some roundings, and between g for dy + other_dy and the sum of both g
    """

    dy: list[Array]
    g: Array
    other_dy: list[Array]
    other_g: Array
    terms: list[Array]
    noise: list[float]


def keep(trial: Trial) -> Kept:
    """Call f and its pullback in all the ways that they must bear, and return what they gave."""
    if not all(np.isfinite(leaf).all() for leaf in trial.leaves):
        raise Stop("cannot tell", "nonfinite", "an argument is not finite at this point")
    before = tree.map(np.copy, trial.args)
    y, pullback = trial.run(trial.args)
    _unwritten("f writes to its argument", trial.labels, before, trial.args)
    if not all(np.isfinite(leaf).all() for _, leaf in tree.leaves(y)):
        raise Stop("cannot tell", "nonfinite", "f is not finite at this point")
    y_before = tree.map(np.copy, y)
    dy, other = random_cotangent(y, trial.rng), random_cotangent(y, trial.rng, 4)
    given = tree.map(np.copy, dy)
    first = pullback(given)
    g = trial.cotangents(first)
    _unwritten("the pullback writes to its cotangent", ("dy",), (dy,), (given,))
    _unwritten("the pullback writes to the argument", trial.labels, before, trial.args)
    _unwritten("the pullback writes to the result", ("y",), (y_before,), (y,))
    other_g = trial.cotangents(pullback(tree.map(np.copy, other)))
    reason = "a second call of the pullback overwrites what the first one gave"
    _unmoved(trial, "impure", reason, g, trial.cotangents(first))
    both = trial.cotangents(pullback(tree.map(np.add, dy, other)))
    again = trial.cotangents(pullback(tree.map(np.copy, dy)))
    _unmoved(trial, "impure", "a second call of the pullback gives another result", g, again)
    nothing = trial.cotangents(pullback(tree.map(np.zeros_like, dy)))
    for name, part in zip(trial.names, trial.parts, strict=True):
        if np.isfinite(nothing[part]).all() and nothing[part].any():
            worst = float(np.abs(nothing[part]).max())
            reason = (
                f"the pullback is not linear in dy: for dy = 0 it gives d{name} up to {worst:.3g}"
            )
            raise Stop("wrong", "nonlinear", reason)
    _run_elsewhere(trial)
    again = trial.cotangents(pullback(tree.map(np.copy, dy)))
    reason = "after f ran on other arguments, the first pullback gives another result"
    _unmoved(trial, "stale", reason, g, again)
    pairs = zip(tree.leaves(dy), tree.leaves(y), strict=True)
    terms = [np.abs(d * leaf).astype(np.float64) for (_, d), (_, leaf) in pairs]
    largest = max((float(term.max(initial=0)) for term in terms), default=0.0)
    natural = [largest / trial.span(i) for i in range(len(trial.leaves))]
    noise = [0.0] * len(trial.parts)
    # Beyond these shares a move is no rounding, but a fault of its own or a switch.
    moves = [(both - g - other_g, 1024 * trial.unit)]
    moves += [(move, 1e-2) for move in _nudged(trial, dy, g)]
    for move, share in moves:
        for i, part in enumerate(trial.parts):
            most, size = (float(np.abs(v[part]).max(initial=0)) for v in (move, g))
            if most <= share * max(size, natural[i]):
                noise[i] = max(noise[i], most)
    dys, others = ([leaf for _, leaf in tree.leaves(d)] for d in (dy, other))
    return Kept(dys, g, others, other_g, terms, noise)


def random_cotangent(y: Any, rng: np.random.Generator, size: float = 1.0) -> Any:
    """Return a cotangent like `y`: random signs, magnitudes from 0.5 to 1.5 times `size`."""
    return tree.map(lambda leaf: (size * kinks.spread(rng, leaf.shape)).astype(leaf.dtype), y)


def flat(arrays: Any) -> Array:
    """Return all leaves as one vector of float64."""
    return np.concatenate([leaf.astype(np.float64).ravel() for _, leaf in tree.leaves(arrays)])


def _fit(label: str, arg: Any, cotangent: Any) -> None:
    try:
        laid = tree.map(lambda _, given: given, arg, cotangent)
    except ValueError as error:
        kind = type(cotangent).__name__
        reason = f"d{label}: expected a cotangent like {label}, got {kind} ({error})"
        raise Stop("wrong", "structure", reason) from None
    pairs = zip(tree.leaves(arg, label), tree.leaves(laid), strict=True)
    for (name, leaf), (_, given) in pairs:
        if given.shape != leaf.shape:
            reason = f"d{name}: expected shape {leaf.shape} like {name}, got {given.shape}"
            raise Stop("wrong", "shape", reason)
        if given.dtype != leaf.dtype:
            reason = f"d{name}: expected dtype {leaf.dtype} like {name}, got {given.dtype}"
            raise Stop("wrong", "dtype", reason)


def _unwritten(what: str, labels: tuple[str, ...], before: Any, after: Any) -> None:
    for label, old, new in zip(labels, before, after, strict=True):
        pairs = zip(tree.leaves(old, label), tree.leaves(new), strict=True)
        for (name, was), (_, now) in pairs:
            if not np.array_equal(was, now, equal_nan=True):
                raise Stop("wrong", "writes", f"{what} {name}")


def _unmoved(trial: Trial, code: str, reason: str, before: Array, after: Array) -> None:
    for name, part in zip(trial.names, trial.parts, strict=True):
        old, new = before[part], after[part]
        # Sums in threads may add up in another order: a few roundings are no change of state.
        room = 64 * trial.unit * np.abs(old[np.isfinite(old)]).max(initial=0)
        if not np.allclose(old, new, rtol=0, atol=float(room), equal_nan=True):
            raise Stop("wrong", code, f"{reason}: d{name} differs")


def _run_elsewhere(trial: Trial) -> None:
    """Run f at another place, as the second use of a shared layer does."""
    try:
        y, pullback = trial.run(tree.map(lambda leaf: leaf * leaf.dtype.type(1.25), trial.args))
        pullback(random_cotangent(y, trial.rng))
    except Exception:  # f need not be defined there
        return


def _nudged(trial: Trial, dy: Any, g: Array) -> list[Array]:
    """Return how g moves when arguments and dy move by some roundings, equal values equally."""

    def nudge(leaf: Array) -> Array:
        return (leaf * (1 + 2 * trial.unit * kinks.together(trial.rng, leaf))).astype(leaf.dtype)

    moves = []
    for _ in range(4):
        try:
            _, pullback = trial.run(tree.map(nudge, trial.args))
            moves.append(trial.cotangents(pullback(tree.map(nudge, dy))) - g)
        except Exception:  # f need not be defined there
            continue
    return moves
