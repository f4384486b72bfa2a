"""One check taken apart: what it is judged by, for tests that look at a part of it."""

from __future__ import annotations

import dataclasses

import numpy as np

from npcbam.gradcheck import contract, noise
from npcbam.gradcheck.columns import Move
from npcbam.gradcheck.cotangents import draw
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.domain import domains
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.judge import Judge
from npcbam.gradcheck.kinks import Near
from npcbam.gradcheck.layout import Layout
from npcbam.gradcheck.numbers import Numbers
from npcbam.gradcheck.reference import Reference
from npcbam.slopes import Slopes

EPS = float(np.finfo(np.float64).eps)
X = np.array([[1.0, -3.0], [0.5, 2.0]])


@dataclasses.dataclass
class Parts:
    """What a check is made of, at one point."""

    forward: Forward
    directions: Directions
    reference: Reference
    numbers: Numbers
    near: Near
    judge: Judge


def parts_of(f, *args, seed=0, domain=None, planted=None, directions=None, rtol=0.0):
    """Return the parts of a check of f, with `planted` applied to what its pullback gave."""
    rng = np.random.default_rng(seed)
    layout = Layout(args, ("x", "w", "b")[: len(args)])
    forward = Forward(f, layout)
    directions = directions or Directions(layout, domains(domain, layout), rng)
    with np.errstate(all="ignore"):
        asked = draw(rng, forward.results.size, np.array, 1e300)
        readings = contract.ask(forward, asked)
        rounding = noise.rounding_of(forward, asked[0], readings[0].g, EPS, rng)
        reference = Reference(forward, directions)
    if planted is not None:
        readings = [
            dataclasses.replace(reading, g=planted(reading.g.copy(), each.size))
            for reading, each in zip(readings, asked, strict=True)
        ]
    numbers = Numbers(forward, asked, readings, rounding, EPS, rtol)
    near = Near(reference, directions, rng)
    judge = Judge(numbers, reference, directions, near)
    return Parts(forward, directions, reference, numbers, near, judge)


def seen_of(f, *args, leaf=0, many=None, **options):
    """Return what the judge sees of one leaf."""
    parts = parts_of(f, *args, **options)
    with np.errstate(all="ignore"):
        parts.reference.vouch(leaf, parts.numbers.g())
        return parts, parts.judge.leaf(leaf, many)


def bump(at, size):
    """Return what adds an error of some size to one entry, for every cotangent in proportion."""

    def bumped(g, scale):
        g[at] += size * scale
        return g

    return bumped


def move_of(slopes, entries=(0,), v=None, local=None):
    """Return a move of some entries by 1 with these slopes of all results."""
    slopes = slopes if isinstance(slopes, Slopes) else smooth(slopes)
    entries = np.array(entries)
    v = np.ones(entries.size) if v is None else np.array(v, float)
    local = np.zeros(slopes.left.size, int) if local is None else np.array(local)
    return Move(entries, v, local, slopes)


def smooth(values, error=0.0):
    """Return slopes without kinks."""
    values = np.array(values, float)
    return Slopes.smooth(values, np.broadcast_to(np.asarray(error, float), values.shape))


def double(x):
    return 2 * x, lambda dy: 2 * dy


def real_only(f_vjp):
    """Return f for real numbers alone."""

    def f(*args):
        if any(arg.dtype.kind == "c" for arg in args):
            raise TypeError("real only")
        return f_vjp(*args)

    return f
