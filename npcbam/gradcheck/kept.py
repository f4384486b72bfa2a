"""What a pullback gave, for each cotangent, and which duties it failed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from npcbam.arguments import Array
from npcbam.gradcheck.cotangents import Cotangent
from npcbam.gradcheck.findings import Finding
from npcbam.gradcheck.reading import Reading
from npcbam.messages import sentence


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


def same(one: Array, two: Array, unit: float, largest: float = 0.0) -> bool:
    """Tell whether two vectors are equal but for the order in which numbers are added up.

    `largest` is the size of what may have been added.
    """
    size = max(float(np.abs(one[np.isfinite(one)]).max(initial=0)), largest)
    return bool(np.allclose(one, two, rtol=0, atol=64 * unit * size, equal_nan=True))


def raised(error: Exception, when: str = "") -> str:
    """Say that the pullback raised."""
    kind = type(error).__name__
    said = sentence(error).removeprefix(kind)
    return f"the pullback raised {kind}{f' for {when}' if when else ''}{said}"
