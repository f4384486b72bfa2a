"""A row of a table: one way to compute a stage, its status and its sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from npcbam.arguments import Array
from npcbam.oracle.findings import Status

FAITHFUL: Status = "faithful"
VARIANT: Status = "variant"
WRONG: Status = "wrong"
Weights = Mapping[str, Array]
# y of a candidate for weights, by the keys of the tables, and an input.
Run = Callable[[Weights, Array], Array]


@dataclass(frozen=True)
class Row:
    """One way to compute a stage, set apart from the paper's by `sets`.

    Attributes
    ----------
    code : a stable word for scripts
    status : "faithful" (a convention that the paper leaves open), "variant" or "wrong"
    message : what it does, in a sentence for a newcomer
    sets : the axes of the stage that it sets
    """

    code: str
    status: Status
    message: str
    sets: Mapping[str, Any] = field(default_factory=dict)
