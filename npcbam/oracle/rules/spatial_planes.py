"""The spatial gate's rules of its planes: which pools over the channels, how many, in which order."""

from __future__ import annotations

from npcbam.oracle.rules.rule import FAITHFUL, VARIANT, WRONG, Rule

# Eq. 3, as the lines of a rule.
RIGHT = "ms = sigmoid(conv(f.mean(1), f.max(1)))"

RULES = (
    Rule(
        code="spatial-paper",
        stage="spatial",
        status=FAITHFUL,
        sentence="the spatial gate follows Eq. 3, planes [avg, max]",
        why="Two numbers tell of a position: how strong its channels are on the whole, and how strong the strongest is. "
        "A 7 x 7 kernel looks at both around it, and one sigmoid makes a map of 0 to 1.",
        bad=RIGHT,
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-max-avg",
        stage="spatial",
        status=FAITHFUL,
        sentence="the planes are [max, avg]",
        why="Eq. 3 writes [avg; max], and the paper's figure and its authors' code have it the other way round: both are "
        "CBAM. But a kernel that was trained for one order reads the wrong planes in the other, and nothing raises.",
        sets={"pools": ("max", "avg")},
        bad="ms = sigmoid(conv(f.max(1), f.mean(1)))",
        fix=RIGHT,
        sources=("Fig. 2", "Jongchan/attention-module MODELS/cbam.py"),
    ),
    Rule(
        code="spatial-light",
        stage="spatial",
        status=VARIANT,
        sentence="one plane, the mean of both pools, as in timm's light block",
        why="The kernel has half the taps, and cannot weigh the average against the maximum. That is a block of its own, "
        "which no weights of a CBAM fit.",
        sets={"pools": ("blend",)},
        bad="ms = sigmoid(conv((f.mean(1) + f.max(1)) / 2))",
        fix=RIGHT,
        sources=("timm.layers.cbam",),
    ),
    Rule(
        code="spatial-avg-only",
        stage="spatial",
        status=VARIANT,
        sentence="the spatial gate pools the average only",
        why="Where one channel stands out, the average over many hardly shows it: that is what the maximum is for. The "
        "paper has both pools in its spatial gate, and has measured neither alone there.",
        sets={"pools": ("avg",)},
        bad="ms = sigmoid(conv(f.mean(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-max-only",
        stage="spatial",
        status=VARIANT,
        sentence="the spatial gate pools the maximum only",
        why="One loud channel then decides for a position, whatever the others say. The paper has both pools in its "
        "spatial gate, and has measured neither alone there.",
        sets={"pools": ("max",)},
        bad="ms = sigmoid(conv(f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-avg-twice",
        stage="spatial",
        status=WRONG,
        sentence="both planes are the average: the maximum has no effect on Ms",
        why="One name is written twice, and everything has the right shape. The kernel's two halves add up to one, so that "
        "49 of its 98 taps are for nothing.",
        sets={"pools": ("avg", "avg")},
        bad="ms = sigmoid(conv(f.mean(1), f.mean(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-max-twice",
        stage="spatial",
        status=WRONG,
        sentence="both planes are the maximum: the average has no effect on Ms",
        why="One name is written twice, and everything has the right shape. The kernel's two halves add up to one, so that "
        "49 of its 98 taps are for nothing.",
        sets={"pools": ("max", "max")},
        bad="ms = sigmoid(conv(f.max(1), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-sum-plane",
        stage="spatial",
        status=WRONG,
        sentence="the planes are added, and not stacked or averaged",
        why="The kernel then sees one plane, and cannot tell a position of one loud channel from one where all are. Eq. 3 "
        "stacks both planes, [avg; max], and the kernel weighs them.",
        sets={"pools": ("total",)},
        bad="ms = sigmoid(conv(f.mean(1) + f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-first-channels",
        stage="spatial",
        status=WRONG,
        sentence="the planes are the first two channels, and no pools",
        why="Two channels of many then say where to look, and the others are never asked. It comes of a slice where a "
        "pool belongs, and all shapes fit.",
        sets={"pools": ("first", "second")},
        bad="ms = sigmoid(conv(f[:, 0], f[:, 1]))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="more-planes",
        stage="spatial",
        status=WRONG,
        sentence="{count} planes go into the convolution, {pools}, where Eq. 3 has two, [avg, max]",
        why="A kernel of more planes may well learn, but it is no CBAM's: no weights of one fit, and none of the figures "
        "that are known of CBAM are its own. Each plane is read off alone, so that the report can name it.",
        bad="ms = sigmoid(conv(f.mean(1), f.max(1), f.min(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
        was=("three-planes", "four-planes"),
    ),
    Rule(
        code="spatial-reads-channels",
        stage="spatial",
        status=WRONG,
        sentence="the spatial map depends on which channel a value stands in: it reads some of them, and no pool over all; "
        "it depends on {reads}",
        why="A pool over the channels gives the same whatever their order, and so does Ms. Channels that are left out of it "
        "have no say in where to look.",
        bad="ms = sigmoid(conv(f[:, :4].mean(1), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
)
