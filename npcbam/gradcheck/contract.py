"""What a pullback owes its caller, before its numbers are looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npcbam.checks import Array
from npcbam.gradcheck.cotangents import Cotangent, draw, in_other_order, spread
from npcbam.gradcheck.formats import largest_of
from npcbam.gradcheck.forward import Forward, Pullback
from npcbam.gradcheck.layout import Layout, Results, branches
from npcbam.gradcheck.outcomes import Stop
from npcbam.gradcheck.reading import Reading, read
from npcbam.gradcheck.report import Finding

# A pullback is linear but for rounding; what lies between is judged by the derivative.
LINEAR = 1e-4


@dataclass(eq=False)
class Kept:
    """What a pullback gave for each cotangent, and which duties it failed.

    Attributes
    ----------
    asked, readings : the cotangents, and what came for each
    findings : breaches of the contract, in the order in which they were seen
    notes : what is no breach and good to know
    """

    asked: list[Cotangent]
    readings: list[Reading] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(self, code: str, sentence: str, leaf: str = "") -> None:
        """Add a finding, once a code and leaf."""
        if not any((f.code, f.leaf) == (code, leaf) for f in self.findings):
            self.findings.append(Finding(code, leaf, sentence))


def keep(forward: Forward, rng: np.random.Generator, unit: float) -> Kept:
    """Call f and its pullback in all the ways that they must bear, and return what they gave.

    `unit` is the precision of the arguments. Each cotangent gets a pullback of its own, fresh from
    f, so that one that spoils what it has saved is found out and still read.
    """
    _finite_here(forward)
    largest = min([largest_of(d.dtype) for d in forward.results.leaves], default=1.0)
    kept = Kept(draw(rng, forward.results.size, rounder(forward.results), largest))
    _same_again(forward, unit)
    for cotangent in kept.asked:
        results, pullback, args = forward.start()
        _ask(forward.layout, kept, cotangent, results, pullback, args)
    again = _Again(forward, kept, unit)
    again.twice()
    again.of_a_sum()
    again.zero()
    again.other_memory()
    again.after_another_run(rng)
    return kept


def first(forward: Forward) -> Reading:
    """Return what the pullback gives when it is asked for the first time."""
    results, pullback, _ = forward.start()
    dy = spread(np.random.default_rng(0), results.size)
    try:
        return read(forward.layout, pullback(results.cotangent(dy)))
    except Stop:
        raise
    except Exception as error:
        raise Stop("wrong", "exception", _raised(error)) from error


def ask(forward: Forward, asked: list[Cotangent]) -> list[Reading]:
    """Return what the pullback gives for each cotangent, with no duties looked at."""
    found = []
    for cotangent in asked:
        results, pullback, _ = forward.start()
        found.append(read(forward.layout, pullback(results.cotangent(cotangent.dy))))
    return found


def _finite_here(forward: Forward) -> None:
    for leaf in forward.layout.leaves:
        if not np.isfinite(leaf.value.astype(np.float64)).all():
            raise Stop("cannot tell", "nonfinite", f"{leaf.name} is not finite at this point")
    for name, part in zip(forward.results.names, forward.results.parts, strict=True):
        bad = ~np.isfinite(forward.y[part])
        if bad.any():
            reason = f"f is not finite at this point: {name} has {int(bad.sum())} such entries"
            raise Stop("cannot tell", "nonfinite", reason)


def rounder(results: Results) -> Callable[[Array], Array]:
    """Return what brings a vector of cotangents to the precision of the results."""

    def rounded(dy: Array) -> Array:
        parts = [
            dy[part].astype(leaf.dtype).astype(np.float64)
            for leaf, part in zip(results.leaves, results.parts, strict=True)
        ]
        return np.concatenate(parts) if parts else dy

    return rounded


def _same_again(forward: Forward, unit: float) -> None:
    """Stop unless f gives the same result when it is called again."""
    again = forward.start()[0]
    y = forward.results.read(again.y, forward.y.dtype)
    if y is None or not _same(forward.y, y, unit):
        raise Stop(
            "cannot tell",
            "random",
            "f gives another result when it is called again, so that no derivative can be told; "
            "if it draws random numbers, seed them: before=lambda: np.random.seed(0)",
        )


def _same(one: Array, two: Array, unit: float, largest: float = 0.0) -> bool:
    """Tell whether two vectors are equal but for the order in which numbers are added up.

    `largest` is the size of what may have been added.
    """
    size = max(float(np.abs(one[np.isfinite(one)]).max(initial=0)), largest)
    return bool(np.allclose(one, two, rtol=0, atol=64 * unit * size, equal_nan=True))


def _ask(
    layout: Layout,
    kept: Kept,
    cotangent: Cotangent,
    results: Results,
    pullback: Pullback,
    args: tuple[Any, ...],
) -> None:
    """Ask for one cotangent, and watch what is written to."""
    first = not kept.readings
    if first:
        _unwritten(kept, layout, args, "f writes to its argument")
    dy = results.cotangent(cotangent.dy)
    try:
        result = pullback(dy)
    except Exception as error:
        raise Stop("wrong", "exception", _raised(error, cotangent.name)) from error
    reading = read(layout, result)
    kept.readings.append(reading)
    if not first:
        return
    for fault in reading.faults:
        kept.find(fault.code, fault.sentence, fault.leaf)
    before = results.cotangent(cotangent.dy)
    if not all(np.array_equal(was, now) for _, was, now in _pairs("dy", before, dy)):
        kept.find("writes", "the pullback writes to its cotangent dy")
    _unwritten(kept, layout, args, "the pullback writes to the argument")
    if not _untouched(results):
        kept.find("writes", "the pullback writes to the result y", "y")


def _raised(error: Exception, when: str = "") -> str:
    said = f": {error}" if str(error) else ""
    return f"the pullback raised {type(error).__name__}{f' for {when}' if when else ''}{said}"


def _untouched(results: Results) -> bool:
    now = results.read(results.y, np.float64)
    flat = [leaf.astype(np.float64).ravel() for leaf in results.leaves]
    was = np.concatenate(flat) if flat else np.zeros(0)
    return now is not None and np.array_equal(was, now, equal_nan=True)


def _unwritten(kept: Kept, layout: Layout, args: tuple[Any, ...], what: str) -> None:
    """Find out whether arguments were written to, those without a gradient too."""
    for label, old, new in zip(layout.labels, layout.build(), args, strict=True):
        for name, was, now in _pairs(label, old, new):
            same = was.shape == now.shape and np.array_equal(was, now, equal_nan=_has_nan(was))
            if not same:
                known = any(f.code == "writes" and f.leaf == name for f in kept.findings)
                if not known:
                    kept.findings.append(Finding("writes", name, f"{what} {name}"))


def _has_nan(array: Array) -> bool:
    return array.dtype.kind in "fc"


def _pairs(name: str, old: Any, new: Any) -> list[tuple[str, Array, Array]]:
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return [(name, old, new)]
    below, now = branches(old), branches(new)
    if below is None or now is None:
        return []
    found = []
    for key, child in below.items():
        found += _pairs(f"{name}.{key}", child, now.get(key))
    return found


class _Again:
    """The same pullback, called more than once."""

    def __init__(self, forward: Forward, kept: Kept, unit: float) -> None:
        self._forward, self._kept, self._unit = forward, kept, unit
        self._layout = forward.layout
        self._dy, self._other = (each.dy for each in kept.asked[:2])
        self._largest = float(np.abs(self._dy * forward.y).max(initial=0))

    def _moved(self, code: str, reason: str, before: Array, after: Array) -> None:
        for leaf in self._layout.leaves:
            old, new = before[leaf.part], after[leaf.part]
            if not _same(old, new, self._unit, self._largest):
                self._kept.find(code, f"{reason}: d{leaf.name} differs", leaf.name)

    def _given(self, pullback: Pullback, dy: Any, code: str, when: str) -> Array | None:
        """Return what the pullback gives for dy, or None and find that it raised."""
        try:
            return read(self._layout, pullback(dy)).g
        except Stop:
            raise
        except Exception as error:
            self._kept.find(code, f"{when} {_raised(error)}")
            return None

    def twice(self) -> None:
        """Call for dy, for another, and for dy again; without what writes to inputs explains."""
        results, pullback, _ = self._forward.start()
        result = pullback(results.cotangent(self._dy))
        g = read(self._layout, result).g
        try:
            pullback(results.cotangent(self._other))
            after = read(self._layout, result).g
            again = read(self._layout, pullback(results.cotangent(self._dy))).g
        except Stop:
            raise
        except Exception as error:
            return self._kept.find("impure", f"a second call: {_raised(error)}")
        reason = "a second call of the pullback overwrites what the first one gave"
        self._moved("impure", reason, g, after)
        reason = "a second call of the pullback gives another result"
        return self._moved("impure", reason, g, again)

    def of_a_sum(self) -> None:
        """Demand of a sum of cotangents the sum of what each gives."""
        share = max(LINEAR, 4096 * self._unit)
        results, pullback, _ = self._forward.start()
        dy = rounder(results)(self._dy + self._other)
        g = self._given(pullback, results.cotangent(dy), "exception", "for a sum of two dy")
        if g is None:
            return
        parts = [reading.g for reading in self._kept.readings[:2]]
        for leaf in self._layout.leaves:
            one, two, both = (part[leaf.part] for part in (*parts, g))
            size = np.max(np.abs(np.stack([one, two])), initial=0)
            off = np.abs(both - one - two)
            least = 4096 * self._unit * self._largest
            if share < 1 and (off > share * size + least).any():
                said = (
                    f"the pullback is not linear in dy: of dy1 + dy2 it makes another d{leaf.name}"
                )
                said += f" than of dy1 and of dy2, by up to {np.nanmax(off):.3g}"
                self._kept.find("nonlinear", said, leaf.name)

    def zero(self) -> None:
        """Demand that nothing comes of nothing."""
        results, pullback, _ = self._forward.start()
        g = self._given(pullback, results.cotangent(0 * self._dy), "exception", "for dy = 0")
        if g is None:
            return
        right = self._kept.readings[0].g
        for leaf in self._layout.leaves:
            part = g[leaf.part]
            lost = np.isnan(part) & np.isfinite(right[leaf.part])
            if lost.any():
                said = f"for dy = 0 the pullback gives a d{leaf.name} with NaN (0 times infinity)"
                self._kept.find("nan", said, leaf.name)
            elif np.isfinite(part).all() and part.any():
                most = float(np.abs(part).max())
                said = "the pullback is not linear in dy: for dy = 0 it gives "
                self._kept.find("nonlinear", f"{said}d{leaf.name} up to {most:.3g}", leaf.name)

    def other_memory(self) -> None:
        """Demand the same of a dy that lies in memory in another order."""
        results, pullback, _ = self._forward.start()
        try:
            laid = results.cotangent(self._dy, in_other_order)
            g = read(self._layout, pullback(laid)).g
        except Stop:
            raise
        except Exception as error:
            # It refuses aloud, and gives nobody a wrong gradient.
            said = f"{_raised(error)}, for a dy that lies in memory in another order"
            return self._kept.notes.append(said)
        reason = "for an equal dy that lies in memory in another order the pullback gives another"
        return self._moved("layout", f"{reason} result", self._kept.readings[0].g, g)

    def after_another_run(self, rng: np.random.Generator) -> None:
        """Run f at another place, as the second use of a shared layer does, and ask again."""
        results, pullback, _ = self._forward.start()
        try:
            away, other = self._forward.at(self._forward.x * 1.25)
            other(away.cotangent(spread(rng, away.size)))
        except Exception:  # f need not be defined there
            return
        again = self._given(
            pullback, results.cotangent(self._dy), "stale", "after f ran on other arguments"
        )
        if again is not None:
            reason = "after f ran on other arguments, the first pullback gives another result"
            self._moved("stale", reason, self._kept.readings[0].g, again)
