"""What goes wrong with gradients, but for the routes to x: parameters, ties, and all at once."""

from __future__ import annotations

from npcbam.oracle.rules.gradient_routes import DX
from npcbam.oracle.rules.rule import NOTE, WRONG, Rule

# Lines of a right backward.
DW0 = "dw0 = dh_avg.T @ f_avg + dh_max.T @ f_max"
DW1 = "dw1 = dzc.T @ h_avg + dzc.T @ h_max"
DK = 'dk = np.einsum("nohw,nphwij->opij", dzs, windows(planes))'

RULES = (
    Rule(
        code="gradient-detached",
        stage="gradient",
        status=WRONG,
        sentence="dx is 0 times what it should be",
        why="No layer below the block learns anything. It comes of `no_grad` or `detach` around the block, or of a "
        "backward that forgets x.",
        bad="dx = np.zeros_like(x)",
        fix=DX,
        sources=("Eq. 1",),
    ),
    Rule(
        code="gradient-scaled",
        stage="gradient",
        status=WRONG,
        sentence="{tensor} is {times} what it should be",
        why="The direction is right and the length is not, so that a step of training is too long or too short. Where "
        "a factor of N or 1/N stands, a mean was taken for a sum.",
        bad=DK + " / len(x)",
        fix=DK,
        sources=("Eq. 1", "jxgu1016/MNIST_center_loss_pytorch#9"),
    ),
    Rule(
        code="gradient-wrong",
        stage="gradient",
        status=WRONG,
        sentence="{tensor} is not that of what the forward computes",
        why="The forward is known, its derivative is too, and this is another. Training goes another way than the loss "
        "says, and may get somewhere all the same, which hides it.",
        bad="slope = 1 - ms * ms  # tanh's\n" + DK.replace("dzs", "dms * slope"),
        fix=DK,
        sources=("Eq. 3",),
    ),
    Rule(
        code="gradient-explained",
        stage="gradient",
        status=WRONG,
        sentence="the gradient of {leaf} {what}",
        why="The numbers are those of a known mistake, which the sentence tells: look there first. Training goes on all the "
        "same, in another direction.",
        bad=DK + "\ndk = dk[..., ::-1, ::-1]",
        fix=DK,
        sources=("Eq. 1",),
        was=("gradient-wrong",),
    ),
    Rule(
        code="gradient-transposed",
        stage="gradient",
        status=WRONG,
        sentence="the gradient of {leaf} {what}",
        why="Rows stand for columns, and the shape does not tell where both are as many. With a cotangent of ones it "
        "does not show at all.",
        bad=DK + "\ndk = dk.swapaxes(2, 3)",
        fix=DK,
        sources=("Eq. 3",),
    ),
    Rule(
        code="gradient-not-finite",
        stage="gradient",
        status=WRONG,
        sentence="{tensor} is not finite",
        why="One step with it makes all weights NaN. A derivative was taken where there is none: of a root at 0, or of "
        "a quotient by 0.",
        bad=DX + "\ndx = dx * (x.std(0) / x.std(0))  # 0 / 0 for one sample",
        fix=DX,
        sources=("Eq. 1", "jeshraghian/snntorch#433"),
    ),
    Rule(
        code="gradient-of-dead",
        stage="gradient",
        status=WRONG,
        sentence="{name} has a gradient, and no effect on y",
        why="What y does not depend on has the gradient 0. The backward is that of another forward, perhaps an older "
        "one.",
        bad="# b1: (C)\ndb1 = dzc.sum(0) + 0.01 * b1  # the forward does without\n" + DW1,
        fix=DW1,
        sources=("Eq. 2",),
    ),
    Rule(
        code="parameter-detached",
        stage="gradient",
        status=WRONG,
        sentence="{leaf} has no gradient",
        why="It has an effect on y, and never learns. In a module it may be a buffer, or a copy of what is registered.",
        bad="dk = np.zeros_like(k)",
        fix=DK,
        sources=("Eq. 3", "pytorch/pytorch#715"),
    ),
    Rule(
        code="shared-weight-half",
        stage="gradient",
        status=WRONG,
        sentence="{leaf} gets no gradient {which}",
        why="The MLP runs twice, and its gradient is the sum of both. A backward that keeps one cache for a layer has "
        "that of the second call alone.",
        bad="dw0 = dh_max.T @ f_max",
        fix=DW0,
        sources=("Eq. 2",),
    ),
    Rule(
        code="tie-rule-last",
        stage="gradient",
        status=WRONG,
        sentence="the gradient of a tie goes to the last of the equal entries, as with max and amax of no framework",
        why="Where several entries share the maximum, any share among them is a subgradient, and frameworks give it to "
        "the first or to all evenly. The last comes of `>=` in a loop where `>` belongs.",
        bad="last = x.shape[3] * x.shape[2] - 1 - x[..., ::-1, ::-1].reshape(*x.shape[:2], -1).argmax(-1)\n"
        "at = (np.arange(x[0, 0].size) == last[..., None]).reshape(x.shape)\n"
        + DX.replace("to_top(x, (2, 3))", "at"),
        fix=DX,
        sources=("Eq. 2",),
    ),
    Rule(
        code="tie-rule-other",
        stage="gradient",
        status=NOTE,
        sentence="where several entries share the maximum, the gradient goes to some of them by no rule that is known: "
        "a right one all the same, as none of it is lost",
        why="At a tie the maximum has no single derivative, and each share among the equal entries is as right. The "
        "comparison with a framework may show it as a difference.",
        bad="noise = np.random.default_rng(0).random(x.shape) * (x == x.max((2, 3), keepdims=True))\n"
        + DX.replace("to_top(x, (2, 3))", "to_top(noise, (2, 3))"),
        fix=DX,
        sources=("Eq. 2", "jax-ml/jax#13600"),
    ),
    Rule(
        code="tie-rule-unknown",
        stage="gradient",
        status=WRONG,
        sentence="where several entries share the maximum, dx follows none of the rules that are known: to the first, "
        "to all evenly, or one of these axis by axis",
        why="At a tie each share among the equal entries is right, if the shares add up to what there is to share. "
        "Often each gets all of it, which is too much.",
        bad="tied = x == x.max((2, 3), keepdims=True)\n" + DX.replace("to_top(x, (2, 3))", "tied"),
        fix=DX,
        sources=("Eq. 2", "tensorflow/tensorflow#51681", "microsoft/onnxruntime#7217"),
    ),
    Rule(
        code="gradient-ties",
        stage="gradient",
        status=WRONG,
        sentence="dx follows the other rule for ties of a maximum",
        why="To the first of the equal entries and to all evenly are both right, and differ. Where results of two "
        "programs are to be equal, both have to follow one.",
        bad="# torch\ny = x.amax((2, 3))  # evenly; the vectors say to the first",
        fix="# torch\ny = nn.AdaptiveMaxPool2d(1)(x)  # to the first",
        sources=("Eq. 2", "rusty1s/pytorch_scatter#399"),
    ),
)
