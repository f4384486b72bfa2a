"""The spatial gate's rules of another statistic over the channels where one of its pools belongs."""

from __future__ import annotations

from npcbam.oracle.rules.rule import WRONG, Rule, one_of

RULES = (
    Rule(
        code="spatial-min-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the minimum over the channels stands where the average belongs",
        parameter=one_of("pools", ("min", "max"), ("max", "min")),
        was=("spatial-max-min",),
    ),
    Rule(
        code="spatial-min-for-max",
        stage="spatial",
        status=WRONG,
        sentence="the minimum over the channels stands where the maximum belongs",
        sets={"pools": ("avg", "min")},
    ),
    Rule(
        code="spatial-sum-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the sum over the channels stands where the average belongs",
        parameter=one_of("pools", ("sum", "max"), ("max", "sum")),
        was=("spatial-max-sum",),
    ),
    Rule(
        code="spatial-std-for-max",
        stage="spatial",
        status=WRONG,
        sentence="the standard deviation over the channels stands where the maximum belongs",
        parameter=one_of("pools", ("avg", "std"), ("avg", "std-biased")),
        was=("spatial-std-for-max-biased",),
    ),
    Rule(
        code="spatial-std-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the standard deviation over the channels stands where the average belongs",
        parameter=one_of("pools", ("std", "max"), ("std-biased", "max")),
        was=("spatial-std-for-avg-biased",),
    ),
    Rule(
        code="spatial-median-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the median over the channels stands where the average belongs",
        sets={"pools": ("median", "max")},
    ),
    Rule(
        code="spatial-median-for-max",
        stage="spatial",
        status=WRONG,
        sentence="the median over the channels stands where the maximum belongs",
        sets={"pools": ("avg", "median")},
    ),
    Rule(
        code="spatial-abs-max",
        stage="spatial",
        status=WRONG,
        sentence="the largest magnitude over the channels stands where the maximum belongs",
        sets={"pools": ("avg", "absmax")},
    ),
    Rule(
        code="spatial-lp-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the norm of the channels stands where the average belongs",
        sets={"pools": ("lp", "max")},
    ),
)
