"""The channel gate's rules of the shared MLP: its layers, its biases, and where its ReLU stands."""

from __future__ import annotations

from npcbam.oracle.rules.functions import MC, MLP, NONE, RELU
from npcbam.oracle.rules.rule import WRONG, Rule, one_of

RULES = (
    Rule(
        code="channel-linear",
        stage="channel",
        status=WRONG,
        sentence="the MLP has no activation between its layers",
        why="Two layers with nothing between them are one layer of lower rank, so that the hidden one is for nothing. "
        "The gate can then only weigh channels by sums of others.",
        sets={"activation": NONE},
        bad="def mlp(f): return f @ w0.T @ w1.T",
        fix=MLP,
        sources=("Eq. 2", "S-aiueo32/SRRAM#1", "TY-Shi/AFN#7"),
    ),
    Rule(
        code="channel-relu-before",
        stage="channel",
        status=WRONG,
        sentence="the ReLU stands before the first layer of the MLP and not after it",
        why="The layers are then one linear layer, and what is cut is the descriptors, which after a ReLU are positive anyway. "
        "It comes from the order of a block with its activation first.",
        sets={"before": RELU, "activation": NONE},
        bad="def mlp(f): return relu(f) @ w0.T @ w1.T",
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-relu-on-pools",
        stage="channel",
        status=WRONG,
        sentence="a ReLU cuts the descriptors before the MLP",
        why="Averages below 0 are lost, and CBAM stands before the ReLU of its residual block, where about half of them are. "
        "These channels get no gradient through their average.",
        sets={"before": RELU},
        bad="def mlp(f): return relu(relu(f) @ w0.T) @ w1.T",
        fix=MLP,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-relu-after",
        stage="channel",
        status=WRONG,
        sentence="a ReLU follows the second layer, so that the gate never goes below one half",
        why="The logits are never negative, and the sigmoid of 0 is one half: no channel can be shut off. "
        "It comes from a list of layers in which each has its activation.",
        sets={"output": RELU},
        bad="def mlp(f): return relu(relu(f @ w0.T) @ w1.T)",
        fix=MLP,
        sources=("Eq. 2", "seen in public code"),
    ),
    Rule(
        code="channel-bias-once",
        stage="channel",
        status=WRONG,
        sentence="b1 is added once to the sum of the logits, and not in each pass through the MLP",
        why="The hidden layers are added first, which saves a product, and then b1 has to be added twice. "
        "A network that is trained so learns another b1, but weights of a right block give another result.",
        sets={"b1": "once"},
        bad="h = relu(avg(x) @ w0.T + b0) + relu(top(x) @ w0.T + b0)\nmc = column(sigmoid(h @ w1.T + b1))",
        fix="h = relu(avg(x) @ w0.T + b0) + relu(top(x) @ w0.T + b0)\nmc = column(sigmoid(h @ w1.T + 2 * b1))",
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-bias-twice",
        stage="channel",
        status=WRONG,
        sentence="b1 is added twice in each pass through the MLP",
        why="With two passes it is in the logits four times and not twice: once by a layer that has a bias, and once by hand. "
        "A network that is trained so learns another b1, but weights of a right block give another result.",
        sets={"b1": "twice"},
        bad="def mlp(f):\n    z = relu(f @ w0.T + b0) @ w1.T + b1\n    return z + b1",
        fix="def mlp(f): return relu(f @ w0.T + b0) @ w1.T + b1",
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-separate-mlps",
        stage="channel",
        status=WRONG,
        sentence="each descriptor has an MLP of its own: Eq. 2 shares one",
        why="It has twice the parameters, and the paper says that the MLP is shared. "
        "Neither do the paper's figures belong to it, nor do its weights fit.",
        bad="mc = column(sigmoid(mlp(avg(x)) + relu(top(x) @ v0.T) @ v1.T))",
        fix=MC,
        sources=("Eq. 2", "Peachypie98/CBAM#3", "seen in public code"),
        # Which of them is the average's: the first, or the second.
        parameter=one_of("mlps", "separate", "swapped"),
        was=("channel-separate-mlps-swapped",),
    ),
    Rule(
        code="channel-single-layer",
        stage="channel",
        status=WRONG,
        sentence="the MLP is a single layer, with no hidden one",
        why="Without the hidden layer of C/r units it has C x C weights, r/2 times as many as the MLP has, and no ReLU. "
        "The gate can then only weigh channels by sums of others.",
        sets={"mlps": "single"},
        bad="# w0: (C, C)\nmc = column(sigmoid(avg(x) @ w0.T + top(x) @ w0.T))",
        fix=MC,
        sources=("Eq. 2", "seen in public code"),
    ),
    Rule(
        code="channel-no-mlp",
        stage="channel",
        status=WRONG,
        sentence="there is no MLP: the descriptors are the logits",
        why="Nothing is learnt, and no channel hears of another: each opens its gate by its own size. "
        "Channel attention is about which channels matter beside the others.",
        sets={"mlps": "none"},
        bad="mc = column(sigmoid(avg(x) + top(x)))",
        fix=MC,
        sources=("Eq. 2", "seen in public code"),
    ),
)
