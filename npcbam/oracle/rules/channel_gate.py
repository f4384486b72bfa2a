"""The channel gate's rules of what makes a map of the logits, where the sigmoid belongs."""

from __future__ import annotations

from npcbam.oracle.rules.functions import (
    CHANNEL_SOFTMAX,
    CLAMP,
    HARD_SIGMOID,
    MC,
    NONE,
    ONE_MINUS,
    ONE_PLUS,
    RELU,
    SIGMOID_TWICE,
    SILU,
    TANH,
    TWICE,
)
from npcbam.oracle.rules.rule import FAITHFUL, WRONG, Parameter, Rule


def _gate(map_of_z: str) -> str:
    return f"z = mlp(avg(x)) + mlp(top(x))\nmc = column({map_of_z})"


RULES = (
    Rule(
        code="channel-paper",
        stage="channel",
        status=FAITHFUL,
        sentence="the channel gate follows Eq. 2",
        why="Each channel is known by its average and its maximum over all positions, and both pass one MLP. "
        "The sum of what comes out is squashed by a sigmoid to a weight between 0 and 1.",
        bad=MC,
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-sigmoid-twice",
        stage="channel",
        status=WRONG,
        sentence="the sigmoid is applied twice: the gate stays between 0.5 and 0.73",
        why="The second sigmoid sees numbers between 0 and 1 alone, so that no channel can be shut off or let through. "
        "It comes from a gate that ends with a sigmoid, and a block that adds its own.",
        sets={"gate": SIGMOID_TWICE},
        bad=_gate("sigmoid(sigmoid(z))"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2", "huoxiangzuo/HiFuse#9", "seen in public code"),
    ),
    Rule(
        code="channel-no-sigmoid",
        stage="channel",
        status=WRONG,
        sentence="the channel gate has no sigmoid: it is not bounded",
        why="A weight may then be negative or any size, and features grow from block to block. "
        "Losses that turn into NaN after some epochs are one sign of it.",
        sets={"gate": NONE},
        bad=_gate("z"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-tanh",
        stage="channel",
        status=WRONG,
        sentence="tanh stands where the sigmoid belongs: the gate goes below 0",
        why="A negative weight turns a channel's sign, and a logit of 0 shuts it where it should let half through. "
        "A block that starts with small weights then lets next to nothing through.",
        sets={"gate": TANH},
        bad=_gate("np.tanh(z)"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-hardsigmoid",
        stage="channel",
        status=WRONG,
        sentence="a hard sigmoid stands where the sigmoid belongs",
        why="It is a straight line, cut off at 0 and at 1, where its slope is 0: a channel that is fully shut gets no gradient any more. "
        "It is MobileNetV3's, for speed, and parts from the sigmoid by up to 0.07.",
        sets={"gate": HARD_SIGMOID},
        bad=_gate("np.clip(z + 3, 0, 6) / 6"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-clamp",
        stage="channel",
        status=WRONG,
        sentence="the logits are cut off at 0 and 1, and not squashed by a sigmoid",
        why="Most logits are outside of 0 to 1, and get no gradient there. "
        "Where a logit is 0 the gate is shut, and should be half open.",
        sets={"gate": CLAMP},
        bad=_gate("np.clip(z, 0, 1)"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-softmax",
        stage="channel",
        status=WRONG,
        sentence="a softmax over the channels stands where the sigmoid belongs",
        why="The weights of all channels then add up to 1, so that each of 256 gets about 1/256 and one can only gain what others lose. "
        "A sigmoid lets any number of channels through.",
        sets={"gate": CHANNEL_SOFTMAX},
        bad=_gate("softmax(z, 1)"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2", "titu1994/keras-squeeze-excite-network#7"),
    ),
    Rule(
        code="channel-silu-gate",
        stage="channel",
        status=WRONG,
        sentence="SiLU stands where the sigmoid belongs",
        why="SiLU is z times its sigmoid: it has no upper bound, and goes below 0. "
        "It is an activation, and what is wanted here is a weight.",
        sets={"gate": SILU},
        bad=_gate("z * sigmoid(z)"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-relu-gate",
        stage="channel",
        status=WRONG,
        sentence="ReLU stands where the sigmoid belongs",
        why="The gate has no upper bound, and a channel whose logit is negative is gone, with no gradient to bring it back. "
        "It is an activation, and what is wanted here is a weight.",
        sets={"gate": RELU},
        bad=_gate("relu(z)"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-one-plus",
        stage="channel",
        status=WRONG,
        sentence="1 is added to the channel gate",
        why="The gate then runs from 1 to 2 and can only make channels larger, which is the same as to add x back. "
        "BAM does so, and CBAM does not.",
        sets={"gate": ONE_PLUS},
        bad=_gate("1 + sigmoid(z)"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-one-minus",
        stage="channel",
        status=WRONG,
        sentence="the channel gate is subtracted from 1",
        why="It is the sigmoid of the logits with their sign turned, so that what should be kept is damped. "
        "A network that is trained so makes up for it in W1, but weights of a right block do the opposite.",
        sets={"gate": ONE_MINUS},
        bad=_gate("1 - sigmoid(z)"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-doubled",
        stage="channel",
        status=WRONG,
        sentence="the channel gate is doubled",
        why="It is 1 where the logit is 0, so that a new block changes nothing, and a gate of 2 makes a channel larger. "
        "The paper's gate only damps.",
        sets={"gate": TWICE},
        bad=_gate("2 * sigmoid(z)"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-temperature",
        stage="channel",
        status=WRONG,
        sentence="the channel logits are multiplied by {value} before the sigmoid",
        why="A factor makes the gate steeper or flatter than the weights say, and one below 0 turns it around. "
        "A network that is trained so makes up for it in W1, but weights of a right block give another result.",
        bad=_gate("sigmoid(z / 4)"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
        parameter=Parameter("factor"),
    ),
    Rule(
        code="channel-unknown",
        stage="channel",
        status=WRONG,
        sentence="the channel gate follows no rule that is known; it depends on {reads}",
        why="It reads what Eq. 2 reads, and makes something else of it that is in no rule. "
        "What moves it and what does not, and the rule that comes nearest, is all that can be said.",
        bad=_gate("np.arctan(z) / np.pi + 0.5"),
        fix=_gate("sigmoid(z)"),
        sources=("Eq. 2",),
    ),
)
