"""The channel gate's rules of the shared MLP: its layers, its biases, and where its ReLU stands."""

from __future__ import annotations

from npcbam.oracle.rules.functions import NONE, RELU
from npcbam.oracle.rules.rule import WRONG, Rule

RULES = (
    Rule(
        code="channel-linear",
        stage="channel",
        status=WRONG,
        sentence="the MLP has no activation between its layers",
        sets={"activation": NONE},
    ),
    Rule(
        code="channel-relu-before",
        stage="channel",
        status=WRONG,
        sentence="the ReLU stands before the first layer of the MLP and not after it",
        sets={"before": RELU, "activation": NONE},
    ),
    Rule(
        code="channel-relu-on-pools",
        stage="channel",
        status=WRONG,
        sentence="a ReLU cuts the descriptors before the MLP",
        sets={"before": RELU},
    ),
    Rule(
        code="channel-relu-after",
        stage="channel",
        status=WRONG,
        sentence="a ReLU follows the second layer, so that the gate never goes below one half",
        sets={"output": RELU},
    ),
    Rule(
        code="channel-bias-once",
        stage="channel",
        status=WRONG,
        sentence="b1 is added once to the sum of the logits, and not in each pass through the MLP",
        sets={"b1": "once"},
    ),
    Rule(
        code="channel-bias-twice",
        stage="channel",
        status=WRONG,
        sentence="b1 is added twice in each pass through the MLP",
        sets={"b1": "twice"},
    ),
    Rule(
        code="channel-separate-mlps",
        stage="channel",
        status=WRONG,
        sentence="each descriptor has an MLP of its own: Eq. 2 shares one",
        sets={"mlps": "separate"},
    ),
    Rule(
        code="channel-separate-mlps-swapped",
        stage="channel",
        status=WRONG,
        sentence="each descriptor has an MLP of its own: Eq. 2 shares one",
        sets={"mlps": "swapped"},
    ),
    Rule(
        code="channel-single-layer",
        stage="channel",
        status=WRONG,
        sentence="the MLP is a single layer, with no hidden one",
        sets={"mlps": "single"},
    ),
    Rule(
        code="channel-no-mlp",
        stage="channel",
        status=WRONG,
        sentence="there is no MLP: the descriptors are the logits",
        sets={"mlps": "none"},
    ),
)
