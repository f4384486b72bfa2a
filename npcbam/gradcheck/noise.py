"""How far rounding alone moves what a pullback gives, entry by entry."""

from __future__ import annotations

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.cotangents import Cotangent, spread
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.reading import read

DRAWS = 6
# Beyond this share of the largest entry a move is no rounding, but a switch.
SWITCH = 1e-2


def together(rng: np.random.Generator, x: Array) -> Array:
    """Return a random direction in which equal entries of `x` move equally.

    Along it no tie breaks, so that whatever rule shares out the gradient of a tied maximum, the
    shares must add up to the derivative.
    """
    values, which = np.unique(x, return_inverse=True)
    return spread(rng, values.size)[which].reshape(x.shape)


def rounding_of(
    forward: Forward, cotangent: Cotangent, g: Array, unit: float, rng: np.random.Generator
) -> Array:
    """Return (n,) by how much the entries of g move when all numbers move by some roundings.

    Each step of a pullback is a product, a sum or a smooth function, whose rounding moves what
    comes out as far as moving what goes in by a unit does. Equal arguments are moved equally.
    """
    moves = []
    for _ in range(DRAWS):
        x = forward.x * (1 + 2 * unit * together(rng, forward.x))
        dy = cotangent.dy * (1 + 2 * unit * spread(rng, cotangent.dy.size))
        try:
            results, pullback = forward.at(x)
            moves.append(read(forward.layout, pullback(results.cotangent(dy))).g - g)
        except Exception:  # f need not be defined there
            continue
    noise = np.zeros(g.shape)
    largest = float(np.abs(cotangent.dy * forward.y).max(initial=0))
    for leaf in forward.layout.leaves:
        part = leaf.part
        known = g[part][np.isfinite(g[part])]
        # What is 0 but for rounding moves by all of its size.
        size = max(float(np.abs(known).max(initial=0)), largest)
        kept = [m[part].astype(np.float64) for m in moves]
        kept = [np.where(np.abs(m) <= SWITCH * size, m, 0.0) for m in kept]
        if kept and size:
            own = np.sqrt(np.mean(np.square(kept), axis=0))
            # Of a few draws the spread may come out too small by chance.
            noise[part] = np.maximum(own, np.median(own) / 4)
    return noise
