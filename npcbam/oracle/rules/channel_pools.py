"""The channel gate's rules of what is pooled: which statistics of each channel Mc is made of.

What stands for the average or the maximum may stand alone, as the average does in SE.
"""

from __future__ import annotations

from npcbam.oracle.rules.functions import MC
from npcbam.oracle.rules.rule import VARIANT, WRONG, Rule, one_of

RULES = (
    Rule(
        code="channel-avg-only",
        stage="channel",
        status=VARIANT,
        sentence="the channel gate pools the average only, as SE does",
        why="This is the paper's own comparison, and SE's gate: the maximum, which tells of small bright details, is not used. "
        "In the paper's Table 1 both pools together do better than either alone.",
        sets={"pools": ("avg",)},
        bad="mc = column(sigmoid(mlp(avg(x))))",
        fix=MC,
        sources=("Sec. 4.1", "ultralytics/ultralytics#14635", "seen in public code"),
    ),
    Rule(
        code="channel-max-only",
        stage="channel",
        status=VARIANT,
        sentence="the channel gate pools the maximum only",
        why="This is the paper's own comparison: one large value decides for a channel, and how much of it there is does not count. "
        "In the paper's Table 1 both pools together do better than either alone.",
        sets={"pools": ("max",)},
        bad="mc = column(sigmoid(mlp(top(x))))",
        fix=MC,
        sources=("Sec. 4.1",),
    ),
    Rule(
        code="channel-lp",
        stage="channel",
        status=VARIANT,
        sentence="the channel gate adds the authors' lp pool",
        why="The authors' code offers the root of the sum of squares as a third pool, and the paper does not mention it. "
        "It grows with the size of the map, so that the gate closes or opens with the resolution.",
        sets={"pools": ("avg", "max", "lp")},
        bad="length = np.sqrt((x * x).sum((2, 3)))\nmc = column(sigmoid(mlp(avg(x)) + mlp(top(x)) + mlp(length)))",
        fix=MC,
        sources=("Jongchan/attention-module#32",),
    ),
    Rule(
        code="channel-lse",
        stage="channel",
        status=VARIANT,
        sentence="the channel gate adds the authors' log-sum-exp pool",
        why="The authors' code offers the logarithm of the sum of e to each value as a third pool, and the paper does not mention it. "
        "It is a maximum without corners, plus a term that grows with the size of the map.",
        sets={"pools": ("avg", "max", "lse")},
        bad="largest = x.max((2, 3), keepdims=True)\n"
        "lse = top(x) + np.log(np.exp(x - largest).sum((2, 3)))\n"
        "mc = column(sigmoid(mlp(avg(x)) + mlp(top(x)) + mlp(lse)))",
        fix=MC,
        sources=("Jongchan/attention-module#32",),
    ),
    Rule(
        code="channel-all-pools",
        stage="channel",
        status=VARIANT,
        sentence="the channel gate uses all four of the authors' pools",
        why="The authors' code offers two pools beside those of the paper, and four terms make a gate that is nearer to 0 or 1. "
        "Weights trained with two pools do not fit it.",
        sets={"pools": ("avg", "max", "lp", "lse")},
        bad="length = np.sqrt((x * x).sum((2, 3)))\n"
        "largest = x.max((2, 3), keepdims=True)\n"
        "lse = top(x) + np.log(np.exp(x - largest).sum((2, 3)))\n"
        "mc = column(sigmoid(mlp(avg(x)) + mlp(top(x)) + mlp(length) + mlp(lse)))",
        fix=MC,
        sources=("Jongchan/attention-module#32",),
    ),
    Rule(
        code="channel-avg-twice",
        stage="channel",
        status=WRONG,
        sentence="the channel gate pools the average twice: the max descriptor has no effect on Mc",
        why="It is a slip of one letter, and nothing shows it: shapes, gradients and training are all as they should be. "
        "What is trained is SE with its logits doubled.",
        sets={"pools": ("avg", "avg")},
        bad="mc = column(sigmoid(mlp(avg(x)) + mlp(avg(x))))",
        fix=MC,
        sources=("MenghaoGuo/Awesome-Vision-Attentions#32", "seen in public code"),
    ),
    Rule(
        code="channel-max-twice",
        stage="channel",
        status=WRONG,
        sentence="the channel gate pools the maximum twice: the average descriptor has no effect on Mc",
        why="It is a slip of one letter, and nothing shows it: shapes, gradients and training are all as they should be. "
        "How much of a feature there is over the whole map no longer counts.",
        sets={"pools": ("max", "max")},
        bad="mc = column(sigmoid(mlp(top(x)) + mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-min-for-avg",
        stage="channel",
        status=WRONG,
        sentence="the channel gate pools the minimum where the average belongs",
        why="After a ReLU the minimum of a channel is nearly always 0, so that half of what the gate sees says nothing. "
        "One position decides where all of them should.",
        bad="mc = column(sigmoid(mlp(x.min((2, 3))) + mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2",),
        parameter=one_of("pools", ("min", "max"), ("min",)),
    ),
    Rule(
        code="channel-min-for-max",
        stage="channel",
        status=WRONG,
        sentence="the channel gate pools the minimum where the maximum belongs",
        why="After a ReLU the minimum of a channel is nearly always 0, so that the gate is SE's and a constant. "
        "The strongest answer of a channel, which the paper adds to SE, is not seen.",
        sets={"pools": ("avg", "min")},
        bad="mc = column(sigmoid(mlp(avg(x)) + mlp(x.min((2, 3)))))",
        fix=MC,
        sources=("Eq. 2",),
    ),
    Rule(
        code="channel-sum-for-avg",
        stage="channel",
        status=WRONG,
        sentence="the channel gate sums over positions and forgets to divide by their number",
        why="The descriptor grows with the size of the map: on 56 x 56 positions it is 3136 times the average, and the sigmoid is shut or open. "
        "The same weights give another gate at every resolution.",
        bad="mc = column(sigmoid(mlp(x.sum((2, 3))) + mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2",),
        parameter=one_of("pools", ("sum", "max"), ("sum",)),
    ),
    Rule(
        code="channel-std-pool",
        stage="channel",
        status=WRONG,
        sentence="the channel gate pools the standard deviation where the maximum belongs",
        why="The spread of a channel is a statistic of other blocks, and no measure of its strongest answer. "
        "It has no sign, and its slope is without bound where a channel is constant.",
        bad="mc = column(sigmoid(mlp(avg(x)) + mlp(x.std((2, 3)))))",
        fix=MC,
        sources=("Eq. 2",),
        # By one less than the number of positions, as torch divides, or by all of it, as NumPy does.
        parameter=one_of("pools", ("avg", "std"), ("avg", "std-biased")),
        was=("channel-std-pool-biased",),
    ),
    Rule(
        code="channel-std-for-avg",
        stage="channel",
        status=WRONG,
        sentence="the channel gate pools the standard deviation where the average belongs",
        why="The spread of a channel does not tell how much of it there is: a constant channel has none, however large it is. "
        "Its slope is without bound where a channel is constant.",
        bad="mc = column(sigmoid(mlp(x.std((2, 3))) + mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2",),
        parameter=one_of("pools", ("std", "max"), ("std-biased", "max"), ("std",), ("std-biased",)),
        was=("channel-std-for-avg-biased",),
    ),
    Rule(
        code="channel-median-for-avg",
        stage="channel",
        status=WRONG,
        sentence="the channel gate pools the median where the average belongs",
        why="The median hands its gradient to the one or two positions in the middle, and to none of the others. "
        "A feature that fills less than half of the map does not move it.",
        bad="median = np.median(x, (2, 3))\nmc = column(sigmoid(mlp(median) + mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2",),
        # Of the two values in the middle the lower, as torch has it, or the mean of both.
        parameter=one_of(
            "pools", ("median", "max"), ("median-between", "max"), ("median",), ("median-between",)
        ),
    ),
    Rule(
        code="channel-median-for-max",
        stage="channel",
        status=WRONG,
        sentence="the channel gate pools the median where the maximum belongs",
        why="Both descriptors then say how large a channel is in the middle, and none how large it gets. "
        "A small detail that answers strongly is not seen.",
        bad="median = np.median(x, (2, 3))\nmc = column(sigmoid(mlp(avg(x)) + mlp(median)))",
        fix=MC,
        sources=("Eq. 2",),
        # Of the two values in the middle the lower, as torch has it, or the mean of both.
        parameter=one_of("pools", ("avg", "median"), ("avg", "median-between")),
    ),
    Rule(
        code="channel-square-for-avg",
        stage="channel",
        status=WRONG,
        sentence="the channel gate averages the squares where the average belongs",
        why="Squares lose the sign and weigh large values most, which the maximum does already. "
        "The descriptor is in other units than the MLP's weights are for.",
        bad="mc = column(sigmoid(mlp(avg(x * x)) + mlp(top(x))))",
        fix=MC,
        sources=("Eq. 2",),
        parameter=one_of("pools", ("square", "max"), ("square",)),
    ),
    Rule(
        code="channel-abs-max",
        stage="channel",
        status=WRONG,
        sentence="the channel gate takes the largest magnitude where the maximum belongs",
        why="A strongly negative answer then opens the gate as a strongly positive one does. "
        "After a ReLU both are the same, so that it shows only before one, where CBAM stands.",
        bad="mc = column(sigmoid(mlp(avg(x)) + mlp(top(np.abs(x)))))",
        fix=MC,
        sources=("Eq. 2",),
        parameter=one_of("pools", ("avg", "absmax"), ("absmax",)),
    ),
    Rule(
        code="channel-max-from-zero",
        stage="channel",
        status=WRONG,
        sentence="the maximum never goes below 0: it is padded with zeros, or starts from 0",
        why="A channel that is negative everywhere looks as if it were 0 somewhere, and gets no gradient through its maximum. "
        "Padding for a maximum is by minus infinity, which a pool of the framework does by itself.",
        bad="padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))\nmc = column(sigmoid(mlp(avg(x)) + mlp(top(padded))))",
        fix=MC,
        sources=("Eq. 2",),
        parameter=one_of("pools", ("avg", "max0"), ("max0",)),
    ),
)
