"""The derivative to judge by, and a second one of another kind to ask before "wrong" is said.

The complex step is exact where f is analytic, and nothing but a number where it is not. So it is
held, leaf by leaf, against finite differences, which know their error; one clear disagreement
decides against it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.differences import Differences, listen
from npcbam.gradcheck.directions import Directions
from npcbam.gradcheck.formats import unit_of
from npcbam.gradcheck.forward import Forward
from npcbam.gradcheck.layout import Layout
from npcbam.slopes import ComplexStep, Slopes

# A span so short that what is smooth has no fourth difference in it, and so long that it has many
# numbers: in units of what is moved.
SPAN = {8: 2.0**-20, 16: 2.0**-24, 4: 2.0**-10, 2: 2.0**-4, 1: 2.0**-1}
AGREE = 1e-9  # of the largest: nearer than that finite differences seldom vouch
SAME = 1e-9  # of the largest result, by which the same function may differ on complex numbers
OTHER = 0.05  # or in long double, where rounding on coarse steps shows
WITHIN = 1e-10  # of the largest result
TAKEN_BACK = 1e-11  # relative: nearer differences in double precision seldom tell
LONG = 200_000  # numbers that long double takes long for
ROUGH = 1e-3  # too rough to vouch for anything
SOLVED = 2e-10  # relative; of scipy's brentq, as it is by default, 2e-11 was measured
GROUPS = 1e4  # entries that differ by more than that in what they move are vouched for apart


class Reference:
    """Derivatives of f at a point.

    Attributes
    ----------
    exact : for each leaf, whether the complex step is used
    doubt : why it is not, where that is so
    """

    def __init__(self, forward: Forward, directions: Directions) -> None:
        """Measure the rounding of f, and try it on complex numbers."""
        self.forward, self._directions = forward, directions
        everywhere = directions.along(slice(None))
        self._finer = _finer(forward, everywhere)
        self.noise = _noise(forward, everywhere)
        if self._finer is not None:  # which knows what f rounds, on steps wider than the probes too
            off = np.abs(self._finer.y - forward.y).astype(np.float64)
            self.noise = np.maximum(self.noise, off)
        self.differences = Differences(forward.moved, forward.y, self.noise)
        self._step = ComplexStep(forward.complex)
        self.doubt = self._refuses()
        self.exact = [not self.doubt] * len(forward.layout.leaves)

    def _refuses(self) -> str:
        """Say why f does not run on complex numbers; nothing if it does."""
        try:
            y = self.forward.complex(np.zeros(self.forward.x.size))
        except Exception as error:  # whatever f raises on complex arguments
            return f"f does not run on complex128: {type(error).__name__}"
        if not np.isfinite(y).all():
            return "on complex128 f is not finite"
        size = np.abs(self.forward.y).max(initial=0)
        same = np.abs(y.real - self.forward.y) <= SAME * size + self.noise
        return "" if same.all() else "on complex128 f gives another result"

    def vouch(self, i: int, g: Array) -> None:
        """Find out whether f is analytic in leaf i, from entries that move it much and little."""
        if not self.exact[i]:
            return
        for entries in self._groups(i, g):
            v = self._directions.along(entries)
            if not self._vouched(v):
                self.exact[i] = False
                self.doubt = "on complex128 f has another derivative, as with abs, real and conj"
                return

    def _groups(self, i: int, g: Array) -> list[Array]:
        part = self.forward.layout.leaves[i].part
        inside = np.arange(part.start, part.stop)
        size = np.nan_to_num(np.abs(g[part] * self._directions.units[part]).astype(np.float64))
        much = size * GROUPS >= size.max(initial=0)
        return [group for group in (inside[much], inside[~much]) if group.size]

    def _vouched(self, v: Array) -> bool:
        rough = self.differences.along(v, enough=1e-8)
        if not np.isfinite(rough.error).all():
            v, rough = self.along(v, exact=False)
        if self._finer is not None and rough.error.sum() > AGREE * np.abs(rough.right).sum():
            rough = self._finer.along(v.astype(np.longdouble), enough=1e-10).narrow()
        try:
            fine = self._step.along(v, both=bool(rough.kinked.any()))
        except Exception:  # f refuses some complex numbers and takes others
            return False
        sides = np.array([rough.left, rough.right])
        low, high = sides.min(axis=0), sides.max(axis=0)
        size = np.abs(sides).max(initial=0, where=np.isfinite(sides))
        known = np.isfinite(rough.error) & np.isfinite(low + high)
        if not known.any() and known.size:
            return False
        allowed = 2 * rough.error[known] + AGREE * size
        total = float(rough.error[known].sum()), float(np.abs(fine.right).sum())
        if total[0] > ROUGH * total[1] and total[0] > 1e3 * float(self.noise.sum()):
            return False
        for value in (fine.left[known], fine.right[known]):
            off = np.maximum(low[known] - value, value - high[known])
            if not (off <= allowed).all():  # NaN too
                return False
        return True

    def along(self, v: Array, exact: bool, both: bool = False) -> tuple[Array, Slopes]:
        """Return a direction and the slopes along it; from `both` sides where `exact`.

        The direction is v, or a shorter one where f ends between the probes of differences.
        """
        if exact:
            return v, self._step.along(v, both)
        found = self.differences.along(v)
        if not np.isfinite(found.error).all():
            shorter = self._directions.shorter(v)
            again = self.differences.along(shorter)
            if np.isfinite(again.error).sum() > np.isfinite(found.error).sum():
                v, found = shorter, again
        # What f solves for it knows to a tolerance of its own, which is smooth and shows nowhere.
        solved = SOLVED * np.maximum(np.abs(found.left), np.abs(found.right))
        return v, Slopes(found.left, found.right, found.error + solved, found.jumps)

    def second_along(self, v: Array, exact: bool) -> tuple[Array, Slopes]:
        """Return a direction, v or a shorter one, and the slopes by the second reference."""
        found = self.second(v, exact)
        if not np.isfinite(found.error).all():
            shorter = self._directions.shorter(v)
            again = self.second(shorter, exact)
            if np.isfinite(again.error).sum() > np.isfinite(found.error).sum():
                return shorter, again
        return v, found

    def exactly(self, v: Array, away: Array) -> Array:
        """Return the derivative of every result along v, `away` from the point."""
        return self._step.value(v, away=away)

    def second(self, v: Array, exact: bool) -> Slopes:
        """Return the slopes along v by a reference of another kind.

        Finite differences; in long double where f runs so, which knows three digits more.
        """
        if self._finer is not None:
            found = self._finer.along(v.astype(np.longdouble), enough=1e-14)
            if np.isfinite(found.error).all():
                found = found.narrow()
                return self._beside_step(found, v) if exact else found
        if exact:
            return self._beside_step(self.differences.along(v), v)
        # Along another direction the probes fall on other places.
        return self.along(v * (2 / 3), exact=False)[1].times(1.5)

    def _beside_step(self, found: Slopes, v: Array) -> Slopes:
        """Return differences, but where the complex step is shown to know more."""
        exact = self._step.along(v)
        if self._faint(found, exact, v):
            return exact
        # What the direction does not reach has no rounding either.
        still = (exact.right == 0) & (found.left == 0) & (found.right == 0)
        return Slopes(found.left, found.right, np.where(still, 0.0, found.error), found.jumps)

    def limit(self, i: int) -> float:
        """Return how near to the derivative by leaf i an error passes, of its largest entry.

        For what the complex step finds, and differences cannot tell, is taken back.
        """
        return TAKEN_BACK if self.exact[i] and self._finer is None else 0.0

    def steady(self, v: Array) -> bool:
        """Tell whether the complex step gives a number that is more than rounding.

        What is left of terms that cancel changes when all arguments move by some roundings.
        """
        value = self._step.value(v)
        size = np.abs(value).max(initial=0)
        x, unit = self.forward.x, float(np.finfo(np.float64).eps)
        for sign in (1, -1, 3):
            near = self._step.value(v, away=4 * sign * unit * x * np.sign(v))
            if not (np.abs(near - value) <= 1e-3 * size).all():
                return False
        return True

    def _faint(self, found: Slopes, exact: Slopes, v: Array) -> bool:
        """Tell whether differences drown a slope that the complex step is shown to know.

        It is known where it is no rounding, and where it is right at a place nearer to 0, at which
        differences can tell.
        """
        moves = np.abs(exact.right) > 0
        if (found.error <= 0.1 * np.abs(exact.right))[moves].any() or not self.steady(v):
            return False
        away = -0.9 * self.forward.x * (v != 0)
        forward = self.forward
        beside = Differences(lambda by: forward.moved(by + away), forward.moved(away), self.noise)
        there, known = beside.along(v, enough=1e-8), self._step.value(v, away=away)
        size = np.abs(known).max(initial=0)
        off = np.abs(there.middle - known) - 2 * there.error
        return bool(there.error.sum() < ROUGH * size) and bool((off <= AGREE * size).all())

    @property
    def name(self) -> str:
        """Where the derivative came from."""
        if all(self.exact):
            return ComplexStep.name
        if not any(self.exact):
            return f"{Differences.name} ({self.doubt})"
        leaves = [leaf.name for leaf in self.forward.layout.leaves]
        rest = [name for name, exact in zip(leaves, self.exact, strict=True) if not exact]
        return f"{ComplexStep.name}; {Differences.name} for {', '.join(rest)} ({self.doubt})"


def _noise(forward: Forward, v: Array) -> Array:
    """Return the rounding of each result: as measured, and a unit of it at least."""
    dtype = forward.wide
    kinds = [leaf.dtype for leaf in forward.results.leaves]
    kinds += forward.layout.dtypes() if forward.dtype is None else []
    coarse = max([*kinds, dtype], key=unit_of)
    unit = unit_of(coarse) / 2
    measured = listen(forward.moved, v, SPAN[coarse.itemsize])
    measured = np.where(np.isfinite(measured), measured, 0.0).astype(np.float64)
    size = np.abs(forward.y).astype(np.float64)
    return np.asarray(np.maximum(measured, unit * size))


def wide(
    f: Callable[..., Any], layout: Layout, before: Callable[[], object] | None
) -> Forward | None:
    """Return f in float64, or better where an argument is; None where it takes or gives less."""
    dtype = np.result_type(np.float64, *(d for d in layout.dtypes() if d.kind == "f"))
    return _in(f, layout, dtype, before)


def _in(
    f: Callable[..., Any], layout: Layout, dtype: Any, before: Callable[[], object] | None
) -> Forward | None:
    try:
        forward = Forward(f, layout, dtype, before)
    except Exception:  # f need not take another dtype
        return None
    kinds = [leaf.dtype for leaf in forward.results.leaves]
    fits = all(kind == dtype for kind in kinds) and np.isfinite(forward.y).all()
    return forward if fits else None


def _finer(forward: Forward, v: Array) -> Differences | None:
    double = all(leaf.dtype == np.float64 for leaf in forward.results.leaves)
    large = forward.x.size + forward.y.size > LONG
    if np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps or not double or large:
        return None
    fine = _in(forward.f, forward.layout, np.longdouble, forward.before)
    if fine is None or fine.y.shape != forward.y.shape:
        return None
    # What differs by more than any rounding is another function.
    size = float(np.abs(fine.y).max(initial=0))
    off = np.abs(fine.y - forward.y)
    if (off > OTHER * size).any():
        return None
    span = SPAN[16]
    noise = np.maximum(listen(fine.moved, v, span), np.finfo(np.longdouble).eps * np.abs(fine.y))
    # So much is no rounding of double precision, but of single precision within, which long double
    # shares; its steps may be wider than the span.
    noise = np.where(off > WITHIN * size, np.maximum(noise, off), noise)
    return Differences(fine.moved, fine.y, noise)
