"""Kinds of a wrong array that is off by a term, or in some entries alone."""

from npcbam.diagnosis.kind import Kind

KINDS = (
    # A term.
    Kind(
        "added",
        "something was added: a constant, or an array at hand",
        "Weight decay, an eps, or += on an array that was not new.",
        "Look for a + in the backward that has none in the forward; start from zeros.",
    ),
    Kind(
        "term-missing",
        "one term is missing",
        "A sum of several ways back lacks one, such as a residual.",
        "Count the uses of the argument in the forward: so many terms.",
        bad="""\
y = x + np.tanh(x)
dx = dy * (1 - np.tanh(x) ** 2)""",
        fix="""\
y = x + np.tanh(x)
dx = dy + dy * (1 - np.tanh(x) ** 2)""",
    ),
    Kind(
        "term",
        "one term is wrong or missing",
        "The derivative of a quotient, a norm or a product has several terms.",
        "Derive it term by term, and check each alone.",
    ),
    Kind(
        "term-factor",
        "one term has a wrong factor",
        "A square, a count or a root is one too many in it.",
        "Check the powers of that term.",
    ),
    Kind(
        "mean-term",
        "off by a term that is the same along an axis",
        "The term through a mean is missing, or was added where there is no mean.",
        "A mean in the forward gives dy's mean in the backward, with its sign.",
        bad="""\
y = np.sin(x) - x.mean(axis=0)
dx = dy * np.cos(x)""",
        fix="""\
y = np.sin(x) - x.mean(axis=0)
dx = dy * np.cos(x) - dy.mean(axis=0)""",
    ),
    Kind(
        "projection",
        "off by a multiple of an array in each row",
        "The term through a norm, a softmax or a variance is missing or wrong.",
        "The gradient of what is normalised has no part along the result: that part is taken out.",
    ),
    Kind(
        "statistics",
        "off by the terms through a mean and a variance",
        "The statistics were taken as constants, or are constants and were not.",
        "In training they depend on x: two terms more. In evaluation they do not.",
        bad="""\
u = (x - x.mean(axis=0)) / x.std(axis=0)
y = u
dx = dy / x.std(axis=0)""",
        fix="""\
u = (x - x.mean(axis=0)) / x.std(axis=0)
y = u
dx = (dy - dy.mean(axis=0) - u * (dy * u).mean(axis=0)) / x.std(axis=0)""",
    ),
    # Some entries alone.
    Kind(
        "one-entry",
        "one entry alone is wrong",
        "An edge, a corner or the first index is treated apart.",
        "Look at the first and the last step of each loop.",
        bad="""\
y = np.sin(x)
dx = dy * np.cos(x)
dx[0, 0] = dx[0, 1]""",
        fix="""\
y = np.sin(x)
dx = dy * np.cos(x)""",
    ),
    Kind(
        "ties",
        "entries that are tied at a maximum each get the whole, where they share",
        "mask = x == x.max() passes dy to all that are equal.",
        "Divide by their number, or pass to the first alone, as argmax does.",
    ),
    Kind(
        "counted-several",
        "each entry is a whole number of times what it should be",
        "Entries that windows share were counted anew for each.",
        "Look for a sum over windows that is taken twice.",
        bad="""\
x = np.array([0.3, -1.2, 0.8, 2.0, -0.4, 1.1])
y = np.sin(x)
dx = np.zeros_like(x)
for i in range(4):
    dx[i : i + 3] += (dy * np.cos(x))[i : i + 3]""",
        fix="""\
x = np.array([0.3, -1.2, 0.8, 2.0, -0.4, 1.1])
y = np.sin(x)
dx = dy * np.cos(x)""",
    ),
    Kind(
        "zero-where",
        "the array is 0 where some array has one sign, and should not be",
        "A mask is applied that does not belong there.",
        "Look for a mask, a clip or a where.",
    ),
    Kind(
        "zero-rows",
        "rows are missing: they are 0, and should not be",
        "A loop ends early, or a slice leaves an edge out.",
        "Look at the bounds.",
        bad="""\
y = np.sin(x)
dx = np.zeros_like(x)
dx[:-1] = (dy * np.cos(x))[:-1]""",
        fix="""\
y = np.sin(x)
dx = dy * np.cos(x)""",
    ),
    Kind(
        "zero-entries",
        "some entries are 0, and should not be",
        "An index that is written to does not reach them.",
        "Look at what is written to.",
        bad="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
y = np.diff(x)
dx = np.zeros_like(x)
dx[1:] += dy
dx[1:-1] -= dy[1:]""",
        fix="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
y = np.diff(x)
dx = np.zeros_like(x)
dx[1:] += dy
dx[:-1] -= dy""",
    ),
)
