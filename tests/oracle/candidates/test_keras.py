"""Keras candidates on both backends. Keras takes one backend a process: the other has its own."""

import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
from adapting import DY, X, assert_precisions, assert_replays, assert_same_as_reference, carried
from planted import blocks_keras as blocks

from npcbam.oracle import CannotRun
from npcbam.oracle.candidates import adapt

CHANNELS = X.shape[1]


@pytest.mark.parametrize(
    ("data_format", "layout"), [("channels_last", "NHWC"), ("channels_first", "NCHW")]
)
def test_same_as_reference(data_format, layout):
    found = adapt(blocks.Right, CHANNELS, {"data_format": data_format})
    assert (found.framework, found.layout) == ("keras", layout)
    assert len(found.parameters) == 6
    assert_same_as_reference(found)
    assert keras.config.floatx() == "float32"


def test_a_layer_that_is_built_is_not_touched():
    layer = blocks.Right()
    x = np.moveaxis(X, 1, -1).astype("f4")
    before = np.asarray(layer(x).tolist())
    found = adapt(layer, CHANNELS)
    assert found.layout == "NHWC"
    assert_same_as_reference(found)
    after = np.asarray(layer(x).tolist())
    np.testing.assert_array_equal(after, before)
    np.testing.assert_allclose(found.forward({}, X), np.moveaxis(after, -1, 1), atol=1e-5)
    assert layer.fc1.kernel.dtype == "float32"


def test_precisions():
    assert_precisions(adapt(blocks.Right, CHANNELS), ["float32", "bfloat16"])


def test_statistics_are_buffers():
    found = adapt(blocks.Right, CHANNELS, {"how": "norm"})
    kinds = sorted(name.rpartition(".")[2] for name in found.buffers)
    assert kinds == ["moving_mean", "moving_variance"]
    values, _ = carried(found)
    y = found.forward(values, X)
    np.testing.assert_allclose(found.forward(values, X[:1]), y[:1], rtol=1e-12)
    moved = {name: value + 1 for name, value in values.items() if name in found.buffers}
    assert not np.allclose(found.forward(values | moved, X), y)
    assert found.vjp(values, X, DY)[0].keys() == found.parameters.keys()
    # Nothing moves in evaluation mode.
    after = found.observe(values, X).params_after
    np.testing.assert_equal({name: after[name] for name in values}, values)


def test_printing_is_seen(capsys):
    found = adapt(blocks.Prints, CHANNELS)
    assert found.observe({}, X).printed == "called\n"
    assert capsys.readouterr().out == ""


def test_replay():
    assert_replays(adapt("planted.blocks_keras:Right", CHANNELS).at("float32"))


def test_a_layer_that_cannot_be_built():
    class Fails(blocks.Right):
        def build(self, shape):
            raise ValueError("no such shape")

    with pytest.raises(CannotRun, match="Fails cannot be built on 24 channels: ValueError: no suc"):
        adapt(Fails, CHANNELS)


def test_an_instance_that_is_not_built():
    found = adapt(blocks.Right(), CHANNELS)
    assert found.layout == "NHWC"
    assert_same_as_reference(found)
    keras.config.set_image_data_format("channels_first")
    try:
        first = adapt(blocks.Right(data_format="channels_first"), CHANNELS)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert_same_as_reference(first)


@pytest.mark.second_tier
def test_on_jax():
    tests = [f"{Path(__file__)}::{name}" for name in ("test_same_as_reference", "test_precisions")]
    run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        run,
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("..."), done.stdout
