"""Kinds of a wrong array in which something else stands: another array, factor or operand."""

from npcbam.diagnosis.kind import Kind

KINDS = (
    # What stands there in its place.
    Kind(
        "cotangent",
        "the cotangent of the result itself: no derivative is multiplied in",
        "The backward of the last function was forgotten, or taken for the identity.",
        "Multiply dy by the derivative at the saved input.",
    ),
    Kind(
        "other-cotangent",
        "the right cotangent of another argument",
        "A name was mistaken: dx for dw, or a copied line.",
        "Look where this argument's cotangent is assigned.",
        bad="""\
y = a * np.sin(b)
da = db = dy * a * np.cos(b)""",
        fix="""\
y = a * np.sin(b)
da, db = dy * np.sin(b), dy * a * np.cos(b)""",
    ),
    Kind(
        "other-array",
        "one of the arrays at hand, and no gradient",
        "A name was mistaken, such as x for dx.",
        "Look where this argument's cotangent is assigned.",
        bad="""\
y = np.sin(x)
dx = x""",
        fix="""\
y = np.sin(x)
dx = dy * np.cos(x)""",
    ),
    Kind(
        "cotangent-squared",
        "dy times dy",
        "The loss's own derivative was taken twice, or dy was used as the saved input.",
        "A pullback is linear in dy: dy stands in it once.",
        bad="""\
y = np.sin(x)
dx = dy * dy""",
        fix="""\
y = np.sin(x)
dx = dy * np.cos(x)""",
    ),
    Kind(
        "cotangent-size",
        "the size of dy, without its sign",
        "The slope of |x| was taken of dy and not of x.",
        "Take the sign of the saved input.",
        bad="""\
y = np.abs(x)
dx = np.abs(dy)""",
        fix="""\
y = np.abs(x)
dx = dy * np.sign(x)""",
    ),
    Kind(
        "cotangent-sign",
        "the sign of dy, without its size",
        "The sign of dy was taken, where that of x belongs.",
        "Multiply dy by the sign of the saved input.",
        bad="""\
y = np.abs(x)
dx = np.sign(dy)""",
        fix="""\
y = np.abs(x)
dx = dy * np.sign(x)""",
    ),
    Kind(
        "mask",
        "dy where some array has one sign, and 0 elsewhere",
        "The mask of a ReLU or of a clip is the wrong one.",
        "Save the mask in the forward: it belongs to the input of the ReLU.",
        bad="""\
y = np.where(x > 0, x, np.expm1(x))
dx = dy * (x > 0)""",
        fix="""\
y = np.where(x > 0, x, np.expm1(x))
dx = dy * np.where(x > 0, 1, np.exp(x))""",
    ),
    Kind(
        "cotangent-masked",
        "dy is passed only where some array has one sign",
        "A mask of a ReLU stands on another route than it belongs to.",
        "Apply each mask where its ReLU stands.",
        bad="""\
y = x @ w
dx = (dy * (y > 0)) @ w.T""",
        fix="""\
y = x @ w
dx = dy @ w.T""",
    ),
    Kind(
        "another-mask",
        "right, but for zeros that stand at other places",
        "A dropout mask was drawn anew, or a ReLU's mask is of another array.",
        "Save the mask in the forward.",
    ),
    Kind(
        "another-function",
        "the derivative of another function",
        "σ' of z where σ' is written by y = σ(z), GELU's other form, or a power that is one off.",
        "Say of each slope whether it is written by the input or by the result.",
    ),
    Kind(
        "derivative-elsewhere",
        "the right derivative, taken at another place",
        "σ'(z) was taken at σ(z), or tanh' at x after x was overwritten.",
        "Save what the derivative is taken at.",
    ),
    Kind(
        "copied",
        "parts hold what other parts should",
        "A loop writes to a wrong index, or a view was written to twice.",
        "Look at the index that the loop writes to.",
    ),
    # A factor or an operand.
    Kind(
        "factor-twice",
        "one factor is multiplied in once too often",
        "The factor is in dy already, or a gate multiplies on both ways.",
        "Count how often it stands in the forward: so often it stands in the backward.",
        bad="""\
y = a * b
da = dy * b * b""",
        fix="""\
y = a * b
da = dy * b""",
    ),
    Kind(
        "factor-missing",
        "one factor is missing",
        "y = a·b has dx = dy·b: b was left out.",
        "Multiply by what the argument was multiplied by in the forward.",
    ),
    Kind(
        "factor-exchanged",
        "one factor stands in the place of another",
        "dx = dy·x where dy·w belongs.",
        "The cotangent of one operand has the other as its factor.",
        bad="""\
y = a * b * c
da = dy * b * b""",
        fix="""\
y = a * b * c
da = dy * b * c""",
    ),
    Kind(
        "factor-by-index",
        "each index along an axis has a factor of its own",
        "Weights, counts or scales along that axis are missing or doubled.",
        "Look for what differs from index to index: counts at an edge, per-channel scales.",
    ),
    Kind(
        "operand-order",
        "right, if another operand lay in another order",
        "The other operand was transposed, flipped or shuffled in the backward alone.",
        "Save the operand as the forward used it.",
    ),
    Kind(
        "operand-value",
        "right, if the numbers that dy is multiplied by were others",
        "An operand was overwritten or recomputed between forward and backward.",
        "Save a copy, or compute from what was saved.",
    ),
    Kind(
        "weights",
        "right for other weights of a sum, such as another mask or scale of a softmax",
        "Attention's scale 1/√d or mask is not the same in the backward.",
        "Save the weights P themselves, and use them both for dv = Pᵀ dy and for dP.",
    ),
)
