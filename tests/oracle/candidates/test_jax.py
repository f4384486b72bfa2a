"""JAX candidates: functions, flax and Equinox modules."""

import jax
import numpy as np
import pytest
from adapting import DY, X, assert_precisions, assert_replays, assert_same_as_reference, carried
from planted import blocks_equinox, blocks_flax, blocks_jax

from npcbam.oracle import BadOutput, CannotRun
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates import jax as jax_adapter

CHANNELS = X.shape[1]
KINDS = {
    "function": (blocks_jax.cbam, "jax", "NCHW"),
    "jitted": ("planted.blocks_jax:jitted", "jax", "NCHW"),
    "channels last": (blocks_jax.channels_last, "jax", "NHWC"),
    "linen": (blocks_flax.Linen, "flax", "NHWC"),
    "linen, channels first": (blocks_flax.LinenChannelsFirst, "flax", "NCHW"),
    "nnx": (blocks_flax.Nnx, "flax", "NHWC"),
    "equinox": (blocks_equinox.Right, "equinox", "NCHW"),
    "equinox, batched": (blocks_equinox.Batched, "equinox", "NCHW"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_same_as_reference(kind):
    target, framework, layout = KINDS[kind]
    found = adapt(target, CHANNELS)
    assert (found.framework, found.layout) == (framework, layout)
    assert_same_as_reference(found)
    # JAX goes on as it was.
    assert jax.numpy.ones(1, dtype=float).dtype == np.float32


# Every new precision is compiled, which takes a second.
@pytest.mark.parametrize(
    ("kind", "dtypes"),
    [("function", ()), ("linen", ["float32"]), ("nnx", ["bfloat16"]), ("equinox", ["float16"])],
)
def test_precisions(kind, dtypes):
    assert_precisions(adapt(KINDS[kind][0], CHANNELS), dtypes)


@pytest.mark.parametrize("kind", ["linen", "nnx"])
def test_statistics_are_buffers(kind):
    found = adapt(KINDS[kind][0], CHANNELS, {"how": "norm"})
    assert sorted(name.rpartition(".")[2] for name in found.buffers) == ["mean", "var"]
    values, _ = carried(found)
    y = found.forward(values, X)
    # Evaluation mode: one sample alone gives what it gave among others.
    np.testing.assert_allclose(found.forward(values, X[:1]), y[:1], rtol=1e-12)
    moved = {name: value + 1 for name, value in values.items() if name in found.buffers}
    assert not np.allclose(found.forward(values | moved, X), y)
    dparams, _ = found.vjp(values, X, DY)
    assert dparams.keys() == found.parameters.keys()


def test_options_that_xla_does_not_know_are_left_out(monkeypatch):
    known = dict(jax_adapter.QUICK)
    assert jax_adapter._quick() == known
    monkeypatch.setitem(jax_adapter.QUICK, "xla_no_such_option", True)
    assert jax_adapter._quick.__wrapped__() == known


def test_names_are_paths():
    assert "mlp.0.w" in adapt(blocks_jax.cbam, CHANNELS).parameters
    assert "params.fc1.kernel" in adapt(blocks_flax.Linen, CHANNELS).parameters
    assert "fc1.kernel" in adapt(blocks_flax.Nnx, CHANNELS).parameters
    assert "fc1.weight" in adapt(blocks_equinox.Right, CHANNELS).parameters


def numpy_params(params, x):
    return blocks_jax.jax.nn.sigmoid(params["w"]) * x


def test_a_jax_function_of_numpy_arrays():
    found = adapt(numpy_params, parameters={"w": np.ones(1)})
    assert found.framework == "jax"
    dparams, _ = found.vjp({}, X, DY)
    assert dparams["w"].shape == (1,)


def test_nothing_is_written_to_and_printing_is_seen(capsys):
    found = adapt(blocks_jax.prints, CHANNELS, parameters=blocks_jax.init(CHANNELS))
    seen = found.observe({}, X)
    np.testing.assert_array_equal(seen.x_after, X)
    np.testing.assert_equal(seen.params_after, found.parameters)
    assert (seen.dtype, seen.printed) == ("float16", "traced\n")
    assert capsys.readouterr().out == ""


def test_bad_output():
    found = adapt(lambda params, x: (x, x), parameters=blocks_jax.init(CHANNELS))
    for run in (lambda: found.forward({}, X), lambda: found.vjp({}, X, DY)):
        with pytest.raises(BadOutput, match="y: expected an array of real numbers, got tuple"):
            run()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (blocks_equinox.Normed, "Normed keeps state (eqx.nn.State, as BatchNorm does), which"),
        (blocks_flax.Linen(hidden=-1), "Linen cannot be built on 24 channels: "),
    ],
)
def test_errors(target, message):
    with pytest.raises(CannotRun) as caught:
        adapt(target, CHANNELS)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "target",
    [
        "planted.blocks_jax:cbam",
        "planted.blocks_flax:Linen",
        "planted.blocks_flax:Nnx",
        "planted.blocks_equinox:Right",
    ],
)
def test_replay(target):
    found = adapt(target, CHANNELS)
    found.source += "\ntree = import_module('planted.blocks_jax').init(24)"
    found.recipe = found.recipe.replace(
        "tree = ...  # the parameters of block, in any values\n", ""
    )
    update = jax.config.update
    try:
        assert_replays(found)
    finally:
        update("jax_enable_x64", False)
