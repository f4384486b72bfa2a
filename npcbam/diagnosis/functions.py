"""The derivative of another function, or of the right one at another place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy import special

from npcbam.arguments import Array
from npcbam.diagnosis.arrays import at_hand, spread, summed
from npcbam.diagnosis.guesses import Guess, Said, worst_first
from npcbam.diagnosis.wrong import Wrong

# So many different numbers must agree before a function is named, and so many are compared first.
NUMBERS, SAMPLE = 3, 3
LARGEST = 50_000
_GELU = math.sqrt(2 / math.pi)


def _sigmoid(z: Array) -> Array:
    return np.asarray(special.expit(z))


def _gelu_by_tanh(z: Array) -> Array:
    t = np.tanh(_GELU * (z + 0.044715 * z**3))
    return np.asarray(0.5 * (1 + t) + 0.5 * z * (1 - t * t) * _GELU * (1 + 0.134145 * z * z))


def _silu(z: Array) -> Array:
    s = _sigmoid(z)
    return np.asarray(s * (1 + z * (1 - s)))


def _normal(z: Array) -> Array:
    return np.asarray(np.exp(-z * z / 2) / math.sqrt(2 * math.pi))


def _mish(z: Array) -> Array:
    t = np.tanh(np.logaddexp(0, z))
    return np.asarray(t + z * _sigmoid(z) * (1 - t * t))


# Derivatives by the name of the function, with {} for where they are taken.
SLOPES: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("tanh({})", lambda z: 1 - np.tanh(z) ** 2),
    ("sigmoid({})", lambda z: _sigmoid(z) * (1 - _sigmoid(z))),
    ("relu({})", lambda z: (z > 0).astype(float)),
    ("silu({})", _silu),
    ("gelu({}) in its exact form", lambda z: special.ndtr(z) + z * _normal(z)),
    ("gelu({}) in its tanh form", _gelu_by_tanh),
    ("{0} sigmoid(1.702 {0})", lambda z: _silu(1.702 * z)),
    ("softplus({})", _sigmoid),
    ("elu({})", lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0)))),
    ("mish({})", _mish),
    ("softsign({})", lambda z: 1 / (1 + np.abs(z)) ** 2),
    ("exp({})", np.exp),
    ("log({})", lambda z: 1 / z),
    ("{}²", lambda z: 2 * z),
    ("{}³", lambda z: 3 * z * z),
    ("the root of {}", lambda z: 0.5 / np.sqrt(z)),
    ("1/{}", lambda z: -1 / (z * z)),
    ("sin({})", np.cos),
    ("cos({})", lambda z: -np.sin(z)),
    ("log cosh({})", np.tanh),
    ("tan({})", lambda z: 1 / np.cos(z) ** 2),
    ("sinh({})", np.cosh),
    ("cosh({})", np.sinh),
    ("arctan({})", lambda z: 1 / (1 + z * z)),
    ("arcsin({})", lambda z: 1 / np.sqrt(1 - z * z)),
    ("erf({})", lambda z: 2 / math.sqrt(math.pi) * np.exp(-z * z)),
    ("|{}|", np.sign),
    # What people write of a sigmoid or tanh whose result is at hand, taken of something else.
    ("a sigmoid, written {0} (1 - {0})", lambda z: z * (1 - z)),
    ("a tanh, written 1 - {}²", lambda z: 1 - z * z),
)


def another_function(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether got and want differ by two known derivatives, one in place of the other."""
    first = worst_first(seen)[0]
    if first.got.shape != first.want.shape or first.want.size > LARGEST:
        return None
    named = dict(_derivatives(first))
    if len(np.unique(first.want[first.wrong])) < NUMBERS or len(named) < 2:
        return None
    keys, table = list(named), np.stack([a.reshape(-1) for a in named.values()])
    at = np.flatnonzero(first.wrong.reshape(-1))[:SAMPLE]
    got, want = first.got.reshape(-1)[at], first.want.reshape(-1)[at]
    # got / came = want / due, for each pair of derivatives.
    left = got * table[:, None, at] * np.ones((1, len(keys), 1))
    right = want * table[None, :, at]
    gap = np.abs(left - right)
    near = (gap <= 1e-6 * np.abs(left) + 1e-300).all(-1) & np.isfinite(left).all(-1)
    # A derivative is due at an argument: that at a result is a way to write it.
    due_at = [place in first.arguments or place == first.name[1:] for _, place in keys]
    pairs = [(int(i), int(j)) for i, j in np.argwhere(near) if i != j and due_at[i]]
    # The same function at another place, or another one at the same, before both at once.
    pairs.sort(key=lambda p: (keys[p[0]][1] != keys[p[1]][1]) + (keys[p[0]][0] != keys[p[1]][0]))
    for due, came in pairs:
        if all(_holds(w, keys[due], keys[came]) for w in seen):
            return _said(keys[due], keys[came])
    return None


