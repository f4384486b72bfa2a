"""All that the oracle can say, as data: one rule is one entry, with all that is known of it.

Read `rule` (what an entry holds), then any file of entries, such as `channel_merge`; then `channel`
and `spatial`, which compute Mc and Ms by axes of which a rule sets one, and `composition`. They run
on complex numbers, so that the complex step gives their gradients. `lines` runs what a rule shows,
`catalogue` has all rules by code, and `text`, `page` and `command` show them. `mistaken` makes the
mistakes of a block with given weights.

>>> from npcbam.oracle.rules.catalogue import rule
>>> print(rule("channel-two-sigmoids").bad)
mc = column(sigmoid(mlp(avg(x))) + sigmoid(mlp(top(x))))
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
