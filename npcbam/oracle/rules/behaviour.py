"""What a block does besides computing y: it writes, prints, remembers, mixes samples, depends on memory."""

from __future__ import annotations

from npcbam.oracle.rules.composition import RIGHT
from npcbam.oracle.rules.rule import NOTE, UNDECIDED, WRONG, Rule

# What a stage that is not known says, and what then follows from the finding beside it.
UNKNOWN = (
    *("channel-unknown", "channel-reads-positions", "channel-reads-more"),
    *("spatial-unknown", "spatial-reads-channels", "spatial-reads-far"),
    *("compose-unknown", "nothing-known"),
)

RULES = (
    Rule(
        code="writes-input",
        stage="effects",
        status=WRONG,
        sentence="it writes to its input, which is the caller's",
        why="A residual block adds the same array as its shortcut afterwards, and finds it changed. Autograd may need "
        "it too, and raises, or gives another gradient without a word.",
        bad="x *= channel(x)\ny = spatial(x) * x",
        fix=RIGHT,
        sources=("Eq. 1", "pytorch/pytorch#15428"),
    ),
    Rule(
        code="writes-parameters",
        stage="effects",
        status=WRONG,
        sentence="forward in evaluation mode writes to {name}",
        why="Evaluating a network must not change it: the order of the images would matter, and no result could be "
        "had twice. Running statistics are written in training alone.",
        bad="# steps: (1)\nsteps += 1\n" + RIGHT,
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="buffer-kept",
        stage="effects",
        status=NOTE,
        sentence="y depends on the buffer {name}, which no CBAM has: it was left as it came",
        why="All else is set to other values before a block is run, so that nothing hides behind a 0 or a 1. What "
        "a mask or a temperature of its own does with another value was not tried.",
        bad="# torch\nself.register_buffer('t', torch.tensor(1.0))  # and then sigmoid(z / self.t)",
        fix="# torch\nself.t = 1.0  # what is never another number needs no buffer",
        sources=("Eq. 2",),
    ),
    Rule(
        code="prints",
        stage="effects",
        status=NOTE,
        sentence="it prints in every forward: {line}",
        why="Something was left over from debugging. In training it says so thousands of times.",
        bad='print("x:", x.shape)\n' + RIGHT,
        fix=RIGHT,
        sources=("langchain-ai/langchain#12648",),
    ),
    Rule(
        code="output-shape",
        stage="effects",
        status=WRONG,
        sentence="y has shape {got}, where x has {expected}",
        why="CBAM refines features and keeps their shape, so that it can be put anywhere. The next layer may broadcast "
        "another shape without a word.",
        bad=RIGHT + "\ny = y.mean(1, keepdims=True)",
        fix=RIGHT,
        sources=("Eq. 1",),
        supersedes=UNKNOWN,
    ),
    Rule(
        code="output-dtype",
        stage="effects",
        status=WRONG,
        sentence="y has dtype {got}, where x and the parameters have {expected}",
        why="The layers after it then compute in another precision, or refuse. The memory that half precision "
        "saves may be lost there.",
        bad=RIGHT + "\ny = y.astype(np.float32)",
        fix=RIGHT,
        sources=("Eq. 1", "airbus/decomon#34"),
    ),
    Rule(
        code="not-repeatable",
        stage="effects",
        status=UNDECIDED,
        sentence="two calls on the same input give different results",
        why="Something in it is random, or remembers the last call: dropout in evaluation mode, noise, a counter. "
        "Nothing that is compared with such a result tells anything.",
        bad=RIGHT + "\ny = y * (np.random.random(y.shape) > 0.1)",
        fix=RIGHT,
        sources=("Eq. 1", "Coderx7/SimpleNet#2"),
    ),
    Rule(
        code="second-call-fails",
        stage="effects",
        status=UNDECIDED,
        sentence="its second call fails: {error}",
        why="The first call leaves something behind that the second trips over. A layer runs once for each batch, and "
        "often twice for one.",
        bad="# torch\ndef forward(self, x):\n    pool = self.pools.pop()  # empty in the second call\n    return x * self.gate(pool(x))",
        fix="# torch\ndef forward(self, x):\n    return x * sum(self.gate(pool(x)) for pool in self.pools)",
        sources=("Eq. 1",),
        was=("not-repeatable",),
    ),
    Rule(
        code="batch-statistics",
        stage="effects",
        status=WRONG,
        sentence="a norm in evaluation mode uses the statistics of the batch: y of one sample depends on the others, "
        "and the scale of {name} has no effect",
        why="The same image gives another result in another batch, and a batch of one gives almost nothing. In "
        "evaluation a norm uses its running statistics.",
        bad="def norm(z): return gamma * (z - z.mean()) / np.sqrt(z.var() + 1e-5) + beta\n"
        "mc = column(sigmoid(norm(mlp(avg(x)) + mlp(top(x)))))",
        fix="mc = column(sigmoid(mlp(avg(x)) + mlp(top(x))))",
        sources=("Eq. 2", "pytorch/pytorch#30294"),
        supersedes=(*UNKNOWN, "kernels-apart", "more-planes"),
    ),
    Rule(
        code="samples-mixed",
        stage="effects",
        status=WRONG,
        sentence="samples influence each other: y of sample 0 changes with the other samples",
        why="The same image gives another result in another batch. It comes of a mean or a softmax over the wrong "
        "axis, or of a reshape that forgets the batch.",
        bad="mc = channel(x).mean(0, keepdims=True)",
        fix="mc = channel(x)",
        sources=("Eq. 1",),
    ),
    Rule(
        code="layout-dependent",
        stage="effects",
        status=WRONG,
        sentence="y changes when the same input lies in memory {how}",
        why="Numbers are read in the order in which they lie in memory, and not by their index. With channels "
        "innermost, as fast convolutions have them, the block computes something else.",
        bad='x = x.ravel("K").reshape(x.shape)\n' + RIGHT,
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="layout-refused",
        stage="effects",
        status=NOTE,
        sentence="it fails on an input that lies in memory {how}: {error}",
        why="It asks for one way to lie in memory, and says so, which is honest. `contiguous()` before it helps, and "
        "costs a copy.",
        bad="assert x.flags.c_contiguous\n" + RIGHT,
        fix=RIGHT,
        sources=("Eq. 1", "denisyarats/drq#27"),
        was=("layout-dependent",),
    ),
)
