"""The known ways to compute each stage, as data: faithful, variant or wrong, each with its sentence.

A stage is a `dict` of axes. A row of a table sets one axis to another value than the paper's, and
says what that is. Three tables, one a stage: `CHANNEL` for Mc, `SPATIAL` for Ms, `COMPOSE` for what
is done with both. All rows run on complex numbers, so that the complex step gives their gradients.
"""

from npcbam.oracle.rules.channel import CHANNEL, CHANNEL_PAPER, channel_logits, channel_map
from npcbam.oracle.rules.composed import COMPOSE
from npcbam.oracle.rules.composition import Maps
from npcbam.oracle.rules.rule import FAITHFUL, VARIANT, WRONG, Row, Run, Weights
from npcbam.oracle.rules.spatial import SPATIAL, SPATIAL_PAPER, spatial_logits, spatial_map

# What the identification calls them.
Stages = Maps
# All that stands where a sigmoid belongs, by name, and the sigmoid.
GATES = {
    str(gate): gate
    for gate in (
        CHANNEL_PAPER["gate"],
        *(row.sets["gate"] for row in (*CHANNEL, *SPATIAL) if "gate" in row.sets),
    )
}

__all__ = [
    "CHANNEL",
    "CHANNEL_PAPER",
    "COMPOSE",
    "FAITHFUL",
    "GATES",
    "SPATIAL",
    "SPATIAL_PAPER",
    "VARIANT",
    "WRONG",
    "Maps",
    "Row",
    "Run",
    "Stages",
    "Weights",
    "channel_logits",
    "channel_map",
    "spatial_logits",
    "spatial_map",
]
