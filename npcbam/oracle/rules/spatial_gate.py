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
from npcbam.oracle.rules.rule import WRONG, Parameter, Rule
from npcbam.oracle.rules.spatial_planes import RIGHT

# The logits, and the map of them, as the lines of a rule.
Z = "z = conv(f.mean(1), f.max(1))\n"
OF_LOGITS = Z + "ms = sigmoid(z)"

RULES = (
    Rule(
        code="spatial-relu-before-sigmoid",
        stage="spatial",
        status=WRONG,
        sentence="a ReLU stands before the sigmoid, so that the map never goes below one half",
        why="A convolution out of a box often brings its ReLU along, and here it must not. Nothing can then be damped by "
        "more than one half, and wherever the logit is below 0 the kernel learns nothing.",
        sets={"after": RELU},
        bad="ms = sigmoid(relu(conv(f.mean(1), f.max(1))))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-no-sigmoid",
        stage="spatial",
        status=WRONG,
        sentence="the spatial gate has no sigmoid: it is not bounded",
        why="The map is no gate then: it flips signs where the logits are below 0, and grows with them without end. In a deep "
        "network that may end in NaN.",
        sets={"gate": NONE},
        bad="ms = conv(f.mean(1), f.max(1))",
        fix=RIGHT,
        sources=("Eq. 3", "Peachypie98/CBAM#2", "seen in public code"),
    ),
    Rule(
        code="spatial-silu",
        stage="spatial",
        status=WRONG,
        sentence="SiLU stands where the sigmoid belongs",
        why="It comes of a convolution block whose default activation is SiLU, as in many detectors. The map is not bounded "
        "above, and a little below 0 where it should shut.",
        sets={"gate": SILU},
        bad=Z + "ms = z * sigmoid(z)",
        fix=OF_LOGITS,
        sources=("Eq. 3", "seen in public code"),
    ),
    Rule(
        code="spatial-tanh",
        stage="spatial",
        status=WRONG,
        sentence="tanh stands where the sigmoid belongs: the map goes below 0",
        why="Features of the wrong sign go on into the network, where a gate should only damp. A logit of 0 shuts the gate, "
        "where the sigmoid leaves it half open.",
        sets={"gate": TANH},
        bad="ms = np.tanh(conv(f.mean(1), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-relu",
        stage="spatial",
        status=WRONG,
        sentence="ReLU stands where the sigmoid belongs",
        why="The map is not bounded above, and wherever the logit is below 0 the position is lost: nothing goes on from it, "
        "and no gradient comes back to open it again.",
        sets={"gate": RELU},
        bad="ms = relu(conv(f.mean(1), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-hardsigmoid",
        stage="spatial",
        status=WRONG,
        sentence="a hard sigmoid stands where the sigmoid belongs",
        why="It is the sigmoid's cheap cousin of mobile networks, off by up to 0.07, and has no slope beyond 3. Trained "
        "weights nearly carry over, which is why it goes unseen.",
        sets={"gate": HARD_SIGMOID},
        bad="ms = np.clip(conv(f.mean(1), f.max(1)) + 3, 0, 6) / 6",
        fix=RIGHT,
        sources=("Eq. 3", "pytorch/pytorch#34545"),
    ),
    Rule(
        code="spatial-clamp",
        stage="spatial",
        status=WRONG,
        sentence="the logits are cut off at 0 and 1, and not squashed by a sigmoid",
        why="Every position with a logit below 0 is lost, and beyond 0 and 1 no gradient comes back to the kernel. At the "
        "start of training that is half of the map.",
        sets={"gate": CLAMP},
        bad="ms = np.clip(conv(f.mean(1), f.max(1)), 0, 1)",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-sigmoid-twice",
        stage="spatial",
        status=WRONG,
        sentence="the sigmoid is applied twice: the map stays between 0.5 and 0.73",
        why="One stands in the layer and one where it is called. The gate can then hardly say anything: all positions are "
        "damped by nearly the same, and the kernel's gradient is a quarter or less.",
        sets={"gate": SIGMOID_TWICE},
        bad="ms = sigmoid(sigmoid(conv(f.mean(1), f.max(1))))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-one-plus",
        stage="spatial",
        status=WRONG,
        sentence="1 is added to the spatial map, and so F' to F''",
        why="The gate then runs from 1 to 2: it strengthens what it finds and damps nothing, as BAM does. Eq. 1 multiplies "
        "by Ms alone.",
        sets={"gate": ONE_PLUS},
        bad="ms = 1 + sigmoid(conv(f.mean(1), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 1", "arXiv 1807.06514"),
    ),
    Rule(
        code="spatial-one-minus",
        stage="spatial",
        status=WRONG,
        sentence="the spatial map is subtracted from 1",
        why="It is a right gate of the kernel with the other sign, and trains as well. But trained weights then open what "
        "they should shut, and the map is drawn as its own negative.",
        sets={"gate": ONE_MINUS},
        bad="ms = 1 - sigmoid(conv(f.mean(1), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-softmax",
        stage="spatial",
        status=WRONG,
        sentence="a softmax over the positions stands where the sigmoid belongs",
        why="All positions then share a sum of 1: on 56 x 56 each gets 0.0003 on average, and the features all but vanish. "
        "A gate says of each position by itself how much of it goes on.",
        sets={"gate": POSITION_SOFTMAX},
        bad=Z + "ms = softmax(z.reshape(len(z), -1), 1).reshape(z.shape)",
        fix=OF_LOGITS,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-one-number",
        stage="spatial",
        status=WRONG,
        sentence="the map is averaged to one number per image",
        why="There is no where left: all positions are damped alike. A pool over space that was meant for the channel gate "
        "does so, and the result is broadcast without a word.",
        sets={"spread": "mean"},
        bad=OF_LOGITS.replace("sigmoid(z)", "sigmoid(z).mean((2, 3), keepdims=True)"),
        fix=OF_LOGITS,
        sources=("Eq. 3", "seen in public code"),
    ),
    Rule(
        code="spatial-one-number-before",
        stage="spatial",
        status=WRONG,
        sentence="the logits are averaged to one number per image before the sigmoid",
        why="There is no where left: all positions are damped alike, by how the image is on the whole. The result is "
        "broadcast over the features without a word.",
        sets={"spread": "mean-logits"},
        bad=Z + "ms = sigmoid(z.mean((2, 3), keepdims=True))",
        fix=OF_LOGITS,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-max-number",
        stage="spatial",
        status=WRONG,
        sentence="the map is reduced to its largest value, one number per image",
        why="There is no where left: all positions are damped alike, by what the strongest one says. The result is "
        "broadcast over the features without a word.",
        sets={"spread": "max"},
        bad=OF_LOGITS.replace("sigmoid(z)", "sigmoid(z).max((2, 3), keepdims=True)"),
        fix=OF_LOGITS,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-temperature",
        stage="spatial",
        status=WRONG,
        sentence="the spatial logits are multiplied by {value} before the sigmoid",
        why="A factor makes the gate sharper or duller, and a kernel can learn it away: only with weights from elsewhere "
        "does it show. It comes of a scale for attention, or of one multiplication too many.",
        parameter=Parameter("factor"),
        bad="ms = sigmoid(conv(f.mean(1), f.max(1)) / 4)",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-unknown",
        stage="spatial",
        status=WRONG,
        sentence="the spatial map is a function of no planes and no kernel known; it depends on {reads}",
        why="No rule gives its numbers, alone or with another, so that it is not CBAM's and nobody can say what it is. What "
        "it depends on and what it does not may tell you where to look.",
        bad="ms = sigmoid(conv(np.cbrt(f.mean(1)), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
)
