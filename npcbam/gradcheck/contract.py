"""What a pullback owes its caller, before its numbers are looked at."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.again import Again
from npcbam.gradcheck.cotangents import Cotangent, draw, spread
from npcbam.gradcheck.findings import Finding
from npcbam.gradcheck.formats import largest_of
from npcbam.gradcheck.forward import Forward, Pullback
from npcbam.gradcheck.kept import Kept, raised, same
from npcbam.gradcheck.layout import Layout, Results, branches
from npcbam.gradcheck.outcomes import Stop
from npcbam.gradcheck.reading import Reading, read


def keep(forward: Forward, rng: np.random.Generator, unit: float, away: Array) -> Kept:
    """Call f and its pullback in all the ways that they must bear, and return what they gave.

    Each cotangent gets a pullback of its own, fresh from f, so that one that spoils what it has
    saved is found out and still read.

    Parameters
    ----------
    forward : f at the point, in the arguments' own dtype, of `unit`
    away : another place, inside of the domain
    """
    _finite_here(forward)
    largest = min([largest_of(d.dtype) for d in forward.results.leaves], default=1.0)
    kept = Kept(draw(rng, forward.results.size, forward.results.rounded, largest))
    _same_again(forward, unit)
    for cotangent in kept.asked:
        results, pullback, args = forward.start()
        _ask(forward.layout, kept, cotangent, results, pullback, args)
    again = Again(forward, kept, unit)
    again.twice()
    again.turned()
    again.of_a_sum()
    again.zero()
    again.other_memory()
    again.after_another_run(rng, away)
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
        raise Stop("wrong", "exception", raised(error)) from error


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


def still_the_same(forward: Forward, unit: float) -> None:
    """Stop unless f is what it was before it was called elsewhere, and in other precisions."""
    if not _gives_the_same(forward, unit):
        raise Stop(
            "cannot tell",
            "random",
            "f gives another result after it was called elsewhere: it keeps something of a call",
            "before= may put back what it keeps",
        )


def _gives_the_same(forward: Forward, unit: float) -> bool:
    y = forward.results.read(forward.start()[0].y, forward.y.dtype)
    return y is not None and same(forward.y, y, unit)


def _same_again(forward: Forward, unit: float) -> None:
    """Stop unless f gives the same result when it is called again."""
    if not _gives_the_same(forward, unit):
        raise Stop(
            "cannot tell",
            "random",
            "f gives another result when it is called again, so that no derivative can be told",
            "if it draws random numbers, seed them: before=lambda: np.random.seed(0)",
        )


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
        raise Stop("wrong", "exception", raised(error, cotangent.name)) from error
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
