"""ONNX candidates: two runners that agree, weights that can be set, files that are refused."""

import sys

import numpy as np
import pytest
from adapting import DY, X, assert_precisions, assert_replays, assert_same_as_reference, carried
from onnx import TensorProto, numpy_helper
from planted import blocks_onnx as blocks

from npcbam.oracle import BadOutput, CannotRun
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates import onnx as onnx_adapter

CHANNELS = X.shape[1]


@pytest.fixture
def right(tmp_path):
    return blocks.write(tmp_path / "right.onnx", blocks.graph(CHANNELS))


def test_same_as_reference(right):
    found = adapt(right)
    assert (found.framework, found.layout) == ("onnx", "NCHW")
    assert found.parameters.keys() == {"w0", "b0", "w1", "b1", "kernel", "bias"}
    assert_same_as_reference(found)
    assert found.vjp({}, X, DY) is None


@pytest.mark.parametrize(
    ("element", "dtypes"),
    [
        (TensorProto.FLOAT, ("float64", "float32")),
        (TensorProto.FLOAT16, ("float64", "float16")),
        (TensorProto.DOUBLE, ("float64",)),
    ],
)
def test_precisions(element, dtypes, tmp_path):
    found = adapt(blocks.write(tmp_path / "a.onnx", blocks.graph(CHANNELS, element=element)))
    assert found.dtypes == dtypes
    if len(dtypes) > 1:
        assert_precisions(found)


def test_both_runners_start_with_the_weights_of_the_file(right):
    found = adapt(right)
    y = found.forward({}, X)
    np.testing.assert_allclose(found.at("float32").forward({}, X), y, rtol=0, atol=1e-5)
    one = {"bias": found.parameters["bias"] + 1}
    assert not np.allclose(found.at("float32").forward(one, X), y)
    np.testing.assert_array_equal(found.forward({}, X), y)


def test_statistics_are_buffers(tmp_path):
    found = adapt(blocks.write(tmp_path / "a.onnx", blocks.graph(CHANNELS, how="norm")))
    assert found.buffers.keys() == {"mean", "var"}
    moved = {"mean": found.buffers["mean"] + 1}
    assert not np.allclose(found.forward(moved, X), found.forward({}, X))


def test_a_weight_that_is_written_twice_is_one(tmp_path):
    made = blocks.graph(CHANNELS, second="w1_again")
    twice = adapt(blocks.write(tmp_path / "a.onnx", made))
    assert "w1_again" not in twice.parameters
    values, _ = carried(twice)
    once = adapt(blocks.write(tmp_path / "b.onnx", blocks.graph(CHANNELS)))
    np.testing.assert_array_equal(twice.forward(values, X), once.forward(values, X))


def test_constants_are_parameters(tmp_path):
    made = blocks.graph(CHANNELS)
    kernel = next(each for each in made.graph.initializer if each.name == "kernel")
    made.graph.node.insert(0, blocks.node("kernel", "Constant", value=kernel))
    made.graph.initializer.remove(kernel)
    found = adapt(blocks.write(tmp_path / "a.onnx", made))
    np.testing.assert_array_equal(found.parameters["kernel"], numpy_helper.to_array(kernel))
    assert_same_as_reference(found)


def test_constants_that_are_numbers_are_widened(tmp_path):
    made, half = blocks.graph(CHANNELS), np.array(0.5, np.float32)
    made.graph.node[-1].input[0] = "half_of_ms_twice"
    for node in [
        blocks.node("half", "Constant", value=numpy_helper.from_array(half, "half")),
        blocks.node("two", "Constant", value_float=2.0),
        blocks.node("half_of_ms", "Mul", "ms", "half"),
        blocks.node("half_of_ms_twice", "Mul", "half_of_ms", "two"),
    ]:
        made.graph.node.insert(len(made.graph.node) - 1, node)
    found = adapt(blocks.write(tmp_path / "a.onnx", made))
    assert_same_as_reference(found)
    assert found.observe({}, X).dtype == "float64"
    # With their types at odds, onnxruntime would refuse it.
    wide = found._model
    onnx_adapter._widen(wide.graph)
    kinds = {node.name or node.output[0]: node.attribute[0] for node in wide.graph.node[-5:-3]}
    assert {each.t.data_type for each in kinds.values()} == {TensorProto.DOUBLE}


def test_nothing_to_see(right):
    seen = adapt(right).at("float32").observe({}, X)
    np.testing.assert_array_equal(seen.x_after, X.astype(np.float32))
    assert (seen.dtype, seen.printed) == ("float32", "")


def test_replay(right):
    assert_replays(adapt(right).at("float32"))


def scaled(kind="Mul", shape=(1, 24, 8, 8), **how):
    return blocks.model([blocks.node("y", kind, "x", "w")], {"w": np.ones(1, "f4")}, shape, **how)


def foreign():
    made = scaled()
    made.graph.node[0].domain = "their.own"
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (foreign, "expected operators of ONNX alone, got their.own.Mul"),
        (lambda: scaled(inputs=("x", "z")), "expected one input, got x, z"),
        (lambda: scaled("Nothing"), "not a valid ONNX file: ValidationError: "),
        (lambda: b"text", "not a valid ONNX file: DecodeError: "),
    ],
)
def test_errors(made, message, tmp_path):
    path = tmp_path / "bad.onnx"
    if isinstance(made(), bytes):
        path.write_bytes(made())
    else:
        blocks.write(path, made())
    with pytest.raises(CannotRun) as caught:
        adapt(str(path))
    assert str(caught.value).startswith(f"{path}: {message}")


def test_no_file_no_setting_and_no_weights_alone(right, tmp_path):
    with pytest.raises(CannotRun, match=r"^nowhere\.onnx: no such file$"):
        adapt("nowhere.onnx")
    with pytest.raises(CannotRun, match="is a file: there is nothing to set in it"):
        adapt(right, settings={"reduction": 8})
    with pytest.raises(CannotRun, match=r"^model\.pth: weights without code cannot be run; give "):
        adapt("model.pth")


def test_two_outputs(tmp_path):
    nodes = [blocks.node(out, "Mul", "x", "w") for out in "yz"]
    made = blocks.model(nodes, {"w": np.ones(1, "f4")}, [1, 24, 8, 8], outputs=("y", "z"))
    found = adapt(blocks.write(tmp_path / "a.onnx", made))
    with pytest.raises(BadOutput, match="y: expected one tensor, got 2"):
        found.forward({}, X)


def test_missing_extra(right, monkeypatch):
    monkeypatch.delitem(sys.modules, "npcbam.oracle.candidates.onnx", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CannotRun, match=r"needs onnxruntime: pip install 'npcbam\[onnx\]'"):
        adapt(right)
