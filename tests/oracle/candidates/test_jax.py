"""JAX functions as candidates; their modules are in test_flax and test_equinox."""

import jax
import numpy as np
import pytest
from adapting import DY, X, assert_adapted, assert_jax_replays, assert_precisions
from planted import blocks_jax

from npcbam.oracle import BadOutput
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates import jax as jax_adapter

CHANNELS = X.shape[1]
KINDS = {
    "function": (blocks_jax.cbam, "NCHW"),
    "jitted": ("planted.blocks_jax:jitted", "NCHW"),
    "channels last": (blocks_jax.channels_last, "NHWC"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_same_as_reference(kind):
    target, layout = KINDS[kind]
    assert_adapted(target, "jax", layout)
    # JAX goes on as it was.
    assert jax.numpy.ones(1, dtype=float).dtype == np.float32


def test_precisions():
    assert_precisions(adapt(blocks_jax.cbam, CHANNELS))


def test_options_that_xla_does_not_know_are_left_out(monkeypatch):
    known = dict(jax_adapter.QUICK)
    assert jax_adapter._quick() == known
    monkeypatch.setitem(jax_adapter.QUICK, "xla_no_such_option", True)
    assert jax_adapter._quick.__wrapped__() == known


def test_names_are_paths():
    assert "mlp.0.w" in adapt(blocks_jax.cbam, CHANNELS).parameters


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


def test_replay():
    assert_jax_replays("planted.blocks_jax:cbam")