def _holds(w: Wrong, due: tuple[str, str], came: tuple[str, str]) -> bool:
    named = dict(_derivatives(w))
    if due not in named or came not in named:
        return False
    slope = named[due]
    rest = np.where(slope != 0, w.want / np.where(slope == 0, 1, slope), np.nan)
    return w.fits(rest * named[came], 4.0) and _is_plain(w, rest)


def _is_plain(w: Wrong, rest: Array) -> bool:
    """Tell whether what is left of the right array is dy, and one array more at most.

    Else the two derivatives are but a way to write the ratio of what came to what is due.
    """
    for dy in w.dy.values():
        out = spread(np.asarray(dy, dtype=float), rest.shape)
        if out is None:
            continue
        for a in (np.ones(()), *at_hand(w).values()):
            more = spread(np.asarray(a, dtype=float), rest.shape)
            if more is not None and _is_multiple(rest, out * more):
                return True
    return False


def _is_multiple(a: Array, b: Array) -> bool:
    at = np.isfinite(a) & (b != 0)
    if at.sum() < NUMBERS:
        return False
    ratio = a[at] / b[at]
    return bool(np.ptp(ratio) <= 1e-6 * np.abs(ratio).max())


def _derivatives(w: Wrong) -> Iterator[tuple[tuple[str, str], Array]]:
    """Yield derivatives by function and place."""
    for place, a in at_hand(w).items():
        if place[1:] in w.dy or a.ndim == 0 or a.dtype.kind != "f":
            continue
        out = spread(np.asarray(a, dtype=float), w.want.shape)
        if out is None or np.ptp(out) == 0:
            continue
        for said, slope in SLOPES:
            made = slope(out)
            if np.isfinite(made).all() and np.ptp(made) > 0:
                yield (said, place), np.asarray(made)


def _said(due: tuple[str, str], came: tuple[str, str]) -> Said:
    if due[0] == came[0]:
        function = due[0].format(due[1])
        tail = f"has the derivative of {function} taken at {came[1]}, not at {due[1]}"
        return "derivative-elsewhere", tail
    tail = f"has the derivative of {came[0].format(came[1])}, and that of {due[0].format(due[1])} "
    return "another-function", tail + "is due"


def slope_times_dy(w: Wrong) -> Iterator[Guess]:
    """Yield dy times a known derivative, summed where the argument was broadcast."""
    if len(w.dy) != 1:
        return
    (name, dy), *_ = w.dy.items()
    if dy.size < NUMBERS or w.want.size < 2:
        return
    for place, a in at_hand(w).items():
        out = spread(np.asarray(a, dtype=float), dy.shape) if a.dtype.kind == "f" else None
        made = None if out is None else summed(dy * out, w.want.shape)
        if made is not None and place != f"d{name}":
            total = ", summed" if dy.shape != w.want.shape else ""
            yield Guess("another-function", f"is d{name} times {place}{total}", made)
    yield from _products_with_slopes(w, name, np.asarray(dy, dtype=float))


def _products_with_slopes(w: Wrong, name: str, dy: Array) -> Iterator[Guess]:
    for place, a in at_hand(w).items():
        out = spread(np.asarray(a, dtype=float), dy.shape) if a.dtype.kind == "f" else None
        if place[1:] in w.dy or out is None or np.ptp(out) == 0:
            continue
        for said, slope in SLOPES:
            made = summed(dy * slope(out), w.want.shape)
            if made is not None and np.isfinite(made).all():
                total = ", summed" if dy.shape != w.want.shape else ""
                tail = f"is d{name} times the derivative of {said.format(place)}{total}"
                yield Guess("another-function", tail, made)
            more = summed(dy * out * slope(out), w.want.shape)
            if more is not None and np.isfinite(more).all():
                tail = f"is d{name} times {place} and the derivative of {said.format(place)}"
                yield Guess("another-function", tail, more)


def a_power(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether the array is dy times the derivative of a power of the argument."""
    found: list[float] = []
    for w in seen:
        x = w.argument
        dy = next(iter(w.dy.values()), None)
        if x is None or dy is None or dy.shape != w.got.shape or x.shape != w.got.shape:
            return None
        at = (x > 0) & (dy != 0) & w.known
        if at.sum() < NUMBERS or not (w.got[at] / dy[at] > 0).all():
            return None
        logs = np.log(x[at]), np.log(w.got[at] / dy[at])
        if np.ptp(logs[0]) < 1e-3:
            return None
        power, first = np.polyfit(*logs, 1)
        made = np.where(at, dy * (power + 1) * np.where(at, x, 1.0) ** power, np.nan)
        if abs(np.exp(first) - power - 1) > 1e-8 * np.exp(first) or not w.fits(made, 4.0):
            return None
        found.append(float(power) + 1)
    if np.ptp(found) > 1e-8:
        return None
    x_name = seen[0].name[1:]
    return "another-function", f"is the derivative of {x_name}**{found[0]:.6g}"
