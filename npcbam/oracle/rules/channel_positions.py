"""The channel gate's rules of where is pooled: over which positions and axes."""

from __future__ import annotations

from npcbam.oracle.rules.rule import WRONG, Rule

RULES = (
    Rule(
        code="channel-first-position",
        stage="channel",
        status=WRONG,
        sentence="the maximum is taken over the first axis of the map alone, and then averaged",
        sets={"pools": ("avg", "maxmean")},
    ),
    Rule(
        code="channel-one-axis",
        stage="channel",
        status=WRONG,
        sentence="the pools run along the first axis of the map alone, so that Mc differs from column to column",
        sets={"over": "first"},
    ),
    Rule(
        code="channel-last-axis",
        stage="channel",
        status=WRONG,
        sentence="the pools run along the last axis of the map alone, so that Mc differs from row to row",
        sets={"over": "last"},
    ),
    Rule(
        code="channel-scrambled",
        stage="channel",
        status=WRONG,
        sentence="the features are reshaped to (N, H*W, C) without moving an axis: each pool mixes channels",
        sets={"over": "scrambled"},
    ),
)
