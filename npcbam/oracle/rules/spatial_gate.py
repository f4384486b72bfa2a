"""The spatial gate's rules of what makes a map of the logits, where the sigmoid belongs."""

from __future__ import annotations

from npcbam.oracle.rules.functions import (
    CLAMP,
    HARD_SIGMOID,
    NONE,
    ONE_MINUS,
    ONE_PLUS,
    POSITION_SOFTMAX,
    RELU,
    SIGMOID_TWICE,
    SILU,
    TANH,
)
from npcbam.oracle.rules.rule import WRONG, Rule

RULES = (
    Rule(
        code="spatial-relu-before-sigmoid",
        stage="spatial",
        status=WRONG,
        sentence="a ReLU stands before the sigmoid, so that the map never goes below one half",
        sets={"after": RELU},
    ),
    Rule(
        code="spatial-no-sigmoid",
        stage="spatial",
        status=WRONG,
        sentence="the spatial gate has no sigmoid: it is not bounded",
        sets={"gate": NONE},
    ),
    Rule(
        code="spatial-silu",
        stage="spatial",
        status=WRONG,
        sentence="SiLU stands where the sigmoid belongs",
        sets={"gate": SILU},
    ),
    Rule(
        code="spatial-tanh",
        stage="spatial",
        status=WRONG,
        sentence="tanh stands where the sigmoid belongs: the map goes below 0",
        sets={"gate": TANH},
    ),
    Rule(
        code="spatial-relu",
        stage="spatial",
        status=WRONG,
        sentence="ReLU stands where the sigmoid belongs",
        sets={"gate": RELU},
    ),
    Rule(
        code="spatial-hardsigmoid",
        stage="spatial",
        status=WRONG,
        sentence="a hard sigmoid stands where the sigmoid belongs",
        sets={"gate": HARD_SIGMOID},
    ),
    Rule(
        code="spatial-clamp",
        stage="spatial",
        status=WRONG,
        sentence="the logits are cut off at 0 and 1, and not squashed by a sigmoid",
        sets={"gate": CLAMP},
    ),
    Rule(
        code="spatial-sigmoid-twice",
        stage="spatial",
        status=WRONG,
        sentence="the sigmoid is applied twice: the map stays between 0.5 and 0.73",
        sets={"gate": SIGMOID_TWICE},
    ),
    Rule(
        code="spatial-one-plus",
        stage="spatial",
        status=WRONG,
        sentence="1 is added to the spatial map, and so F' to F''",
        sets={"gate": ONE_PLUS},
    ),
    Rule(
        code="spatial-one-minus",
        stage="spatial",
        status=WRONG,
        sentence="the spatial map is subtracted from 1",
        sets={"gate": ONE_MINUS},
    ),
    Rule(
        code="spatial-softmax",
        stage="spatial",
        status=WRONG,
        sentence="a softmax over the positions stands where the sigmoid belongs",
        sets={"gate": POSITION_SOFTMAX},
    ),
    Rule(
        code="spatial-one-number",
        stage="spatial",
        status=WRONG,
        sentence="the map is averaged to one number per image",
        sets={"spread": "mean"},
    ),
    Rule(
        code="spatial-one-number-before",
        stage="spatial",
        status=WRONG,
        sentence="the logits are averaged to one number per image before the sigmoid",
        sets={"spread": "mean-logits"},
    ),
    Rule(
        code="spatial-max-number",
        stage="spatial",
        status=WRONG,
        sentence="the map is reduced to its largest value, one number per image",
        sets={"spread": "max"},
    ),
)
