"""The channel gate's rules of how both descriptors come together."""

from __future__ import annotations

from npcbam.oracle.rules.functions import MC
from npcbam.oracle.rules.rule import VARIANT, WRONG, Rule, one_of

RULES = (
    Rule(
        code="channel-light",
        stage="channel",
        status=VARIANT,
        sentence="the mean of both descriptors passes the MLP once, as in timm's light block",
        why="It saves one pass, and is another function: a ReLU of a mean is not the mean of two ReLUs. "
        "Weights of the paper's block do not fit it.",
        sets={"merge": "mean"},
        bad="mc = column(sigmoid(mlp((avg(x) + top(x)) / 2)))",
        fix=MC,
        sources=("seen in public code",),
    ),
    Rule(
        code="channel-merged-before-mlp",
        stage="channel",
        status=WRONG,
        sentence="the descriptors are added before the MLP, and pass it once",
        why="The MLP sees one descriptor in which the average and the maximum can no longer be told apart. "
        "With a ReLU between its layers it is not the sum of two passes.",
        sets={"merge": "sum"},
        bad="mc = column(sigmoid(mlp(avg(x) + top(x))))",
        fix=MC,
        sources=("Eq. 2", "seen in public code"),
    ),
    Rule(
        code="channel-product",
        stage="channel",
        status=WRONG,
        sentence="the descriptors are multiplied before the MLP",
        why="Where either descriptor is near 0 the other is lost, and the product is in squares of what the features are in. "
        "Eq. 2 sends each through the MLP and adds what comes out.",
        sets={"merge": "product"},
        bad="mc = column(sigmoid(mlp(avg(x) * top(x))))",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-two-sigmoids",
        stage="channel",
        status=WRONG,
        sentence="each branch has its own sigmoid and the two are added: the gate runs to 2",
        why="The gate can then double a channel, where that of Eq. 2 can only damp it. "
        "Networks train all the same, and the figures are those of another block.",
        sets={"merge": "sigmoids"},
        bad="mc = column(sigmoid(mlp(avg(x))) + sigmoid(mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2", "seen in public code"),
    ),
    Rule(
        code="channel-mean-of-sigmoids",
        stage="channel",
        status=WRONG,
        sentence="each branch has its own sigmoid and the two are averaged",
        why="The gate is between 0 and 1, as it should be, and shut only where both branches shut it. "
        "In Eq. 2 one branch that is sure outweighs the other, since the logits are added first.",
        sets={"merge": "sigmoids-mean"},
        bad="mc = column((sigmoid(mlp(avg(x))) + sigmoid(mlp(top(x)))) / 2)",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-product-of-sigmoids",
        stage="channel",
        status=WRONG,
        sentence="each branch has its own sigmoid and the two are multiplied",
        why="The gate is open only where both branches open it, and starts near one quarter in place of one half. "
        "Every block then damps its features to a quarter, and deep networks go quiet.",
        sets={"merge": "sigmoids-product"},
        bad="mc = column(sigmoid(mlp(avg(x))) * sigmoid(mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-max-of-logits",
        stage="channel",
        status=WRONG,
        sentence="the larger of the two logits is taken in place of their sum",
        why="One branch decides for each channel, and the other gets no gradient there. "
        "In Eq. 2 both count always.",
        sets={"merge": "logits-max"},
        bad="mc = column(sigmoid(np.maximum(mlp(avg(x)), mlp(top(x)))))",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-mean-of-logits",
        stage="channel",
        status=WRONG,
        sentence="the logits are averaged in place of added, so that the gate is flatter",
        why="Every logit is half of what it should be, and the gate is nearer to one half. "
        "A network that is trained so makes up for it in W1, but weights of a right block give another result.",
        sets={"merge": "logits-mean"},
        bad="mc = column(sigmoid((mlp(avg(x)) + mlp(top(x))) / 2))",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-difference",
        stage="channel",
        status=WRONG,
        sentence="the logits are subtracted in place of added",
        why="What the MLP learns for the maximum counts against what it learns for the average, though both pass the same weights. "
        "Where a channel is constant both are equal, and the gate is one half whatever the features are.",
        bad="mc = column(sigmoid(mlp(avg(x)) - mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2",),
        # The maximum's from the average's, or the other way round.
        parameter=one_of("merge", "logits-difference", "logits-difference-back"),
    ),
)
