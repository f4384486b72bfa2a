"""Flax modules as candidates: linen and nnx."""

import numpy as np
import pytest
from adapting import DY, X, assert_adapted, assert_jax_replays, assert_precisions, carried
from planted import blocks_flax

from npcbam.oracle import CannotRun
from npcbam.oracle.candidates import adapt

CHANNELS = X.shape[1]
KINDS = {
    "linen": (blocks_flax.Linen, "NHWC"),
    "linen, channels first": (blocks_flax.LinenChannelsFirst, "NCHW"),
    "nnx": (blocks_flax.Nnx, "NHWC"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_same_as_reference(kind):
    target, layout = KINDS[kind]
    assert_adapted(target, "flax", layout)


# Every new precision is compiled, which takes a second.
@pytest.mark.parametrize(("kind", "dtype"), [("linen", "float32"), ("nnx", "bfloat16")])
def test_precisions(kind, dtype):
    assert_precisions(adapt(KINDS[kind][0], CHANNELS), [dtype])


@pytest.mark.parametrize("target", [blocks_flax.Linen, blocks_flax.Nnx])
def test_statistics_are_buffers(target):
    found = adapt(target, CHANNELS, {"how": "norm"})
    assert sorted(name.rpartition(".")[2] for name in found.buffers) == ["mean", "var"]
    values, _ = carried(found)
    y = found.forward(values, X)
    # Evaluation mode: one sample alone gives what it gave among others.
    np.testing.assert_allclose(found.forward(values, X[:1]), y[:1], rtol=1e-12)
    moved = {name: value + 1 for name, value in values.items() if name in found.buffers}
    assert not np.allclose(found.forward(values | moved, X), y)
    dparams, _ = found.vjp(values, X, DY)
    assert dparams.keys() == found.parameters.keys()


def test_names_are_paths():
    assert "params.fc1.kernel" in adapt(blocks_flax.Linen, CHANNELS).parameters
    assert "fc1.kernel" in adapt(blocks_flax.Nnx, CHANNELS).parameters


def test_a_module_that_cannot_be_built():
    with pytest.raises(CannotRun, match=r"^Linen cannot be built on 24 channels: "):
        adapt(blocks_flax.Linen(hidden=-1), CHANNELS)


@pytest.mark.second_tier
@pytest.mark.parametrize("name", ["Linen", "Nnx"])
def test_replay(name):
    assert_jax_replays(f"planted.blocks_flax:{name}")
