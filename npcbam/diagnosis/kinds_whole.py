"""Kinds of a wrong array as a whole: its values, its shape and its order."""

from npcbam.diagnosis.kind import Kind

KINDS = (
    # The whole array.
    Kind(
        "not-finite",
        "entries are NaN or infinite, where the derivative is finite",
        "A division by 0, a root or logarithm at its bound, or 0 times infinity in a branch "
        "that np.where discards.",
        "Make the argument safe before the function, not its result after: sqrt(where(x > 0, x, "
        "1)).",
    ),
    Kind(
        "zero",
        "it is 0, and should not be",
        "The array was made with zeros_like and never added to, or a route was cut by a copy, a "
        "detach or an integer.",
        "Follow the result back: which line should have written here?",
    ),
    Kind(
        "unwritten",
        "it is one number everywhere",
        "The array came from np.empty or np.ones, and nothing was written to it.",
        "Start from zeros, and add what each use gives.",
    ),
    Kind(
        "factor",
        "it is right but for one factor",
        "A mean that was not divided, the 2 of a square, a batch size, a scale or a temperature.",
        "The factor is named where it is a length or a number at hand: look for the line that "
        "has it in the forward alone.",
    ),
    Kind(
        "sign",
        "the sign is the other one",
        "A minus of the forward (a - b, 1 - m, -log p) did not come back, or came back twice.",
        "Write the derivative of each line beside it; -1 times must stand in one of them.",
    ),
    Kind(
        "rounded",
        "the array is right, to the digits of a lower precision",
        "Something in the backward was cast to float32, float16 or bfloat16, or made without a "
        "dtype.",
        "Make new arrays with the dtype of what comes in: np.zeros_like(x), and no dtype= of "
        "your own.",
        bad="""\
y = x @ w
dw = np.float32(x.T @ dy).astype(w.dtype)""",
        fix="""\
y = x @ w
dw = x.T @ dy""",
    ),
    Kind(
        "digits",
        "the array agrees to some digits and no further",
        "An eps in the backward that is not in the forward, a rounded constant, or an "
        "approximate function.",
        "Use the numbers of the forward: save them, and do not compute them anew in another way.",
        bad="""\
y = np.log(x)
dx = dy / (x + 1e-8)""",
        fix="""\
y = np.log(x)
dx = dy / x""",
    ),
    Kind(
        "clipped",
        "the right array, cut off at a bound",
        "A clip of gradients inside of the backward.",
        "Clip where the optimiser steps; a pullback is to be linear in dy.",
        bad="""\
y = x @ w
dx = np.clip(dy @ w.T, -1, 1)""",
        fix="""\
y = x @ w
dx = dy @ w.T""",
    ),
    Kind(
        "shuffled",
        "the right numbers in other places",
        "An index, a permutation or a reshape that is not undone.",
        "The way back of a[index] is an addition at index; of a permutation p it is argsort(p).",
        bad="""\
y = np.sin(x)
dx = np.sort(dy * np.cos(x))""",
        fix="""\
y = np.sin(x)
dx = dy * np.cos(x)""",
    ),
    Kind(
        "exchanged",
        "two or more cotangents have changed places",
        "The pullback returns them in another order than the arguments have.",
        "Return one cotangent for each argument, in their order.",
    ),
    # Its shape and its order.
    Kind(
        "shape",
        "the right numbers in another shape",
        "The reshape or the flattening of the forward is not undone.",
        "Reshape to the shape of the argument: dx.reshape(x.shape).",
        bad="""\
y = np.sin(x).ravel()
dx = dy * np.cos(x).ravel()""",
        fix="""\
y = np.sin(x).ravel()
dx = dy.reshape(x.shape) * np.cos(x)""",
    ),
    Kind(
        "transposed",
        "axes are exchanged",
        "dw = x.T @ dy where dy.T @ x belongs, or a transposition that is not undone.",
        "Compare shapes axis by axis with a point at which all lengths differ.",
        bad="""\
y = x @ w
dw = dy.T @ x""",
        fix="""\
y = x @ w
dw = x.T @ dy""",
    ),
    Kind(
        "memory-order",
        "the numbers were read or written in another memory order",
        "A reshape of an array in Fortran order, a ravel with order='K', or C code that walks "
        "through memory.",
        "Take np.ascontiguousarray first, or name the order in every reshape.",
    ),
    Kind(
        "flipped",
        "the array runs the other way along an axis",
        "A convolution's kernel was flipped once too often, or not at all.",
        "The way back of a correlation is a convolution: flip the kernel for dx, and not for dw.",
        bad="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
y = np.sin(x[::-1])
dx = dy * np.cos(x[::-1])""",
        fix="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
y = np.sin(x[::-1])
dx = dy[::-1] * np.cos(x)""",
    ),
    Kind(
        "shifted",
        "the array is moved along an axis",
        "Padding or a crop is taken off at the wrong end, or an index starts at 1.",
        "Undo padding by slicing with what np.pad was given, end by end.",
        bad="""\
y = np.sin(np.roll(x, -1))
dx = dy * np.cos(np.roll(x, -1))""",
        fix="""\
y = np.sin(np.roll(x, -1))
dx = np.roll(dy, 1) * np.cos(x)""",
    ),
    Kind(
        "regrouped",
        "an axis was dealt out in groups",
        "A channel shuffle, or heads that were split, are not put back in the reverse order.",
        "Undo reshape, transpose, reshape by the same three in reverse.",
        bad="""\
x = np.array([0.3, -1.2, 0.8, 2.0, -0.4, 1.1])
y = np.sin(x.reshape(2, 3).T.ravel())
dx = dy * np.cos(x.reshape(2, 3).T.ravel())""",
        fix="""\
x = np.array([0.3, -1.2, 0.8, 2.0, -0.4, 1.1])
y = np.sin(x.reshape(2, 3).T.ravel())
dx = dy.reshape(3, 2).T.ravel() * np.cos(x)""",
    ),
    Kind(
        "not-summed",
        "the cotangent has an axis too many, and is right once that is summed",
        "The argument was broadcast in the forward: a bias, a gain, a scalar.",
        "Sum over the axes along which it was spread: db = dy.sum(0).",
    ),
    Kind(
        "not-spread",
        "the cotangent has the length 1 where it should be spread",
        "The forward sums or averages; its way back repeats, and divides for a mean.",
        "Spread it with np.broadcast_to(dy, x.shape), and divide by the count for a mean.",
    ),
    Kind(
        "other-axis",
        "a sum or a factor is along another axis than it is due",
        "axis=0 for axis=1, or a vector of two axes of one length.",
        "Try a point at which no two axes have the same length.",
    ),
)
