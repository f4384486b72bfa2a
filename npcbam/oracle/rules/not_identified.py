"""What keeps a block from being recognised as a CBAM, and what departs from all that is known."""

from __future__ import annotations

from npcbam.oracle.rules.composition import RIGHT
from npcbam.oracle.rules.rule import NOTE, UNDECIDED, WRONG, Rule

RULES = (
    Rule(
        code="no-cbam",
        stage="compose",
        status=WRONG,
        sentence="it is no CBAM: {reason}",
        why="A CBAM has an MLP of two matrices, and a kernel for its spatial gate. What has none of these is another "
        "block, whatever its name.",
        bad="# w: (C)\ny = sigmoid(w[:, None, None]) * x",
        fix=RIGHT,
        sources=("Eq. 2", "Eq. 3"),
    ),
    Rule(
        code="weights-out-of-reach",
        stage="compose",
        status=UNDECIDED,
        sentence="{reason}; yet y is x times gates between 0 and 1, whose weights cannot be set",
        why="What a block computes is read off by setting its weights. These are hidden: constants, or arrays that are "
        "no parameters.",
        bad="y = column(sigmoid(avg(x) + top(x))) * x",
        fix=RIGHT,
        sources=("Eq. 2", "SimonThomine/RememberingNormality#7"),
    ),
    Rule(
        code="weights-unplaced",
        stage="compose",
        status=UNDECIDED,
        sentence="{arrays} cannot be told to be W0 (C/r, C) and W1 (C, C/r), and may hold them all the same: store "
        "them as two matrices",
        why="What a block computes is read off by setting its weights, for which they have to be found. Several in one "
        "array can be laid in many ways.",
        bad="# w: (128)\na, b = w[:64].reshape(4, 16), w[64:].reshape(16, 4)\n"
        "mc = column(sigmoid((relu(avg(x) @ a.T) + relu(top(x) @ a.T)) @ b.T))",
        fix="mc = column(sigmoid((relu(avg(x) @ w0.T) + relu(top(x) @ w0.T)) @ w1.T))",
        sources=("Eq. 2",),
        was=("weights-out-of-reach",),
    ),
    Rule(
        code="weights-elsewhere",
        stage="compose",
        status=UNDECIDED,
        sentence="its parameters have no effect on y where they are set: it may compute with others",
        why="What a block computes is read off by setting its weights, and it does not look at them. Perhaps it holds "
        "copies, made when it was built.",
        bad="w0 = 0 * w0 + np.cos(np.arange(64, dtype=x.dtype).reshape(4, 16))\n"
        "w1 = 0 * w1 + np.sin(np.arange(64, dtype=x.dtype).reshape(16, 4))\n"
        "y = channel(x) * x",
        fix=RIGHT,
        sources=("Eq. 2", "pytorch/pytorch#715"),
        was=("weights-out-of-reach",),
    ),
    Rule(
        code="dead-parameter",
        stage="compose",
        status=NOTE,
        sentence="{name} has no effect on y",
        why="It is counted, saved and decayed, and never learns. Perhaps a layer was built and forgotten.",
        bad="# spare: (C)\nunused = spare\n" + RIGHT,
        fix=RIGHT,
        sources=("Eq. 1", "INK-USC/RE-Net#6", "seen in public code"),
    ),
    Rule(
        code="compose-unknown",
        stage="compose",
        status=WRONG,
        sentence="either gate alone is known, but not what is done with both",
        why="Channel gate and spatial gate are each as some rule has them, and no order, sum or product that is known "
        "gives y. Hold what is done with both maps against Eq. 1, line by line.",
        bad="f, g = channel(x) * x, spatial(x) * x\ny = spatial(f) * channel(g) * x",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="nothing-known",
        stage="compose",
        status=WRONG,
        sentence="it computes nothing that is known",
        why="Neither gate shows when the other is silenced. Set all but one gate aside, and check the halves by "
        "themselves.",
        bad="f = channel(x) * x\ny = np.roll(spatial(f) * f, 1, 1)",
        fix=RIGHT,
        sources=("Eq. 1",),
        was=("compose-unknown",),
    ),
    Rule(
        code="constant-added",
        stage="compose",
        status=WRONG,
        sentence="{number} is added to every entry of y",
        why="A number that nothing has learnt shifts all features. An eps that should be in a denominator is the usual "
        "cause.",
        bad="f = channel(x) * x\ny = spatial(f) * f + 1e-3",
        fix=RIGHT,
        sources=("Eq. 1",),
        supersedes=("more-than-rounding",),
    ),
    Rule(
        code="differs-on-input",
        stage="compose",
        status=WRONG,
        sentence="y differs on {bad} of {all} inputs: {inputs}",
        why="It computes CBAM on most inputs and something else on some: a special case, a size, a sign. Tests with "
        "one kind of input do not see it.",
        bad="f = channel(x) * x\ny = spatial(f) * f if len(x) > 1 else f",
        fix=RIGHT,
        sources=("Eq. 1",),
        supersedes=("more-than-rounding",),
    ),
)
