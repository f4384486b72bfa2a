"""What the tests of all adapters ask alike."""

import numpy as np

from npcbam import CBAM, tree
from npcbam.oracle.candidates import adapt
from npcbam.oracle.precision import rounded
from npcbam.oracle.probing.roles import assignments

_RNG = np.random.default_rng(0)
X, DY = _RNG.normal(size=(2, 2, 24, 6, 5))
# Of the largest entry of all gradients, against the reference in float64.
SAME = 1e-12
# Of the largest entry of y: some roundings of logits of order one.
ROUNDED = {"float32": 1e-5, "float16": 2e-2, "bfloat16": 1e-1}


def carried(candidate):
    """Return drawn values for the candidate, the same CBAM, and how they correspond."""
    rng = np.random.default_rng(1)
    values = {name: rng.normal(size=v.shape) / 2 for name, v in candidate.parameters.items()}
    values |= {name: rng.uniform(0.5, 1.5, v.shape) for name, v in candidate.buffers.items()}
    return values, _readings(candidate, values)


def _readings(candidate, values):
    # Shapes alone leave a choice: (C, C/r) is W0 as in x @ w, or W1 as in w @ x.
    for roles in assignments(candidate.parameters, candidate.buffers):
        leaves = {role.path: role.carry(values[role.name]) for role in roles}
        hidden, channels = leaves["channel.mlp.w0"].shape
        blank = CBAM.init(0, channels, channels // hidden, preset="paper_biased")
        if {path for path, _ in tree.leaves(blank)} == leaves.keys():
            ordered = (leaves[path] for path, _ in tree.leaves(blank))
            yield tree.replace_leaves(blank, ordered), roles


def assert_same_as_reference(candidate, x=X, dy=DY):
    """Demand y and all gradients of the preset `paper_biased`, with the weights carried over."""
    values, readings = carried(candidate)
    got = candidate.forward(values, x)
    reading, roles = min(readings, key=lambda pair: abs(pair[0](x) - got).max())
    y, pullback = reading.vjp(x)
    np.testing.assert_allclose(got, y, rtol=0, atol=SAME * abs(y).max())
    pulled = candidate.vjp(values, x, dy)
    if pulled is None:
        return
    dparams, dx = pulled
    dreading, expected_dx = pullback(dy)
    leaves = dict(tree.leaves(dreading))
    scale = max(abs(leaf).max() for leaf in [expected_dx, *leaves.values()])
    np.testing.assert_allclose(dx, expected_dx, rtol=0, atol=SAME * scale)
    assert dparams.keys() == candidate.parameters.keys() == {role.name for role in roles}
    for role in roles:
        got = dparams[role.name]
        want = role.back(leaves[role.path], got)
        np.testing.assert_allclose(got, want, rtol=0, atol=SAME * scale, err_msg=role.name)


def assert_adapted(target, framework, layout):
    """Demand that a target is known for what it is, and computes what the reference does."""
    found = adapt(target, X.shape[1])
    assert (found.framework, found.layout) == (framework, layout)
    assert_same_as_reference(found)


def assert_precisions(candidate, dtypes=()):
    """Demand of these precisions, or all, what float64 gives up to rounding, and that it rounds."""
    values, _ = carried(candidate)
    exact = candidate.forward(values, X)
    assert candidate.dtype == candidate.dtypes[0] == "float64"
    assert candidate.dtypes[1:]
    for dtype in dtypes or candidate.dtypes[1:]:
        low = candidate.at(dtype)
        assert (low.dtype, candidate.dtype) == (dtype, "float64")
        y = low.forward(values, X)
        assert y.dtype == np.float64
        np.testing.assert_array_equal(rounded(y, dtype), y)
        assert 0 < abs(y - exact).max() <= ROUNDED[dtype] * abs(exact).max()
        assert low.observe(values, X).dtype.endswith(dtype)
        pulled = low.vjp(values, X, DY)
        if pulled is not None:
            dx = candidate.vjp(values, X, DY)[1]
            np.testing.assert_array_equal(rounded(pulled[1], dtype), pulled[1])
            # The widest gaps are where rounding moves a maximum to another place.
            assert np.median(abs(pulled[1] - dx)) <= ROUNDED[dtype] * abs(dx).max()


def assert_replays(candidate):
    """Demand of the replay's code that it gives y, as the candidate lays it."""
    values, _ = carried(candidate)
    values = {name: rounded(value, candidate.dtype) for name, value in values.items()}
    scope = {"params": values, "x": rounded(X, candidate.dtype)}
    exec(candidate.replay("params", "x"), scope)
    y = scope["y"].detach() if hasattr(scope["y"], "detach") else scope["y"]
    y = np.moveaxis(np.asarray(y), -1, 1) if candidate.layout == "NHWC" else np.asarray(y)
    eps = np.finfo(candidate.dtype).eps
    np.testing.assert_allclose(y, candidate.forward(values, X), rtol=0, atol=64 * eps)


def assert_jax_replays(target):
    """Demand the same of code of JAX, which needs its tree of parameters, and sets float64."""
    import jax

    found = adapt(target, X.shape[1])
    found.source += "\ntree = import_module('planted.blocks_jax').init(24)"
    found.recipe = found.recipe.replace(
        "tree = ...  # the parameters of block, in any values\n", ""
    )
    try:
        assert_replays(found)
    finally:
        jax.config.update("jax_enable_x64", False)
