"""The channel gate's rules of how both descriptors come together."""

from __future__ import annotations

from npcbam.oracle.rules.rule import VARIANT, WRONG, Rule

RULES = (
    Rule(
        code="channel-light",
        stage="channel",
        status=VARIANT,
        sentence="the mean of both descriptors passes the MLP once, as in timm's light block",
        sets={"merge": "mean"},
    ),
    Rule(
        code="channel-merged-before-mlp",
        stage="channel",
        status=WRONG,
        sentence="the descriptors are added before the MLP, and pass it once",
        sets={"merge": "sum"},
    ),
    Rule(
        code="channel-product",
        stage="channel",
        status=WRONG,
        sentence="the descriptors are multiplied before the MLP",
        sets={"merge": "product"},
    ),
    Rule(
        code="channel-two-sigmoids",
        stage="channel",
        status=WRONG,
        sentence="each branch has its own sigmoid and the two are added: the gate runs to 2",
        sets={"merge": "sigmoids"},
    ),
    Rule(
        code="channel-mean-of-sigmoids",
        stage="channel",
        status=WRONG,
        sentence="each branch has its own sigmoid and the two are averaged",
        sets={"merge": "sigmoids-mean"},
    ),
    Rule(
        code="channel-product-of-sigmoids",
        stage="channel",
        status=WRONG,
        sentence="each branch has its own sigmoid and the two are multiplied",
        sets={"merge": "sigmoids-product"},
    ),
    Rule(
        code="channel-max-of-logits",
        stage="channel",
        status=WRONG,
        sentence="the larger of the two logits is taken in place of their sum",
        sets={"merge": "logits-max"},
    ),
    Rule(
        code="channel-mean-of-logits",
        stage="channel",
        status=WRONG,
        sentence="the logits are averaged in place of added, so that the gate is flatter",
        sets={"merge": "logits-mean"},
    ),
    Rule(
        code="channel-difference",
        stage="channel",
        status=WRONG,
        sentence="the logits are subtracted in place of added",
        sets={"merge": "logits-difference"},
    ),
)
