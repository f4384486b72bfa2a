"""Derivatives of every result along a direction, by finite differences that know their error.

Steps fall geometrically and are extrapolated to 0 (Ridders 1982), for each result by itself: a kink
or a jump between the probes of one leaves the others alone. A result has a derivative where three
rows agree; where left and right do not, it has two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.slopes import Moved, Slopes

# No ratio of whole numbers: where results are rounded to steps, quotients at such ratios agree by
# chance. The golden one is the farthest from all of them.
RATIO = 0.5 * (3 - 5**0.5)
# The largest step, of a direction that is in units of what it moves; and where results have few
# digits, so that a small step would show rounding alone.
FIRST, FIRST_OF_FEW = 2.0**-4, 2.0**-1
FEW = 1e-10
LEVELS = 28  # down to 1e-12 of it
# Powers of the step in the error of what is extrapolated. No more: old rows may lie across a kink.
EVEN, ODD, ALL = (2, 4, 6), (1, 3, 5), (1, 2, 3)
BEND = 3**0.5  # roundings in half of a second difference, beside those in half of a first one
# Two rows may agree by chance; so an error counts four times what the last step of the
# extrapolation changed, and eight standard deviations of the rounding, which thirteen places tell
# to about a third.
CHANGE, ROUNDING = 4.0, 8.0
# What is off by more than this share of itself, and did not fade to less than that of the largest
# quotient, is no estimate.
OPEN, FADED = 0.3, 1e-3
EVENLY = 0.05  # as far as rises of one slope may differ that are made of many small steps
FAINT = 1e-6  # of a result: a slope below that, of a move by the whole unit, is as good as none
STEADY = 0.75  # of what is smooth no more than RATIO stays when the step falls


class Differences:
    """Slopes by finite differences."""

    name = "finite differences"

    def __init__(self, moved: Moved, y: Array, noise: Array) -> None:
        """Take derivatives of `moved`, with results `y` at the point and this rounding in each."""
        self._moved, self.y, self._noise = moved, y, noise
        few = float(noise.max(initial=0)) > FEW * float(np.abs(y).max(initial=0))
        self._first = FIRST_OF_FEW if few else FIRST

    def along(self, v: Array, enough: float = 1e-11) -> Slopes:
        """Return the slopes along `v`, in units of what it moves.

        `enough` is the error, of the largest slope, at which to stop.
        """
        table = _Table(self._noise, EVEN)
        # Half of what the slopes of both sides differ by: what is smooth leaves nothing of it.
        bends = _Table(BEND * self._noise, ODD)
        bent = np.zeros(self._noise.shape, bool)  # where the value comes from
        wide: list[Array] = []  # the rises to both sides over the widest steps
        for t in self._steps():
            ahead, behind = self._moved(t * v), self._moved(-t * v)
            wide += [(ahead - self.y) / t, (self.y - behind) / t] if len(wide) < 4 else []
            table.add((ahead - behind) / (2 * t), t)
            bends.add((ahead - 2 * self.y + behind) / (2 * t), t)
            bent = np.where(table.taken, bends.known, bent)
            if table.settled(enough) and bends.settled(enough, table.value):
                break
        table.close(self.y)
        bent |= bends.known
        # Beside what is smooth a kink may hide, but not for long: what is left then is rounding.
        hides = ~bent & (bends.error > 4 * bends.rounding)
        hidden = np.where(hides, np.abs(bends.value) + bends.error, 0.0)
        table.error = np.fmax(table.error, hidden)
        rough = table.error > 1e-3 * np.abs(table.value[np.isfinite(table.value)]).max(initial=0)
        at = bent | ~np.isfinite(table.error) | (rough & (table.error > 4 * table.rounding))
        central = Slopes(table.value, table.value, table.error, np.zeros(at.shape, bool))
        found = self._sides(v, enough, central, at) if at.any() else central
        steps = _rises_in_steps(wide) & (found.left == 0) & (found.right == 0)
        if not steps.any():
            return found
        none = np.where(steps, np.nan, 0.0)
        error = np.where(steps, np.inf, found.error)
        return Slopes(found.left + none, found.right + none, error, found.jumps | steps)

    def _sides(self, v: Array, enough: float, central: Slopes, at: Array) -> Slopes:
        """Take the slopes from left and right of the results `at` which a central one is none."""
        left, right = (self._one_side(v, enough, side, at) for side in (-1, 1))
        error = np.maximum(left.error, right.error)
        apart = np.abs(left.value - right.value) > 2 * error
        for side in (left, right):  # the central one may lie across a kink that both are short of
            apart |= np.abs(side.value - central.left) > side.error + central.error
        two = at & ((error < central.error) | apart)
        low, high = (np.where(two, side.value, central.right) for side in (left, right))
        error = np.where(two, error, central.error)
        jumps = at & (left.bent | right.bent)
        # At an edge, of the domain or of a jump, one side alone has a derivative.
        for one, other in ((left, right), (right, left)):
            none = other.bent | ~np.isfinite(other.error)
            only = at & np.isfinite(one.error) & ~one.bent & none
            low, high = np.where(only, one.value, low), np.where(only, one.value, high)
            # A slope that is lost in its own error, at an edge, may be one that grows without end.
            lost = (one.error > OPEN * np.abs(one.value)) & ~np.isfinite(other.error) & ~other.bent
            error = np.where(only, np.where(lost, np.inf, one.error), error)
        error = np.where(at & left.bent & right.bent, np.inf, error)
        return Slopes(low, high, error, jumps)

    def _steps(self) -> Iterator[float]:
        return (self._first * RATIO**level for level in range(LEVELS))

    def _one_side(self, v: Array, enough: float, side: int, at: Array) -> _Table:
        table = _Table(self._noise, ALL, at)
        for t in self._steps():
            rise = side * (self._moved(side * t * v) - self.y)
            table.add(rise / t, t)
            table.jump(rise)
            if table.settled(enough):
                break
        table.close(self.y)
        return table


class _Table:
    """Richardson's table of every result: the best of its entries, with their errors.

    Attributes
    ----------
    value, error : of each result; NaN and infinite while there is none
    rounding : how much of the error is rounding
    taken : whether the last step made the value
    bent : whether the rise of a result to one side stays while the step falls, which is a jump
    """

    def __init__(self, noise: Array, powers: Sequence[int], at: Array | None = None) -> None:
        """Extrapolate quotients whose error has these `powers` of the step.

        `at` tells for which results to go on.
        """
        self._noise, self._powers = noise, powers
        self._at = np.ones(noise.shape, bool) if at is None else at
        self.value, self.error = np.full(noise.shape, np.nan), np.full(noise.shape, np.inf)
        self.rounding = np.full(noise.shape, np.inf)
        self.bent, self.taken = np.zeros(noise.shape, bool), np.zeros(noise.shape, bool)
        self._row: list[Array] = []
        self._rises: list[Array] = []
        self._next = np.full(noise.shape, np.inf)
        self._most = np.zeros(noise.shape)

    def add(self, quotient: Array, t: float) -> None:
        """Take in the quotient at step t, and extrapolate."""
        if not np.isfinite(quotient).any():
            self._row, self._rises = [], []
            return
        # The quotients are rounded themselves.
        unit = np.finfo(quotient.dtype).eps
        rounding = ROUNDING * (self._noise / t + unit * np.abs(quotient))
        self._most = np.fmax(self._most, np.abs(quotient))
        self.taken = np.zeros(quotient.shape, bool)
        row = [quotient]
        for order, previous in enumerate(self._row[: len(self._powers)], start=1):
            factor = RATIO ** self._powers[order - 1]
            row.append((row[-1] - factor * previous) / (1 - factor))
            if order > 1:
                last = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - previous))
                self._take(row[-1], CHANGE * last + rounding, rounding)
        self._row, self._next = row, rounding

    @property
    def known(self) -> Array:
        """Tell of each result whether its value is not 0."""
        return np.asarray(np.abs(self.value) > self.error)

    def _take(self, value: Array, error: Array, rounding: Array) -> None:
        # The smaller step is the nearer one: what lies outside of its error is refuted.
        with np.errstate(invalid="ignore"):
            refuted = np.abs(value - self.value) > error + self.error
        better = (error < self.error) | refuted  # never where it is NaN
        self.taken |= better
        self.value = np.where(better, value, self.value)
        self.error = np.where(better, error, self.error)
        self.rounding = np.where(better, rounding, self.rounding)

    def jump(self, rise: Array) -> None:
        """Find out whether a result jumps, from how it rises at this step and at those before."""
        self._rises = [*self._rises[-2:], np.abs(rise)]
        if len(self._rises) == 3:
            a, b, c = self._rises
            seen = c > 1e3 * self._noise
            self.bent = np.asarray((c > STEADY * b) & (b > STEADY * a) & seen & (a > 0))

    def close(self, y: Array) -> None:
        """Take for no estimate what never came near to one, as a slope that grows without end.

        Of results `y`, of which a slope may be nothing but rounding.
        """
        size = np.fmax(np.abs(self.value), np.fmax(FADED * self._most, FAINT * np.abs(y)))
        none = (self.error > OPEN * size) & (self.error > 4 * self.rounding)
        self.error = np.where(none, np.inf, self.error)

    def settled(self, enough: float, value: Array | None = None) -> bool:
        """Tell whether no smaller step can help, or none need, beside the largest `value`."""
        value = np.abs((self.value if value is None else value)[self._at])
        error = self.error[self._at]
        if not self._row or not np.isfinite(error).all():
            return False
        # The rounding grows as the step falls: nothing better can follow.
        least = np.maximum(enough * value.max(initial=0), self._next[self._at])
        return bool((error <= least).all())


def _rises_in_steps(wide: Sequence[Array]) -> Array:
    """Tell which results rise evenly to both sides, over several wide steps.

    What does so, and stands still over small steps, is smooth and rounded to steps of its own, or
    a staircase that is meant: nobody can tell from its values.
    """
    size = np.abs(wide[0])
    even = [np.abs(rise - wide[0]) <= EVENLY * size for rise in wide]
    return np.asarray((size > 0) & np.all(even, axis=0))


# Places at unequal distances: at equal ones roundings may follow each other in step, unheard.
PLACES = np.linspace(-1, 1, 13) + 0.05 * np.sin(np.arange(13.0) ** 2)
# Where results stand still from one place to the next they may be rounded to steps wider than the
# span; a wider one tells. Steps of this share of a result are rounding, single precision within
# included; larger ones are steps of a staircase, on which the derivative is 0.
WIDER, FINE = 2.0**12, 2.0**-20
# What is louder than so many units may be narrower than the span, as a pole nearby, and no
# rounding: over spans that fall by this factor, so often, what is smooth fades by the fourth power
# of it, to a part between these. Rounding stays, or is gone at once where it has steps of its own.
ALONE = 1e3  # times all others: a step between two places
LOUD, SHORTER, OFTEN, FADES = 2.0**12, 2.0**-4, 3, (1e-6, 1e-2)


def rounding_of(values: Array, places: Array = PLACES) -> Array:
    """Return the rounding (standard deviation) in each of some results, from values along a line.

    Parameters
    ----------
    values : (13, m) results at the places, so near to each other that fourth differences of what
        is smooth are nothing

    The median of the nine fourth differences: a kink among them raises four at most.
    """
    weights = np.zeros((9, 13), values.dtype)
    for k in range(9):
        weights[k, k : k + 5] = _fourth(places[k : k + 5])
    # Rounded weights would leave a part of the values themselves.
    fourth = weights @ (values - values[6])
    # The median of the size of a normal number is 0.67 of its standard deviation.
    return np.asarray(np.median(np.abs(fourth), axis=0) / 0.67)


def _fourth(places: Array) -> Array:
    """Return the weights of a divided difference of five values: one rounding each makes one."""
    weights = 1 / (places[:, None] - places + np.eye(5)).prod(axis=1)
    return np.asarray(weights / np.linalg.norm(weights))


def _one_step(values: Array) -> Array:
    """Return by how much a result steps, where it does so between two of the places alone.

    So short a span meets a jump that is meant once in a million: it is rounding to wide steps.
    """
    slopes = np.diff(values, axis=0) / np.diff(PLACES)[:, None]
    off = np.abs(slopes - np.median(slopes, axis=0))
    # At an end of the span a kink looks the same; and at the point itself a jump is meant.
    inside = np.isin(off.argmax(axis=0), (2, 3, 4, 7, 8, 9))
    off = np.sort(off, axis=0)
    alone = inside & (
        off[-1] > ALONE * np.maximum(off[-2], np.finfo(values.dtype).eps * np.abs(values[6]))
    )
    return np.asarray(np.where(alone, off[-1] * np.diff(PLACES).max(), 0.0))


def listen(moved: Callable[[Array], Array], v: Array, width: float) -> Array:
    """Return `rounding_of` the results between -v and v times `width`."""
    values = np.array([moved(width * t * v) for t in PLACES])
    noise = np.maximum(rounding_of(values), _one_step(values))
    still = (np.diff(values, axis=0) == 0).any(axis=0)
    if WIDER * width < 1e-2 and still.any():
        wide = rounding_of(np.array([moved(WIDER * width * t * v) for t in PLACES]))
        still &= wide <= FINE * np.abs(values[6])
        noise = np.where(still, np.maximum(noise, wide), noise)
    loud = noise > LOUD * np.finfo(values.dtype).eps * np.abs(values[6])
    for _ in range(OFTEN):
        if not loud.any():
            break
        width *= SHORTER
        values = np.array([moved(width * t * v) for t in PLACES])
        shorter = rounding_of(values)
        fades = (shorter > FADES[0] * noise) & (shorter < FADES[1] * noise)
        loud &= (np.diff(values, axis=0) != 0).all(axis=0) & fades
        noise = np.where(loud, shorter, noise)
    return noise
