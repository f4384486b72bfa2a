"""The spatial gate's rules of the norm after its convolution, which the authors' code has."""

from __future__ import annotations

from npcbam.oracle.rules.rule import FAITHFUL, WRONG, Parameter, Rule, Weights, one_of


def _eps(u: float, weights: Weights) -> float:
    """Return the eps of a norm that divides by 1/u."""
    eps: float = (u**-2 - weights["var"]).item()
    return eps


# The logits are affine in 1/sqrt(var + eps), and what is said is eps: so are the usual ones,
# Keras's first, and what can be told from none.
EPS = Parameter("eps", (1e-3, 1e-4, 1e-6, 1e-12), _eps, low=1e-13, high=1e6, spelled=_eps)

# The gate with its norm, as the lines of a rule.
Z = "z = conv(f.mean(1), f.max(1))\n"
RIGHT = Z + "ms = sigmoid(gamma * (z - mean) / np.sqrt(var + 1e-5) + beta)"

RULES = (
    Rule(
        code="spatial-eps",
        stage="spatial",
        status=FAITHFUL,
        sentence="the norm has eps {value}",
        why="The paper says nothing of it: PyTorch's norms have 1e-05, which the authors' code takes, and Keras's have "
        "0.001. Weights that go from one to the other give another map where the variance is small.",
        parameter=EPS,
        bad=Z + "ms = sigmoid(gamma * (z - mean) / np.sqrt(var + 1e-3) + beta)",
        fix=RIGHT,
        sources=("qqwweee/keras-yolo3#451", "gzuidhof/nn-transfer#3"),
        was=("spatial-eps-0.001", "spatial-eps-0.0001", "spatial-eps-1e-06", "spatial-eps-1e-12"),
    ),
    Rule(
        code="spatial-no-eps",
        stage="spatial",
        status=WRONG,
        sentence="the norm has no eps: where the variance is 0 it divides by 0",
        why="The variance is 0 where the kernel is, or where all features were dead in training. All of y is then NaN, and "
        "so is the loss.",
        sets={"eps": 0.0},
        bad=Z + "ms = sigmoid(gamma * (z - mean) / np.sqrt(var) + beta)",
        fix=RIGHT,
        sources=("Tencent/ncnn#303", "chainer/chainer#2214"),
    ),
    Rule(
        code="spatial-batch-statistics",
        stage="spatial",
        status=WRONG,
        sentence="the norm uses the batch's statistics in evaluation mode",
        why="What is said of one image then depends on which others are beside it, and an image alone comes out otherwise. "
        "In evaluation a norm goes by the mean and the variance that it kept in training.",
        parameter=one_of("norm", "batch", "batch-unbiased"),
        bad=Z + "ms = sigmoid(gamma * (z - z.mean()) / np.sqrt(z.var() + 1e-5) + beta)",
        fix=RIGHT,
        sources=("pytorch/pytorch#5406", "pytorch/pytorch#37823"),
        supersedes=("batch-statistics",),
        was=("spatial-batch-statistics-unbiased",),
    ),
    Rule(
        code="spatial-sample-statistics",
        stage="spatial",
        status=WRONG,
        sentence="the norm uses each sample's own statistics, as InstanceNorm and GroupNorm do",
        why="A map that is normalised by itself always has its bright and its dark half: an image with nothing in it is "
        "gated like any other. The authors' norm goes by the mean and the variance that it kept in training.",
        parameter=one_of("norm", "sample", "sample-unbiased"),
        bad=Z
        + "own_mean, own_var = z.mean((2, 3), keepdims=True), z.var((2, 3), keepdims=True)\n"
        + "ms = sigmoid(gamma * (z - own_mean) / np.sqrt(own_var + 1e-5) + beta)",
        fix=RIGHT,
        sources=("Jongchan/attention-module MODELS/cbam.py",),
        was=("spatial-sample-statistics-unbiased",),
    ),
    Rule(
        code="spatial-norm-ignored",
        stage="spatial",
        status=WRONG,
        sentence="the norm is built but not applied",
        why="Its parameters are in the state dictionary and never learn, and whoever reads the layers believes in a norm. "
        "Weights of a block that does apply it give another map here.",
        sets={"norm": "ignored"},
        bad=Z + "normed = norm(z)\nms = sigmoid(z)",
        fix=Z + "normed = norm(z)\nms = sigmoid(normed)",
        sources=("Jongchan/attention-module MODELS/cbam.py", "seen in public code"),
    ),
    Rule(
        code="spatial-norm-sqrt",
        stage="spatial",
        status=WRONG,
        sentence="the norm divides by the variance and not by its root",
        why="Logits of a small variance are then blown up and those of a large one pressed flat, where a norm gives all the "
        "same spread. With a variance near 1, as at the start of training, nothing shows.",
        sets={"norm": "variance"},
        bad=Z + "ms = sigmoid(gamma * (z - mean) / (var + 1e-5) + beta)",
        fix=RIGHT,
        sources=("Jongchan/attention-module MODELS/cbam.py",),
    ),
)
