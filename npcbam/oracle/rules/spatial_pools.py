"""The spatial gate's rules of another statistic over the channels where one of its pools belongs."""

from __future__ import annotations

from npcbam.oracle.rules.rule import WRONG, Parameter, Rule, one_of
from npcbam.oracle.rules.spatial_planes import RIGHT


def _planes(*several: tuple[str, str]) -> Parameter:
    """Return the parameter of a rule for these planes, which may be the other way round."""
    return one_of("pools", *several, *(planes[::-1] for planes in several))


RULES = (
    Rule(
        code="spatial-min-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the minimum over the channels stands where the average belongs",
        why="After a ReLU some channel is 0 nearly everywhere, so that the plane is nearly black and the kernel's half for "
        "it learns nothing. It is the slip of one who takes both ends of the range.",
        parameter=_planes(("min", "max")),
        bad="ms = sigmoid(conv(f.min(1), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3", "seen in public code"),
        was=("spatial-max-min",),
    ),
    Rule(
        code="spatial-min-for-max",
        stage="spatial",
        status=WRONG,
        sentence="the minimum over the channels stands where the maximum belongs",
        why="The largest channel says that something is there, the smallest that something is not. After a ReLU the "
        "smallest is 0 nearly everywhere, and the plane is nearly black.",
        parameter=_planes(("avg", "min")),
        bad="ms = sigmoid(conv(f.mean(1), f.min(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-sum-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the sum over the channels stands where the average belongs",
        why="The plane is larger by the number of channels, 64 to 2048 times: it drowns the maximum, and the sigmoid is "
        "open or shut and learns no more. Weights of a right block give another map altogether.",
        parameter=_planes(("sum", "max")),
        bad="ms = sigmoid(conv(f.sum(1), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
        was=("spatial-max-sum",),
    ),
    Rule(
        code="spatial-std-for-max",
        stage="spatial",
        status=WRONG,
        sentence="the standard deviation over the channels stands where the maximum belongs",
        why="It says how much the channels differ, and not how strong the strongest is. Libraries do not agree on it "
        "either: PyTorch divides by one less than NumPy, and its slope is infinite where all channels are alike.",
        parameter=_planes(("avg", "std"), ("avg", "std-biased")),
        bad="ms = sigmoid(conv(f.mean(1), f.std(1, ddof=1)))",
        fix=RIGHT,
        sources=("Eq. 3", "pytorch/pytorch#50010"),
        was=("spatial-std-for-max-biased",),
    ),
    Rule(
        code="spatial-std-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the standard deviation over the channels stands where the average belongs",
        why="It says how much the channels differ, and not how strong they are: a constant added to all is not seen. "
        "Libraries do not agree on it either: PyTorch divides by one less than NumPy.",
        parameter=_planes(("std", "max"), ("std-biased", "max")),
        bad="ms = sigmoid(conv(f.std(1, ddof=1), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3", "pytorch/pytorch#50010"),
        was=("spatial-std-for-avg-biased",),
    ),
    Rule(
        code="spatial-median-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the median over the channels stands where the average belongs",
        why="After a ReLU more than half of the channels are often 0, and then so is their median. Its gradient goes to "
        "one channel alone, where the average's goes to all.",
        parameter=_planes(("median", "max")),
        bad="middle = (f.shape[1] - 1) // 2\nms = sigmoid(conv(np.sort(f, axis=1)[:, middle], f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-median-for-max",
        stage="spatial",
        status=WRONG,
        sentence="the median over the channels stands where the maximum belongs",
        why="The median leaves out what stands out, and that is what the maximum is there for. After a ReLU it is 0 "
        "wherever more than half of the channels are.",
        parameter=_planes(("avg", "median")),
        bad="middle = (f.shape[1] - 1) // 2\nms = sigmoid(conv(f.mean(1), np.sort(f, axis=1)[:, middle]))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-abs-max",
        stage="spatial",
        status=WRONG,
        sentence="the largest magnitude over the channels stands where the maximum belongs",
        why="A channel far below 0 then counts as one far above. After a ReLU nothing shows, and after a batch norm, where "
        "CBAM mostly stands, it does.",
        parameter=_planes(("avg", "absmax")),
        bad="ms = sigmoid(conv(f.mean(1), np.abs(f).max(1)))",
        fix=RIGHT,
        sources=("Eq. 3",),
    ),
    Rule(
        code="spatial-lp-for-avg",
        stage="spatial",
        status=WRONG,
        sentence="the norm of the channels stands where the average belongs",
        why="The norm is no average: it grows with the number of channels, and does not see their sign. The authors' code "
        "has it as a third pool, and in the channel gate alone.",
        parameter=_planes(("lp", "max")),
        bad="ms = sigmoid(conv(np.sqrt((f * f).sum(1)), f.max(1)))",
        fix=RIGHT,
        sources=("Eq. 3", "Jongchan/attention-module MODELS/cbam.py"),
    ),
)
