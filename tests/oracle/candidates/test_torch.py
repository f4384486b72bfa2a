"""Torch candidates: weights carried over, precisions, layouts, and what a call does besides."""

import numpy as np
import pytest
import torch
from adapting import DY, X, assert_precisions, assert_replays, assert_same_as_reference
from planted import blocks_torch as blocks

from npcbam.oracle import CannotRun
from npcbam.oracle.candidates import adapt

torch.set_num_threads(1)
CHANNELS = X.shape[1]


@pytest.mark.parametrize("block", [blocks.Right, blocks.ChannelsLast])
def test_same_as_reference(block):
    found = adapt(block, CHANNELS)
    assert (found.framework, found.layout) == (
        "torch",
        "NHWC" if block is blocks.ChannelsLast else "NCHW",
    )
    assert_same_as_reference(found)


def test_precisions():
    assert_precisions(adapt(blocks.Right, CHANNELS))


def test_rounded_once():
    # Half way between two of bfloat16, but for a bit that float32 has not, by which torch goes.
    odd = np.full(1, 1 + 2.0**-8 + 2.0**-40)
    params = {"w": torch.ones(1, dtype=torch.float64)}
    low = adapt(lambda params, x: params["w"] * x, parameters=params).at("bfloat16")
    assert low.forward({}, odd) == low.forward({"w": odd}, np.ones(1)) == 1 + 2.0**-7


def test_no_such_precision():
    with pytest.raises(CannotRun, match=r"Right: expected a precision among float64, .* got int8"):
        adapt(blocks.Right, CHANNELS).at("int8")


def test_another_layout():
    found = adapt(blocks.Right, CHANNELS).in_layout("NHWC")
    assert found.layout == "NHWC"
    with pytest.raises(RuntimeError):
        found.forward({}, X)


def test_compiled():
    eager = blocks.Right(CHANNELS)
    compiled = adapt(torch.compile(eager, backend="aot_eager"), CHANNELS)
    assert compiled.parameters.keys() == dict(eager.named_parameters()).keys()
    assert_same_as_reference(compiled)


def right(params, x):
    f = torch.sigmoid(x.mean((2, 3)) @ params["w0"].T @ params["w1"].T)[:, :, None, None] * x
    return f * torch.sigmoid(f.mean(1, keepdim=True))


def test_function_of_tensors():
    params = {"w0": torch.ones(3, CHANNELS), "w1": torch.ones(CHANNELS, 3)}
    found = adapt(right, CHANNELS, parameters=params)
    assert found.framework == "torch"
    dparams, _ = found.vjp({}, X, DY)
    ours = {name: value.double().requires_grad_() for name, value in params.items()}
    right(ours, torch.tensor(X)).backward(torch.tensor(DY))
    for name, value in ours.items():
        np.testing.assert_allclose(dparams[name], value.grad, rtol=1e-12)


def test_writes_are_seen():
    seen = adapt(blocks.WritesInput, CHANNELS).observe({}, X)
    np.testing.assert_array_equal(seen.x_after, np.maximum(X, 0))
    # Nor does autograd forbid it.
    assert adapt(blocks.WritesInput, CHANNELS).vjp({}, X, DY)[1].shape == X.shape
    found = adapt(blocks.WritesParameter, CHANNELS)
    before, after = found.parameters["fc1.bias"].copy(), found.observe({}, X).params_after
    np.testing.assert_array_equal(after["fc1.bias"], 2 * before)
    np.testing.assert_array_equal(after["fc2.bias"], found.parameters["fc2.bias"])
    # The candidate itself is as it was.
    np.testing.assert_array_equal(found.parameters["fc1.bias"], before)
    np.testing.assert_array_equal(found.observe({}, X).params_after["fc1.bias"], 2 * before)


def test_a_buffer_that_is_replaced_is_seen():
    found = adapt(blocks.WritesBuffer, CHANNELS)
    assert found.observe({"seen": np.array(3.0)}, X).params_after["seen"] == 4
    assert found.buffers["seen"] == 0


def test_right_block_has_no_effects():
    found = adapt(blocks.Right, CHANNELS)
    seen = found.observe({}, X)
    np.testing.assert_array_equal(seen.x_after, X)
    np.testing.assert_array_equal(seen.y, found.forward({}, X))
    assert (seen.y.shape, seen.dtype, seen.printed) == (X.shape, "torch.float64", "")
    assert seen.params_after.keys() == found.parameters.keys()


def test_printing_and_dtype_are_seen(capsys):
    assert adapt(blocks.Prints, CHANNELS).observe({}, X).printed == f"shape {X.shape}\n"
    # Nor did finding out the layout print.
    assert capsys.readouterr().out == ""
    assert adapt(blocks.Half, CHANNELS).observe({}, X).dtype == "torch.float16"


@pytest.mark.parametrize("memory", ["channels_last", "strided"])
def test_memory(memory):
    right = adapt(blocks.Right, CHANNELS)
    seen = right.observe({}, X, layout=memory)
    np.testing.assert_allclose(seen.y, right.forward({}, X), rtol=1e-12)
    np.testing.assert_array_equal(seen.x_after, X)
    misled = adapt(blocks.ReadsMemory, CHANNELS)
    np.testing.assert_array_equal(misled.observe({}, X).y, misled.forward({}, X))
    assert not np.allclose(misled.observe({}, X, layout=memory).y, misled.forward({}, X))


def test_replay():
    assert_replays(adapt(f"{blocks.__file__}:Right", CHANNELS, {"hidden": 4}))
    assert_replays(adapt(f"{blocks.__file__}:ChannelsLast", CHANNELS).at("float32"))


def test_stage_is_noted():
    assert adapt(blocks.Right, CHANNELS).stage == "whole"
    assert adapt(blocks.Right, CHANNELS, stage="channel").stage == "channel"
