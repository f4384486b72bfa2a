"""What each code of a `GradReport` means: what is wrong, why it matters, and what to do.

`CODES` are those of reports and findings; a finding's `kind` is one of `npcbam.diagnosis`.
"""

from __future__ import annotations

from dataclasses import dataclass

from npcbam.gradcheck.outcomes import Outcome


@dataclass(frozen=True)
class Code:
    """What a check of a gradient found.

    Attributes
    ----------
    code : a short stable word for scripts
    outcome : what it makes of the check
    what : what is so, in a sentence
    why : why it matters
    advice : what to do
    bad, fix : lines of NumPy of which it is said, and of which it is not, where no exhibit of the
        museum shows it
    """

    code: str
    outcome: Outcome
    what: str
    why: str
    advice: str
    bad: str = ""
    fix: str = ""


CODES = (
    Code(
        "right",
        "right",
        "the pullback is the derivative, as far as this point and these numbers show",
        "Each cotangent was held against the derivative of the forward; the report says how small "
        "an error would have been caught.",
        "Nothing; a point that repeats no length and no value shows the most.",
    ),
    Code(
        "mismatch",
        "wrong",
        "a cotangent is not the derivative of the forward",
        "Training goes on all the same, and ends elsewhere or slower. The finding's kind says what "
        "the array is like, where that is known.",
        "Start with the entry that is furthest off, and derive it by hand.",
        bad="""\
y = x + b
db = dy.mean(axis=0)""",
        fix="""\
y = x + b
db = dy.sum(axis=0)""",
    ),
    Code(
        "nan",
        "wrong",
        "a cotangent is NaN or infinite where the derivative is a number",
        "One NaN spreads to all parameters in the next step.",
        "Look for 0 times infinity, a division by 0, and a branch that np.where discards.",
    ),
    Code(
        "nonlinear",
        "wrong",
        "the pullback is not linear in dy",
        "A derivative is. What is right for one dy is then wrong for another, such as the next "
        "layer's.",
        "Let dy stand once in each term: no square, no sign, no clip of it, and nothing added.",
    ),
    Code(
        "count",
        "wrong",
        "the pullback does not return one cotangent for each argument",
        "Which cotangent belongs to which argument cannot be told.",
        "Return one for each argument, in their order, and None for what has no gradient.",
    ),
    Code(
        "structure",
        "wrong",
        "what is returned is no array, or not of the structure of the argument",
        "What sums gradients, an optimiser or a test, takes it apart as it does the argument.",
        "Return arrays in the same lists, dicts and classes as the argument has.",
        bad="""\
y = x @ w
dw = None""",
        fix="""\
y = x @ w
dw = x.T @ dy""",
    ),
    Code(
        "shape",
        "wrong",
        "a cotangent has another shape than its argument",
        "NumPy spreads it in silence where it is added, and the update is another one.",
        "Sum over what was broadcast in the forward, and reshape to the argument.",
    ),
    Code(
        "dtype",
        "wrong",
        "a cotangent has another dtype than its argument",
        "float64 in a float32 network costs memory and time; an integer cuts numbers off.",
        "Make new arrays with the dtype of what comes in: np.zeros_like(x).",
        bad="""\
x = np.float32([1.5, -0.25])
y = 2 * x
dx = dy * np.full(x.shape, 2.0)""",
        fix="""\
x = np.float32([1.5, -0.25])
y = 2 * x
dx = dy * np.full_like(x, 2.0)""",
    ),
    Code(
        "exception",
        "wrong",
        "the forward or the pullback raises",
        "Nothing can be said of a gradient that does not come.",
        "The report has the exception and the place.",
        bad="""\
y = x @ w
dx = dy @ w""",
        fix="""\
y = x @ w
dx = dy @ w.T""",
    ),
    Code(
        "impure",
        "wrong",
        "the pullback gives another result when it is called again",
        "It changes what it saved: a Jacobian row by row, or two losses, get wrong gradients.",
        "Never write to what was saved; add into new arrays.",
    ),
    Code(
        "stale",
        "wrong",
        "after the forward ran on other arguments, the first pullback gives another result",
        "A layer used twice, as CBAM's shared MLP is, goes back through its last use alone.",
        "Keep what is saved in the pullback, and not in the layer.",
    ),
    Code(
        "writes",
        "wrong",
        "an argument, the result or dy is written to",
        "The caller's numbers change behind its back, and what is computed later is wrong.",
        "Make new arrays in place of +=, out= and x[...] =.",
    ),
    Code(
        "layout",
        "wrong",
        "an equal dy that lies in memory in another order gives another result",
        "Code that walks through memory reads other numbers of a transposed array.",
        "Take np.ascontiguousarray(dy) first.",
    ),
    Code(
        "precision",
        "wrong",
        "in its own precision a cotangent is off by more than rounding explains",
        "In float64 it is right: digits cancel, or something overflows or underflows.",
        "Take out the largest before exp, divide before squaring, and sum in a wider dtype.",
        bad="""\
x = np.float32([0.5, -0.25, 0.75])
y = np.maximum(x, 0)
dx = dy * (x + 1e9 > 1e9)  # in float32 1e9 + 0.5 is 1e9""",
        fix="""\
x = np.float32([0.5, -0.25, 0.75])
y = np.maximum(x, 0)
dx = dy * (x > 0)""",
    ),
    Code(
        "overflow",
        "wrong",
        "in its own precision something overflows; in float64 it does not",
        "One infinity spreads to all parameters in the next step.",
        "Take out the largest before exp, and divide before squaring.",
        bad="""\
x = np.float32([1, 95])
y = np.logaddexp(0, x)
dx = dy * np.exp(x) / (1 + np.exp(x))""",
        fix="""\
x = np.float32([1, 95])
y = np.logaddexp(0, x)
dx = dy / (1 + np.exp(-x))""",
    ),
    Code(
        "underflow",
        "wrong",
        "in its own precision something becomes 0 that is not",
        "What it is multiplied by gets no gradient, and does not learn.",
        "Add logarithms in place of multiplying small numbers, or scale the loss.",
        bad="""\
x = np.float32([1e-12, -2e-12])
y = x**3
dx = dy * 3 * x**4 / x**2""",
        fix="""\
x = np.float32([1e-12, -2e-12])
y = x**3
dx = dy * 3 * x**2""",
    ),
    Code(
        "kink",
        "cannot tell",
        "the point lies on a kink, where any of several cotangents is right",
        "At relu's 0, or where two entries are the largest, the two sides have other slopes.",
        "Check at a point that is drawn at random.",
        bad="x = np.zeros(3)",
        fix="x = np.random.default_rng(0).normal(size=3)",
    ),
    Code(
        "jump",
        "cannot tell",
        "the forward jumps at this point, or moves in steps",
        "A rounding, an index or a comparison has no derivative there.",
        "Check at another point, or declare the argument as fixed.",
        bad="x = np.array([1.0, 2.0])  # of np.floor",
        fix="x = np.array([1.5, 2.5])",
    ),
    Code(
        "nonfinite",
        "cannot tell",
        "the forward or its derivative is not finite at this point",
        "There is nothing that a cotangent could be held against.",
        "Check at another point, or give the domain of the argument.",
        bad="""\
x = np.array([0.0, 2.0])
y = np.log(x)
dx = dy / x""",
        fix="""\
x = np.array([1.0, 2.0])
y = np.log(x)
dx = dy / x""",
    ),
    Code(
        "random",
        "cannot tell",
        "the forward gives another result when it is called again",
        "It draws random numbers or keeps something of a call, so that no derivative can be told.",
        "Seed it with before=lambda: np.random.seed(0), or put back what it keeps.",
        bad="""\
keep = rng.random(x.shape) < 0.5
y = x * keep
dx = dy * keep""",
        fix="""\
keep = np.random.default_rng(0).random(x.shape) < 0.5
y = x * keep
dx = dy * keep""",
    ),
    Code(
        "resolution",
        "cannot tell",
        "the derivative is too rough here for an error to be seen",
        "An error of a thousandth of the largest entry would have passed.",
        "Check in float64, at a point of ordinary size, or let the forward run on complex numbers.",
        bad="""\
x = np.array([0.3, 0.7])
y = x.astype(float) + 1e13  # 14 of 16 digits are gone
dx = dy""",
        fix="""\
x = np.array([0.3, 0.7])
y = x.astype(float)
dx = dy""",
    ),
)
BY_CODE = {code.code: code for code in CODES}
