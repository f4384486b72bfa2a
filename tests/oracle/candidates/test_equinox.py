"""Equinox modules as candidates: of one sample, or of a batch."""

import pytest
from adapting import X, assert_adapted, assert_jax_replays, assert_precisions
from planted import blocks_equinox

from npcbam.oracle import CannotRun
from npcbam.oracle.candidates import adapt

CHANNELS = X.shape[1]


@pytest.mark.parametrize("target", [blocks_equinox.Right, blocks_equinox.Batched])
def test_same_as_reference(target):
    assert_adapted(target, "equinox", "NCHW")


def test_precisions():
    # Every new precision is compiled, which takes a second.
    assert_precisions(adapt(blocks_equinox.Right, CHANNELS), ["float16"])


def test_names_are_paths():
    assert "fc1.weight" in adapt(blocks_equinox.Right, CHANNELS).parameters


def test_a_module_that_keeps_state():
    with pytest.raises(CannotRun) as caught:
        adapt(blocks_equinox.Normed, CHANNELS)
    assert str(caught.value).startswith(
        "Normed keeps state (eqx.nn.State, as BatchNorm does), which"
    )


@pytest.mark.second_tier
def test_replay():
    assert_jax_replays("planted.blocks_equinox:Right")
