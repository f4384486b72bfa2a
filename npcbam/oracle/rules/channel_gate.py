"""The channel gate's rules of what makes a map of the logits, where the sigmoid belongs."""

from __future__ import annotations

from npcbam.oracle.rules.functions import (
    CHANNEL_SOFTMAX,
    CLAMP,
    HARD_SIGMOID,
    NONE,
    ONE_MINUS,
    ONE_PLUS,
    RELU,
    SIGMOID_TWICE,
    SILU,
    TANH,
    TWICE,
)
from npcbam.oracle.rules.rule import FAITHFUL, WRONG, Rule

RULES = (
    Rule(
        code="channel-paper",
        stage="channel",
        status=FAITHFUL,
        sentence="the channel gate follows Eq. 2",
    ),
    Rule(
        code="channel-sigmoid-twice",
        stage="channel",
        status=WRONG,
        sentence="the sigmoid is applied twice: the gate stays between 0.5 and 0.73",
        sets={"gate": SIGMOID_TWICE},
    ),
    Rule(
        code="channel-no-sigmoid",
        stage="channel",
        status=WRONG,
        sentence="the channel gate has no sigmoid: it is not bounded",
        sets={"gate": NONE},
    ),
    Rule(
        code="channel-tanh",
        stage="channel",
        status=WRONG,
        sentence="tanh stands where the sigmoid belongs: the gate goes below 0",
        sets={"gate": TANH},
    ),
    Rule(
        code="channel-hardsigmoid",
        stage="channel",
        status=WRONG,
        sentence="a hard sigmoid stands where the sigmoid belongs",
        sets={"gate": HARD_SIGMOID},
    ),
    Rule(
        code="channel-clamp",
        stage="channel",
        status=WRONG,
        sentence="the logits are cut off at 0 and 1, and not squashed by a sigmoid",
        sets={"gate": CLAMP},
    ),
    Rule(
        code="channel-softmax",
        stage="channel",
        status=WRONG,
        sentence="a softmax over the channels stands where the sigmoid belongs",
        sets={"gate": CHANNEL_SOFTMAX},
    ),
    Rule(
        code="channel-silu-gate",
        stage="channel",
        status=WRONG,
        sentence="SiLU stands where the sigmoid belongs",
        sets={"gate": SILU},
    ),
    Rule(
        code="channel-relu-gate",
        stage="channel",
        status=WRONG,
        sentence="ReLU stands where the sigmoid belongs",
        sets={"gate": RELU},
    ),
    Rule(
        code="channel-one-plus",
        stage="channel",
        status=WRONG,
        sentence="1 is added to the channel gate",
        sets={"gate": ONE_PLUS},
    ),
    Rule(
        code="channel-one-minus",
        stage="channel",
        status=WRONG,
        sentence="the channel gate is subtracted from 1",
        sets={"gate": ONE_MINUS},
    ),
    Rule(
        code="channel-doubled",
        stage="channel",
        status=WRONG,
        sentence="the channel gate is doubled",
        sets={"gate": TWICE},
    ),
)
