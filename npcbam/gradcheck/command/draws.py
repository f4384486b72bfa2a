"""Arguments as a command line spells them: `N(3,4)` is drawn, `0.1` is itself.

A draw is a letter or word, a shape and an optional dtype: `N(3,4)`, `U(3,4;-1,1)`, `I(5;0,10)`,
`N(3,4):float32`. Behind the semicolon stand the numbers of its distribution. A size may be a name,
as in `N(n,4)`, which is the same number wherever it stands. Draws may lie in tuples, lists and
dicts: `{"w": N(3,4), "eps": 1e-5}`. What is no draw is a Python literal, or else text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.messages import CannotRun
from npcbam.targets import literal

Shape = tuple[int, ...]
# A string in quotes, which is left alone, or a draw.
TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\b([A-Za-z_]\w*)\(([^()]*)\)(?::(\w+))?"""
)
SIZES = (3, 4, 5, 2, 6, 7)  # of named sizes, in the order in which the names come


def _spd(rng: np.random.Generator, shape: Shape) -> Array:
    *batch, n = shape
    a = rng.normal(size=(*batch, n, n))
    return a @ np.swapaxes(a, -1, -2) + n * np.eye(n)


def _symmetric(rng: np.random.Generator, shape: Shape) -> Array:
    *batch, n = shape
    a = rng.normal(size=(*batch, n, n))
    return (a + np.swapaxes(a, -1, -2)) / 2


def _integers(rng: np.random.Generator, shape: Shape, low: float, high: float) -> Array:
    return rng.integers(int(low), int(high), size=shape)


# What is drawn, in words; how; and the numbers that stand where none are given.
DRAWS: dict[str, tuple[str, Callable[..., Array], tuple[float, ...]]] = {
    "N": ("normal; N(3;mean,std)", lambda rng, s, mean, std: rng.normal(mean, std, s), (0, 1)),
    "U": ("uniform from 0 to 1; U(3;low,high)", lambda rng, s, a, b: rng.uniform(a, b, s), (0, 1)),
    "P": ("positive", lambda rng, s: np.exp(rng.normal(size=s)), ()),
    "I": ("integers from 0 to 9; I(3;low,end)", _integers, (0, 10)),
    "B": ("booleans", lambda rng, s: rng.random(s) < 0.5, ()),
    "Z": ("zeros", lambda rng, s: np.zeros(s), ()),
    "ones": ("ones", lambda rng, s: np.ones(s), ()),
    "sym": ("symmetric matrices", _symmetric, ()),
    "spd": ("symmetric positive definite ones", _spd, ()),
    "simplex": (
        "sums to 1 along the last axis",
        lambda rng, s: rng.dirichlet(np.ones(s[-1]), s[:-1]),
        (),
    ),
}
OPEN = re.compile(rf"({'|'.join(DRAWS)})\([^()]*")  # what lacks its last bracket
OF_MATRICES = ("sym", "spd", "simplex")
# Where the probes of what is drawn so have to stay.
DOMAINS = {"P": "positive", "sym": "symmetric", "spd": "symmetric", "simplex": "simplex"}


class Drawer:
    """Makes arguments from their spelling, all from one generator; named sizes are shared."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.sizes: dict[str, int] = {}

    def make(self, text: str, dtype: str | None = None) -> Any:
        """Return the argument that `text` spells.

        Parameters
        ----------
        dtype : of what is drawn in floating point and says no dtype of its own

        >>> Drawer(np.random.default_rng(0)).make("(I(2;5,6), 'N(3)', None)")
        (array([5, 5]), 'N(3)', None)
        """
        drawn: dict[str, Array] = {}

        def found(match: re.Match[str]) -> str:
            kind, shape, own = match.groups()
            if kind is None:
                return match[0]
            name = f"_draw{len(drawn)}"
            drawn[name] = self._draw(match[0], kind, shape, own, dtype)
            return name

        outside = TOKEN.sub(found, text.strip())
        if not drawn and OPEN.fullmatch(text.strip()):
            raise CannotRun(f"{text}: expected a draw such as N(3,4), got one that is not closed")
        if not drawn:
            return literal(text)
        try:
            return _value(ast.parse(outside, mode="eval").body, drawn)
        except (SyntaxError, ValueError) as error:
            raise CannotRun(
                f"{text}: expected a draw such as N(3,4), a Python literal, or a tuple, list or "
                "dict of them"
            ) from error

    def _draw(self, text: str, kind: str, inner: str, own: str | None, dtype: str | None) -> Array:
        if kind not in DRAWS:
            raise CannotRun(f"{text}: there is no draw {kind}; there are {', '.join(DRAWS)}")
        _, draw, usual = DRAWS[kind]
        sizes, _, rest = inner.partition(";")
        shape = tuple(self._size(text, size) for size in _parts(sizes))
        if kind in OF_MATRICES and not shape:
            raise CannotRun(f"{text}: expected a size, as in {kind}(4)")
        numbers = tuple(_number(text, part) for part in _parts(rest))
        if numbers and len(numbers) != len(usual):
            raise CannotRun(f"{text}: expected {len(usual)} numbers behind the semicolon")
        try:
            array = np.asarray(draw(self.rng, shape, *(numbers or usual)))
        except (ValueError, MemoryError) as error:
            raise CannotRun(f"{text}: {error}") from error
        to = own or (dtype if array.dtype.kind == "f" else None)
        return array.astype(_dtype(text, to)) if to else array

    def _size(self, text: str, size: str) -> int:
        if size.isdecimal():
            return int(size)
        if not size.isidentifier():
            raise CannotRun(f"{text}: expected sizes such as 3 or n, got {size}")
        return self.sizes.setdefault(size, SIZES[len(self.sizes) % len(SIZES)])


def domain_of(text: str) -> str | None:
    """Return the domain of what a spelling draws, where it draws one array.

    >>> domain_of("spd(4)"), domain_of("N(4)"), domain_of("(P(2), P(2))")
    ('symmetric', None, None)
    """
    match = TOKEN.fullmatch(text.strip())
    return DOMAINS.get(match[1]) if match and match[1] else None


def _parts(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    return parts[:-1] if not parts[-1] else parts  # as in (3,), and in ()


def _number(text: str, part: str) -> float:
    try:
        return float(part)
    except ValueError:
        raise CannotRun(f"{text}: expected numbers behind the semicolon, got {part}") from None


def _dtype(text: str, name: str) -> np.dtype[Any]:
    try:
        if name == "bfloat16":
            import ml_dtypes

            found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
            return found
        found = np.dtype(name)
        known = found.kind in "fciub"
    except (TypeError, ImportError):
        known = False
    if not known:
        raise CannotRun(f"{text}: expected a dtype such as float32, got {name}")
    return found


def _value(node: ast.expr, drawn: dict[str, Array]) -> Any:
    """Return the value of a literal in which some names stand for arrays."""
    if isinstance(node, ast.Name):
        if node.id not in drawn:
            raise ValueError(node.id)
        return drawn[node.id]
    if isinstance(node, ast.Tuple):
        return tuple(_value(child, drawn) for child in node.elts)
    if isinstance(node, ast.List):
        return [_value(child, drawn) for child in node.elts]
    if isinstance(node, ast.Dict):
        if None in node.keys:
            raise ValueError("**")
        keys = [ast.literal_eval(key) for key in node.keys if key is not None]
        return dict(zip(keys, (_value(child, drawn) for child in node.values), strict=True))
    return ast.literal_eval(node)
