"""What is asked of a candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.oracle.candidates.candidate import STAGES
from npcbam.oracle.precision import DTYPES
from npcbam.oracle.rules.conventions import FAITHFUL, asked


@dataclass(frozen=True)
class Question:
    """What a candidate is built with, and what it is to be; see `check`.

    Raises
    ------
    TypeError, ValueError
        An argument is out of range.
    """

    channels: int = 64
    settings: Mapping[str, object] = field(default_factory=dict)
    parameters: Mapping[str, Array] | None = None
    expect: str = FAITHFUL
    stage: str = "whole"
    dtype: str | None = None
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        arguments.positive("channels", self.channels)
        asked(self.expect)
        arguments.seed("seed", self.seed)
        arguments.choice("stage", self.stage, STAGES)
        if self.dtype is not None:
            arguments.choice("dtype", self.dtype, DTYPES)
