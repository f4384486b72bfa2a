"""Wrong answers as a student would write them: the solutions with a few words changed."""

from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"


def read(path):
    return nbformat.read(NOTEBOOKS / path, as_version=4)


def answer_cells(notebook):
    """Return the cells that define an answer, by the name of the exercise."""
    sources = ((cell.source.split("(")[0], cell) for cell in notebook.cells)
    return {s.removeprefix("def "): cell for s, cell in sources if s.startswith("def ")}


SOLUTIONS = {
    name: cell.source for name, cell in answer_cells(read("solutions/05_solutions.ipynb")).items()
}

# Which exercise, what in the solution is changed to what, and how the verdict begins.
WRONG = [
    ("mean_vjp", "dy / (x.shape[2] * x.shape[3])", "dy", "every pixel gets the whole of dy"),
    (
        "mean_vjp",
        "x.shape[2] * x.shape[3]",
        "x.shape[1]",
        "dx is divided by the number of channels",
    ),
    ("mean_vjp", "dy / (x", "1 / (x", "dx is 1/(H·W) everywhere whatever dy is"),
    ("mean_vjp", "dy / (x", "y / (x", "dx is made of y, the value"),
    ("mean_vjp", "(2, 3)", "1", "y is the mean over the channels"),
    ("mean_vjp", ", keepdims=True", "", "y has the right numbers in the shape (2, 3)"),
    (
        "mean_vjp",
        "x.shape[3]), x.shape)",
        "x.shape[3]), dy.shape)",
        "dx has the shape (2, 3, 1, 1)",
    ),
    (
        "max_vjp",
        "drows = np.zeros_like(rows)\n"
        "        np.put_along_axis(drows, index, dy.reshape(index.shape), axis=-1)\n"
        "        dx = drows.reshape(x.shape)",
        "dx = dy * (x == y)",
        "every tied pixel gets the whole gradient",
    ),
    ("max_vjp", "dy.reshape(index.shape)", "1", "dx is 1 at the maximum whatever dy is"),
    ("max_vjp", "drows.reshape(x.shape)", "x * drows.reshape(x.shape)", "dx is multiplied by x"),
    ("max_vjp", "drows.reshape(x.shape)", "np.zeros_like(x) + dy", "every pixel gets dy"),
    ("max_vjp", "dy.reshape(index.shape)", "y.reshape(index.shape)", "dx has the maximum itself"),
    ("max_vjp", "index = rows", "index = np.abs(rows)", "y is not right"),
    ("scale_vjp", ".sum(axis=shared, keepdims=True)", "", "dgate is not summed"),
    ("scale_vjp", "(dy * x).sum", "(dy * x).mean", "dgate is the mean of dy·x"),
    ("scale_vjp", "(dy * x)", "dy", "dgate is the sum of dy alone"),
    ("scale_vjp", "dx = gate * dy", "dx = dy", "dx is dy itself"),
    ("scale_vjp", "axis=shared", "axis=(2, 3)", "dgate is summed over space whatever the gate is"),
    ("scale_vjp", "return dgate, dx", "return dx, dgate", "dgate and dx have changed places"),
    ("scale_vjp", "return dgate, dx", "return dgate, dgate + dx", "dx has the gate's route in it"),
    ("scale_vjp", ", keepdims=True", "", "dgate has the right numbers in the shape"),
    (
        "shared_mlp_vjp",
        "dw0 = da_avg.T @ f_avg + da_max.T @ f_max",
        "dw0 = da_avg.T @ f_avg",
        "the weights have one branch's gradient only, the average's",
    ),
    (
        "shared_mlp_vjp",
        "dz.T @ h_avg + dz.T @ h_max",
        "dz.T @ h_max",
        "the weights have one branch's gradient only, the maximum's",
    ),
    (
        "shared_mlp_vjp",
        "da_avg.T @ f_avg + da_max.T @ f_max",
        "f_avg.T @ da_avg + f_max.T @ da_max",
        "dw0 is transposed",
    ),
    (
        "shared_mlp_vjp",
        "dh * (a_avg > 0), dh * (a_max > 0)",
        "dh, dh",
        "relu's mask is missing backward",
    ),
    (
        "shared_mlp_vjp",
        "da_avg.T @ f_avg + da_max.T @ f_max",
        "(da_avg + da_max).T @ (f_avg + f_max)",
        "dw0 multiplies the sums of both branches",
    ),
    ("shared_mlp_vjp", "a_max > 0", "a_avg > 0", "both branches have the average's relu mask"),
    ("shared_mlp_vjp", "+ h_max @ w1.T ", "", "z has the average's logits alone"),
    (
        "shared_mlp_vjp",
        "df_max = da_avg @ w0, da_max",
        "df_max = da_max @ w0, da_avg",
        "df_avg and",
    ),
    (
        "correlate_vjp",
        "w[0, :, i, j, None, None] * dy",
        "w[0, :, -1 - i, -1 - j, None, None] * dy",
        "the kernel is not flipped in dx",
    ),
    ("correlate_vjp", "dw[0, :, i, j] =", "dw[0, :, -1 - i, -1 - j] =", "dw is flipped"),
    (
        "correlate_vjp",
        "m : m + x.shape[2], m : m + x.shape[3]",
        ": x.shape[2], : x.shape[3]",
        "dx is cut out at the corner of the padded map",
    ),
    (
        "correlate_vjp",
        "dx = dpadded[:, :, m : m + x.shape[2], m : m + x.shape[3]]",
        "dx = dpadded",
        "dx still has the margin of zeros",
    ),
    (
        "correlate_vjp",
        "(dy * padded[window])",
        "(dy * padded[window])[:1]",
        "dw is that of the first sample alone",
    ),
    (
        "correlate_vjp",
        "(m, m), (m, m)))",
        "(m, m), (m, m)), mode='edge')",
        "the edge is repeated around the map",
    ),
    ("correlate_vjp", "dpadded[window] +=", "dpadded[window] =", "each tap overwrites dx"),
    ("spatial_attention_vjp", "dms * ms * (1 - ms)", "dms", "σ' is missing"),
    ("spatial_attention_vjp", "dms * ms * (1 - ms)", "dms * z * (1 - z)", "the slope is z·(1 - z)"),
    (
        "spatial_attention_vjp",
        "dx + dplanes[:, :1] / x.shape[1]",
        "dx + 0",
        "dx is off by exactly the average's route",
    ),
    (
        "spatial_attention_vjp",
        "dx + dplanes[:, :1] / x.shape[1]",
        "dx + dplanes[:, :1]",
        "through the mean plane every channel gets the whole cotangent",
    ),
    (
        "spatial_attention_vjp",
        "np.put_along_axis(dx, index, dplanes[:, 1:], axis=1)",
        "pass",
        "dx is off by exactly the maximum's route",
    ),
    (
        "spatial_attention_vjp",
        "np.concatenate(planes, axis=1)",
        "np.concatenate(planes[::-1], axis=1)",
        "the planes are [max, mean]",
    ),
    (
        "cbam_vjp",
        "mc_scale_pullback(df_factor + df_map)",
        "mc_scale_pullback(df_factor)",
        "dx is off by exactly the spatial gate's route",
    ),
    (
        "cbam_vjp",
        "dx_factor + mean",
        "2 * dx_factor + mean",
        "dx is off by -1 times what this would make it: x has no gradient as a factor of F'",
    ),
    (
        "cbam_vjp",
        "dx = dx_factor + mean_pullback(df_avg[..., None, None])\n"
        "        dx = dx + max_pullback(df_max[..., None, None])",
        "dx = dx_factor",
        "dx is off by exactly the channel gate's route",
    ),
    ("cbam_vjp", "df_factor + df_map", "df_map", "F' has no gradient as a factor of F''"),
    ("cbam_vjp", "dx_factor + mean", "mean", "x has no gradient as a factor of F'"),
    ("cbam_vjp", "(dmc * mc * (1 - mc))", "dmc", "σ' of the channel map is missing"),
    ("cbam_vjp", "dmc * mc", "dmc", "σ' of the channel map is Mc·(1 - Mc): the factor Mc"),
    ("cbam_vjp", "mc * (1 - mc)", "mc", "σ' of the channel map is Mc·(1 - Mc): the factor 1 - Mc"),
    (
        "cbam_vjp",
        "dx_factor + mean_pullback(df_avg[..., None, None])",
        "dx_factor",
        "what reaches Mc never reaches x through the mean",
    ),
    (
        "cbam_vjp",
        "spatial_attention_vjp(w, refined)",
        "spatial_attention_vjp(w, x)",
        "the spatial map is computed from the raw input",
    ),
    ("cbam_vjp", "dw0, dw1, dw, dx", "dw0, dw1, dw, dx + dy", "dx has dy added, as for a shortcut"),
    (
        "cbam_vjp",
        "max_pullback(df_max[..., None, None])",
        "max_pullback(df_avg[..., None, None])",
        "the mean's and the maximum's pullback both get df_avg",
    ),
    ("cbam_vjp", "return y, cbam_pullback", "return y + x, cbam_pullback", "y has x added to it"),
]


def changed(name, old, new):
    """Return a solution with one place changed."""
    assert SOLUTIONS[name].count(old) == 1, old
    return SOLUTIONS[name].replace(old, new)
