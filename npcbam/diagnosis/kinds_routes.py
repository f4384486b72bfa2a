"""Kinds of a wrong array in which a way back is missing, doubled or wrong."""

from npcbam.diagnosis.kind import Kind

KINDS = (
    # What reaches which entry.
    Kind(
        "diagonal",
        "only each result's own entry counts: the rest of the Jacobian is missing",
        "softmax, norms and sums mix entries; their slope was taken entry by entry.",
        "For a softmax dz = p·(dy - sum(p·dy)): the sum is what is missing.",
    ),
    Kind(
        "off-diagonal",
        "what lies off the Jacobian's diagonal has a wrong sign or factor, or the diagonal is "
        "missing",
        "The sum in dz = p·(dy - sum(p·dy)) is added, doubled or stands alone.",
        "Write the Jacobian of a vector of three by hand, and compare.",
        bad="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
p = np.exp(x) / np.exp(x).sum()
y = p
dx = p * (1 - p) * dy + p * ((p * dy).sum() - p * dy)""",
        fix="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
p = np.exp(x) / np.exp(x).sum()
y = p
dx = p * (dy - (p * dy).sum())""",
    ),
    Kind(
        "not-transposed",
        "the Jacobian is applied where its transpose is due",
        "The forward was run again on dy: W @ dy for W.T @ dy, or a permutation applied twice.",
        "A pullback goes against the arrows: use the transpose, or the inverse permutation.",
    ),
    Kind(
        "same-index",
        "only results at the same index count",
        "A cumulative sum, an attention or a product x xᵀ reaches further.",
        "Sum over all results that the entry reaches.",
        bad="""\
m = rng.normal(size=(4, 4))
y = m @ x @ w
dx = np.diag(m)[:, None] * (dy @ w.T)""",
        fix="""\
m = rng.normal(size=(4, 4))
y = m @ x @ w
dx = m.T @ dy @ w.T""",
    ),
    Kind(
        "only-up-to",
        "what comes from results that lie further along is missing",
        "A recurrence or a scan was cut off, or run the wrong way.",
        "Carry the cotangent through all steps, from the last to the first.",
    ),
    Kind(
        "only-first",
        "only the first of several uses counts",
        "The gradient is assigned once, and not added up.",
        "Start from zeros, and use += or np.add.at.",
    ),
    Kind(
        "only-last",
        "only the last of several uses counts",
        "dx[index] = dy overwrites where an index comes twice.",
        "Use np.add.at(dx, index, dy).",
    ),
    Kind(
        "mean-for-sum",
        "a mean, or the largest, of what should be summed",
        "A division by a count that the forward does not have.",
        "Uses add up: sum them.",
        bad="""\
x = np.array([1.0, 3.0, 2.0])
y = x[at]
dx = np.array([dy[at == i].mean() for i in range(3)])""",
        fix="""\
x = np.array([1.0, 3.0, 2.0])
y = x[at]
dx = np.array([dy[at == i].sum() for i in range(3)])""",
    ),
    Kind(
        "use-lost",
        "one of two uses of an argument is missing",
        "x @ x.T, x·x and a shared weight use their argument twice.",
        "Give each use its own cotangent, and add them.",
        bad="""\
y = x @ x.T
dx = dy @ x""",
        fix="""\
y = x @ x.T
dx = dy @ x + dy.T @ x""",
    ),
    Kind(
        "overwritten",
        "one of two passes took what the other had written over dy",
        "An in-place operation on dy.",
        "Never write to dy: make a new array.",
        bad="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
y = np.cumsum(x) + np.cumsum(x[::-1])[::-1]
dy[:] = np.cumsum(dy[::-1])[::-1]
dx = dy + np.cumsum(dy)""",
        fix="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
y = np.cumsum(x) + np.cumsum(x[::-1])[::-1]
dx = np.cumsum(dy[::-1])[::-1] + np.cumsum(dy)""",
    ),
    Kind(
        "result-left-out",
        "the cotangent of one of the results is not used",
        "The forward gives several results, and the backward goes back through some.",
        "Each result has a cotangent: add what comes of all.",
        bad="""\
y = np.sin(x), np.exp(x)
dx = dy[0] * np.cos(x)""",
        fix="""\
y = np.sin(x), np.exp(x)
dx = dy[0] * np.cos(x) + dy[1] * np.exp(x)""",
    ),
    Kind(
        "result-mixed",
        "the cotangents of two results are mixed up",
        "They were added, or exchanged, before they went back.",
        "Send each through its own way, and add in the end.",
    ),
    Kind(
        "rows-left-out",
        "some indices of dy are not used",
        "A loop ends one early, or a batch's remainder is dropped.",
        "Look at the bounds of the loop.",
    ),
    Kind(
        "one-for-all",
        "one row of dy, or its mean or sum, stands for all",
        "A broadcast, a keepdims or an index that is 0.",
        "Keep dy whole until the sum that the forward's broadcast asks for.",
    ),
    Kind(
        "mean-taken-out",
        "right for dy less its mean",
        "A normalisation's backward is applied where there is none, or twice.",
        "Look for a subtraction of a mean on the way back.",
        bad="""\
y = np.sin(x)
dx = (dy - dy.mean(axis=0)) * np.cos(x)""",
        fix="""\
y = np.sin(x)
dx = dy * np.cos(x)""",
    ),
    Kind(
        "running-sum",
        "right for the running sum of dy",
        "cumsum goes back as a cumsum from the end: it is applied once too often.",
        "Look for a cumsum that the forward does not have.",
        bad="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
y = np.cumsum(np.sin(x))
dx = np.cumsum(np.cumsum(dy)[::-1])[::-1] * np.cos(x)""",
        fix="""\
x = np.array([0.3, -1.2, 0.8, 2.0])
y = np.cumsum(np.sin(x))
dx = np.cumsum(dy[::-1])[::-1] * np.cos(x)""",
    ),
    Kind(
        "cotangent-order",
        "dy is taken from other places",
        "An index or a transposition on the way back is not that of the forward.",
        "Undo the forward's last reordering first.",
    ),
    Kind(
        "route-lost",
        "what comes from some results never arrives",
        "A branch, a skip or a residual is not added.",
        "Draw the forward as arrows: each arrow has a way back.",
    ),
    Kind(
        "route-twice",
        "what comes from some results arrives twice",
        "A branch was added in two places.",
        "Add each branch once, where the forward splits.",
        bad="""\
y = np.concatenate([x, x**2])
dx = 2 * dy[:4] + 2 * x * dy[4:]""",
        fix="""\
y = np.concatenate([x, x**2])
dx = dy[:4] + 2 * x * dy[4:]""",
    ),
    Kind(
        "route-made-up",
        "something arrives on a way that the forward does not have",
        "A skip was added that is not in the forward.",
        "Each way back needs an arrow in the forward.",
    ),
    Kind(
        "rerouted",
        "what comes from some results arrives at other entries",
        "Several routes are lost, doubled or made up at once.",
        "Take the routes one by one.",
    ),
)
