"""The same pullback, called more than once: what it must bear besides its first call."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.cotangents import in_other_order, spread
from npcbam.gradcheck.formats import tiny_of
from npcbam.gradcheck.forward import Forward, Pullback
from npcbam.gradcheck.kept import Kept, raised, same
from npcbam.gradcheck.layout import Leaf
from npcbam.gradcheck.outcomes import Stop
from npcbam.gradcheck.reading import read

# A pullback is linear but for rounding; what lies between is judged by the derivative.
LINEAR = 1e-4


class Again:
    """The same pullback, called more than once."""

    def __init__(self, forward: Forward, kept: Kept, unit: float) -> None:
        self._forward, self._kept, self._unit = forward, kept, unit
        self._layout = forward.layout
        self._dy, self._other = (each.dy for each in kept.asked[:2])
        self._largest = float(np.abs(self._dy * forward.y).max(initial=0))

    def _terms(self, leaf: Leaf) -> float:
        """Return of which size terms may cancel in the cotangent of a leaf."""
        # dy ∂y/∂x is of the size of dy y / x, and smaller than dy y where x is large.
        return self._largest / max(1.0, float(np.abs(leaf.value).max(initial=0)))

    def _moved(self, code: str, reason: str, before: Array, after: Array) -> None:
        for leaf in self._layout.leaves:
            old, new = before[leaf.part], after[leaf.part]
            if not same(old, new, self._unit, self._terms(leaf)):
                self._kept.find(code, f"{reason}: d{leaf.name} differs", leaf.name)

    def _given(self, pullback: Pullback, dy: Any, code: str, when: str) -> Array | None:
        """Return what the pullback gives for dy, or None and find that it raised."""
        try:
            return read(self._layout, pullback(dy)).g
        except Stop:
            raise
        except Exception as error:
            self._kept.find(code, f"{when} {raised(error)}")
            return None

    def twice(self) -> None:
        """Call for dy, for another, and for dy again; without what writes to inputs explains."""
        results, pullback, _ = self._forward.start()
        result = pullback(results.cotangent(self._dy))
        g = read(self._layout, result).g
        try:
            other = read(self._layout, pullback(results.cotangent(self._other))).g
            after = read(self._layout, result).g
            again = read(self._layout, pullback(results.cotangent(self._dy))).g
        except Stop:
            raise
        except Exception as error:
            return self._kept.find("impure", f"a second call: {raised(error)}")
        reason = "a second call of the pullback overwrites what the first one gave"
        self._moved("impure", reason, g, after)
        reason = "a second call of the pullback gives another result"
        # What is turned over at each call is as it was at every other one.
        self._moved("impure", reason, self._kept.readings[1].g, other)
        return self._moved("impure", reason, g, again)

    def turned(self) -> None:
        """Demand of -dy the opposite: rounding is the same for both signs."""
        results, pullback, _ = self._forward.start()
        g = self._given(pullback, results.cotangent(-self._dy), "exception", "for -dy")
        if g is None:
            return
        right = self._kept.readings[0].g
        for leaf in self._layout.leaves:
            one, other = right[leaf.part], -g[leaf.part]
            if not same(one, other, self._unit, self._terms(leaf)):
                off = float(np.nanmax(np.abs(one - other)))
                said = f"the pullback is not linear in dy: of -dy it makes another d{leaf.name} "
                said += f"than the opposite of what it makes of dy, by up to {off:.3g}"
                self._kept.find("nonlinear", said, leaf.name)

    def of_a_sum(self) -> None:
        """Demand of a sum of cotangents the sum of what each gives."""
        share = max(LINEAR, 4096 * self._unit)
        results, pullback, _ = self._forward.start()
        dy = results.rounded(self._dy + self._other)
        g = self._given(pullback, results.cotangent(dy), "exception", "for a sum of two dy")
        if g is None:
            return
        parts = [reading.g for reading in self._kept.readings[:2]]
        for leaf in self._layout.leaves:
            one, two, both = (part[leaf.part] for part in (*parts, g))
            size = np.max(np.abs(np.stack([one, two])), initial=0)
            off = np.abs(both - one - two)
            # Below the smallest number that has all its digits nothing is linear.
            least = 4096 * self._unit * self._terms(leaf) + tiny_of(leaf.value.dtype)
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
            said = f"{raised(error)}, for a dy that lies in memory in another order"
            return self._kept.notes.append(said)
        reason = "for an equal dy that lies in memory in another order the pullback gives another"
        return self._moved("layout", f"{reason} result", self._kept.readings[0].g, g)

    def after_another_run(self, rng: np.random.Generator, place: Array) -> None:
        """Run f at another place, as the second use of a shared layer does, and ask again."""
        results, pullback, _ = self._forward.start()
        try:
            away, other = self._forward.at(place)
            other(away.cotangent(spread(rng, away.size)))
        except Exception:  # f need not be defined there
            return
        again = self._given(
            pullback, results.cotangent(self._dy), "stale", "after f ran on other arguments"
        )
        if again is not None:
            reason = "after f ran on other arguments, the first pullback gives another result"
            self._moved("stale", reason, self._kept.readings[0].g, again)
