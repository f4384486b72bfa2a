"""Ties and kinks: directions that keep them, the rules that resolve them, the next switch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from npcbam.checks import Array
from npcbam.gradcheck.report import Entry


def spread(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Array:
    """Return random signs times magnitudes from 0.5 to 1.5: nothing hides, nothing repeats."""
    return rng.choice([-1.0, 1.0], size=shape) * rng.uniform(0.5, 1.5, size=shape)


def together(rng: np.random.Generator, leaf: Array) -> Array:
    """Return a random direction in which equal elements of `leaf` move equally.

    Along it no tie breaks, so that whatever rule shares out the gradient of a tied maximum, the
    shares must add up to the derivative.
    """
    values, which = np.unique(leaf, return_inverse=True)
    return spread(rng, values.size)[which].reshape(leaf.shape)


def rule(entries: Sequence[Entry]) -> str | None:
    """Name how the pullback resolves the ties and kinks of one leaf.

    Parameters
    ----------
    entries : those whose left and right derivatives differ

    An element of a tied maximum has a step between its left derivative, where another is the
    maximum, and its right one, where it is. Elements of one tie share the size of that step.
    """
    names: dict[str, int] = {}
    for tie in _ties(entries):
        name = _rule_of(tie)
        names[name] = names.get(name, 0) + 1
    if not names:
        return None
    return "; ".join(
        f"{name}{f' (in {count} places)' if count > 1 else ''}" for name, count in names.items()
    )


def members(entries: Sequence[Entry]) -> str | None:
    """Say which elements switch at this very point."""
    ties = _ties(entries)
    if not ties:
        return None
    listed = [f"{e.leaf}{list(e.index or ())}" for e in ties[0][:4]]
    more = f" and {len(ties[0]) - 4} more" if len(ties[0]) > 4 else ""
    what = "are tied" if len(ties[0]) > 1 else "sits on a kink"
    others = f"; {len(ties) - 1} more such places" if len(ties) > 1 else ""
    return f"{', '.join(listed)}{more} {what}{others}"


def nearest_switch(phi: Callable[[float], float]) -> float | None:
    """Return the t nearest to 0 at which phi jumps, |t| from 2⁻⁴⁰ to ½; None if it nowhere does.

    Parameters
    ----------
    phi : a derivative along a line, as a function of the place t on it

    A smooth phi changes in proportion to the interval. Where it changes by more, the interval is
    halved twenty times; what still changes by half as much then is a jump.
    """
    found: list[float] = []
    for sign in (1.0, -1.0):
        ts = [sign * 2.0**-k for k in range(40, 0, -1)]
        values = [phi(t) for t in ts]
        floor = 1e-9 * max(abs(v) for v in values)
        for k in range(1, len(ts)):
            gap = abs(values[k] - values[k - 1])
            before = abs(values[k - 1] - values[k - 2]) if k > 1 else 0.0
            if gap > 8 * before + floor:
                place = _halve(phi, (ts[k - 1], values[k - 1]), (ts[k], values[k]))
                if place is not None:
                    found.append(place)
                    break
    return min(found, key=abs, default=None)


def _halve(
    phi: Callable[[float], float], low: tuple[float, float], high: tuple[float, float]
) -> float | None:
    gap = abs(high[1] - low[1])
    for _ in range(20):
        t = (low[0] + high[0]) / 2
        middle = (t, phi(t))
        if abs(middle[1] - low[1]) > abs(high[1] - middle[1]):
            high = middle
        else:
            low = middle
    return high[0] if abs(high[1] - low[1]) > gap / 2 else None


def _ties(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Group entries by the size of their step from left to right."""
    groups: list[list[Entry]] = []
    for entry in entries:
        step = abs(entry.right - entry.left)
        for group in groups:
            size = abs(group[0].right - group[0].left)
            if group[0].leaf == entry.leaf and abs(step - size) <= 1e-6 * size:
                group.append(entry)
                break
        else:
            groups.append([entry])
    return sorted(groups, key=len, reverse=True)


def _rule_of(tie: list[Entry]) -> str:
    shares = np.array([(e.got - e.left) / (e.right - e.left) for e in tie])
    count = len(tie)

    def like(*pattern: float) -> bool:
        return bool(np.allclose(shares, pattern, atol=1e-3))

    if count == 1:
        known = {0.0: "the left derivative", 0.5: "the middle", 1.0: "the right derivative"}
        for share, name in known.items():
            if like(share):
                return f"{name} at a kink"
        return "a value between left and right at a kink"
    rest = [0.0] * (count - 1)
    if like(1.0, *rest):
        return "the first tied element takes all"
    if like(*rest, 1.0):
        return "the last tied element takes all"
    if like(*[1 / count] * count):
        return "tied elements share evenly"
    if like(*[1.0] * count):
        return "every tied element gets all of it, so that the sum is too large"
    if like(*[0.0] * count):
        return "no tied element gets any of it"
    if like(*np.eye(count)[shares.argmax()]):
        return "one tied element takes all, neither the first nor the last"
    return "tied elements share unevenly"
