"""What goes wrong with numbers that the mathematics does not know of: overflow, lost digits, NaN."""

from __future__ import annotations

from npcbam.oracle.rules.composition import RIGHT
from npcbam.oracle.rules.rule import NOTE, UNDECIDED, WRONG, Rule

# What another, more telling finding explains where y is off by more than rounding.
OFF = ("more-than-rounding",)

RULES = (
    Rule(
        code="exp-overflow",
        stage="numerics",
        status=WRONG,
        sentence="large logits overflow in exp, and {tensor} gets {what}",
        why="float32 ends at e to the 88, float16 at e to the 11, and infinity over infinity is NaN. One such entry "
        "spoils the weights at the next step of training.",
        bad="def sigmoid(z): return np.exp(z) / (1 + np.exp(z))",
        fix="def sigmoid(z):\n    e = np.exp(-np.abs(z))\n    return np.where(z < 0, e, 1) / (1 + e)",
        sources=("Eq. 2", "Eq. 3", "clab/dynet#1525"),
        supersedes=OFF,
    ),
    Rule(
        code="mean-loses-digits",
        stage="numerics",
        status=WRONG,
        sentence="the mean loses digits: with an offset of {offset} under the features, y is off by {times} times "
        "what rounding in {dtype} explains",
        why="Large numbers are added or squared, and their difference is small, so that most of their digits go with "
        "them. Features far from zero then have averages of few digits, above all in half precision.",
        bad="def avg(x): return ((x + 1) ** 2 - x**2 - 1).mean((2, 3)) / 2",
        fix="def avg(x): return x.mean((2, 3))",
        sources=("Eq. 2", "numpy/numpy#8217"),
        supersedes=OFF,
    ),
    Rule(
        code="half-inside",
        stage="numerics",
        status=WRONG,
        sentence="{tensor} has the digits of half precision in {dtype}: something inside is rounded to float16, "
        "bfloat16 or TF32",
        why="What comes in and goes out has more digits than what is computed between. A comparison with another "
        "framework then fails, and nothing in the code says why.",
        bad="def avg(x): return x.mean((2, 3)).astype(np.float16).astype(x.dtype)",
        fix="def avg(x): return x.mean((2, 3))",
        sources=("Eq. 2",),
        supersedes=OFF,
    ),
    Rule(
        code="single-inside",
        stage="numerics",
        status=NOTE,
        sentence="in float64 {part} computed in float32: no more than float32's digits are to be had there",
        why="A gradient check by differences needs the digits of float64, and fails on a block that casts. It is wrong "
        "where float64 was asked for, and else worth knowing.",
        bad="def sigmoid(z): return expit(z.astype(np.float32)).astype(z.dtype)",
        fix="def sigmoid(z): return expit(z)",
        sources=("Eq. 2", "Eq. 3"),
    ),
    Rule(
        code="tf32-inside",
        stage="numerics",
        status=NOTE,
        sentence="in float32 it computes its linear layers and convolutions with factors rounded to 10 bits, as TF32 "
        "has them",
        why="GPUs since 2020 do so unless they are told otherwise, and it is three times faster. It explains errors of "
        "a thousandth, which are then no mistake.",
        bad="# torch\ntorch.backends.cuda.matmul.allow_tf32 = True\ntorch.backends.cudnn.allow_tf32 = True",
        fix="# torch\ntorch.backends.cuda.matmul.allow_tf32 = False\ntorch.backends.cudnn.allow_tf32 = False",
        sources=("pytorch/pytorch#53635",),
    ),
    Rule(
        code="autocast-inside",
        stage="numerics",
        status=NOTE,
        sentence="in float32 it computes its linear layers and convolutions in {half}, as under autocast",
        why="Autocast does so on purpose, for speed. It explains errors of a hundredth, which are then no mistake.",
        bad='# torch\nwith torch.autocast("cpu", torch.bfloat16):\n    y = cbam(x)',
        fix="# torch\ny = cbam(x)",
        sources=("PyTorch's notes on automatic mixed precision",),
    ),
    Rule(
        code="approximate-sigmoid",
        stage="numerics",
        status=WRONG,
        sentence="the {gate} gate is only nearly a sigmoid: its error depends on the logit alone and does not shrink "
        "with higher precision",
        why="A table, a polynomial or a fit is taken for the sigmoid. Weights that were trained with the real one give "
        "slightly other results, and no more digits will help.",
        bad="def sigmoid(z): return expit(z) + 0.002 * np.sin(3 * z)",
        fix="def sigmoid(z): return expit(z)",
        sources=("Eq. 2", "Eq. 3"),
        supersedes=OFF,
    ),
    Rule(
        code="precision",
        stage="numerics",
        status=WRONG,
        sentence="in {dtype}, {tensor} {what}, on the input `{input}`",
        why="Rounding explains some error of every entry, and this is more. Somewhere digits are lost that the "
        "precision has: by cancellation, by a division by almost 0, or by numbers out of range.",
        bad="def avg(x): return (x + 300).mean((2, 3)) - 300",
        fix="def avg(x): return x.mean((2, 3))",
        sources=("Eq. 2",),
        supersedes=OFF,
    ),
    Rule(
        code="more-than-rounding",
        stage="numerics",
        status=WRONG,
        sentence="in {dtype}, y is off by {times} times what rounding explains",
        why="What it computes was recognised, and its numbers are near, but not near enough. Digits are lost somewhere, "
        "or a function is only nearly the right one.",
        bad=RIGHT + " * (1 if len(x) > 3 else 1.1)",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="nan-spread",
        stage="numerics",
        status=WRONG,
        sentence="{what} in one sample spoils the others",
        why="One broken image then takes the whole batch with it, and it no longer shows which one it was. No sample "
        "of a batch is another's business.",
        bad=RIGHT + "\ny = y + 0 * x.sum(0, keepdims=True)",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="nan-swallowed",
        stage="numerics",
        status=WRONG,
        sentence="NaN in the features is swallowed: {what}",
        why="NaN says that something broke earlier, and it has to come out so that someone looks. A block that turns "
        "it into a number hides the fault.",
        bad="x = np.nan_to_num(x, nan=0.0, posinf=np.inf, neginf=-np.inf)\n" + RIGHT,
        fix=RIGHT,
        sources=("Eq. 1", "pytorch/pytorch#7645"),
    ),
    Rule(
        code="inf-swallowed",
        stage="numerics",
        status=WRONG,
        sentence="infinity in the features is swallowed: {what}",
        why="Infinity says that something overflowed earlier, and it has to come out so that someone looks. A block "
        "that turns it into a number hides the fault.",
        bad="x = np.nan_to_num(x, nan=np.nan)\n" + RIGHT,
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="not-finite",
        stage="numerics",
        status=WRONG,
        sentence="y is not finite on `{input}` ({reason})",
        why="NaN or infinity came out of numbers that are neither large nor small. From there on nothing can be "
        "trained.",
        bad=RIGHT + "\ny = y * np.sqrt(x) / np.sqrt(x)",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="never-finite",
        stage="numerics",
        status=UNDECIDED,
        sentence="y is NaN or infinite in every entry on every input: nothing can be read off it",
        why="Nothing can be said of a block that never gives a number. Look first for a division by 0, or for weights "
        "that were never set.",
        bad=RIGHT + "\ny = y / np.zeros_like(y)",
        fix=RIGHT,
        sources=("Eq. 1",),
    ),
    Rule(
        code="unsupported-precision",
        stage="numerics",
        status=NOTE,
        sentence="it does not run in {dtype}: {error}",
        why="Some layers have no kernel for half precision on the CPU, and say so. It matters to those who train in "
        "that precision.",
        bad='def sigmoid(z):\n    if z.dtype == np.float16: raise TypeError("no float16 here")\n    return expit(z)',
        fix="def sigmoid(z): return expit(z)",
        sources=("Eq. 2", "Eq. 3"),
    ),
)
