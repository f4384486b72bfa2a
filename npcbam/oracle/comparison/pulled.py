"""What a candidate's backward gave on one input, beside what it should have given."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from npcbam import tree
from npcbam.arguments import Array
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.comparison.one_gate import Reference
from npcbam.oracle.precision import PRECISIONS, TRANSFORMED, rounded
from npcbam.oracle.probing.running import Outcome
from npcbam.routes import Cotangents, Gains, pulled


@dataclass(frozen=True, eq=False)
class Given:
    """What a candidate's backward gave on one input.

    Attributes
    ----------
    name, x, dy : the input and the cotangent
    dparams, dx : the gradients that it gave, by the candidate's own names
    """

    name: str
    x: Array
    dy: Array
    dparams: Mapping[str, Array]
    dx: Array

    def dx_of(self, block: Reference) -> Array:
        """Return the dx of a block there."""
        return block.vjp(self.x)[1](self.dy)[1]


def given(seen: Sequence[Outcome], dtype: str) -> list[Given]:
    """Return all gradients, with x and dy rounded as the candidate has them."""
    return [
        Given(o.input.name, rounded(o.input.x, dtype), rounded(o.dy, dtype), *o.cotangents)
        for o in seen
        if o.cotangents is not None
    ]


@dataclass(frozen=True, eq=False)
class Pulled(Given):
    """The same by the leaves of the reference, and what it should have given.

    Attributes
    ----------
    cbam : the reading
    dtype : the precision that it ran at
    """

    cbam: Reference
    dtype: str = "float64"

    @functools.cached_property
    def tolerance(self) -> dict[str, Array]:
        """How far rounding may take each gradient, entry by entry: of "dx", and by leaf.

        Where an entry is 0 in every sum, by a Fourier transform it is 0 up to rounding.
        """
        bounds, (leaves, dx) = allowed(self.cbam, self.x, self.dy, self.dtype), self.expected
        found = {}
        for name, value in {"dx": dx, **leaves}.items():
            least = TRANSFORMED * PRECISIONS[self.dtype].unit * float(np.abs(value).max(initial=0))
            bound = bounds["dx" if name == "dx" else f"d{name}"]
            found[name] = np.where(bound == 0, least, bound)
        return found

    @functools.cached_property
    def expected(self) -> Cotangents:
        """The gradients of the reading, by leaf, and dx."""
        dcbam, dx = self.cbam.vjp(self.x)[1](self.dy)
        return dict(tree.leaves(dcbam)), dx

    def with_gains(self, gains: Gains) -> Cotangents:
        """Return the gradients by leaf, and dx, with these gains; see `pulled`."""
        return pulled(self.cbam, self.x, self.dy, gains)
