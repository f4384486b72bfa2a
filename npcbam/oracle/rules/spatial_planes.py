"""The spatial gate's rules of its planes: which pools over the channels, how many, in which order."""

from __future__ import annotations

from npcbam.oracle.rules.rule import FAITHFUL, VARIANT, WRONG, Rule

RULES = (
    Rule(
        code="spatial-paper",
        stage="spatial",
        status=FAITHFUL,
        sentence="the spatial gate follows Eq. 3, planes [avg, max]",
    ),
    Rule(
        code="spatial-max-avg",
        stage="spatial",
        status=FAITHFUL,
        sentence="the planes are [max, avg]",
        sets={"pools": ("max", "avg")},
    ),
    Rule(
        code="spatial-light",
        stage="spatial",
        status=VARIANT,
        sentence="one plane, the mean of both pools, as in timm's light block",
        sets={"pools": ("blend",)},
    ),
    Rule(
        code="spatial-avg-only",
        stage="spatial",
        status=VARIANT,
        sentence="the spatial gate pools the average only",
        sets={"pools": ("avg",)},
    ),
    Rule(
        code="spatial-max-only",
        stage="spatial",
        status=VARIANT,
        sentence="the spatial gate pools the maximum only",
        sets={"pools": ("max",)},
    ),
    Rule(
        code="spatial-avg-twice",
        stage="spatial",
        status=WRONG,
        sentence="both planes are the average: the maximum has no effect on Ms",
        sets={"pools": ("avg", "avg")},
    ),
    Rule(
        code="spatial-max-twice",
        stage="spatial",
        status=WRONG,
        sentence="both planes are the maximum: the average has no effect on Ms",
        sets={"pools": ("max", "max")},
    ),
    Rule(
        code="spatial-sum-plane",
        stage="spatial",
        status=WRONG,
        sentence="the planes are added, and not stacked or averaged",
        sets={"pools": ("total",)},
    ),
    Rule(
        code="spatial-first-channels",
        stage="spatial",
        status=WRONG,
        sentence="the planes are the first two channels, and no pools",
        sets={"pools": ("first", "second")},
    ),
)
