"""An ONNX file as a candidate: its initialisers are the parameters. Forward only.

At the precision of the file it runs in onnxruntime. In float64, for which onnxruntime lacks some
operators (convolution among them), it runs in the reference evaluator of the onnx package.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.candidates.adapter import Adapter, Options, in_its_layout
from npcbam.oracle.candidates.candidate import BadOutput, CannotRun, sentence
from npcbam.oracle.candidates.framework import Framework

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    from onnx.inliner import inline_local_functions
    from onnx.reference import ReferenceEvaluator
except ImportError as error:
    raise CannotRun(f"an ONNX file needs {error.name}: pip install 'npcbam[onnx]'") from error

ELEMENTS = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}
# Of these operators, the inputs that hold a norm's running statistics.
STATISTICS = {"BatchNormalization": (3, 4)}
RECIPE = """\
import onnx
from onnx import numpy_helper
import onnxruntime
for tensor in block.graph.initializer:
    if tensor.name in {params}:
        value = {params}[tensor.name].astype(numpy_helper.to_array(tensor).dtype)
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
for shaped in [*block.graph.input, *block.graph.output]:
    for axis in shaped.type.tensor_type.shape.dim:
        axis.Clear()  # the sizes of the example that it was exported with
del block.graph.value_info[:]
session = onnxruntime.InferenceSession(block.SerializeToString())
y = session.run(None, {session.get_inputs()[0].name: {x}.astype("{native}")})[0]"""


class OnnxCandidate(Adapter):
    """A model of one input and one output, whose initialisers of real numbers can be set."""

    framework = "onnx"
    is_static = True

    def __init__(self, model: Any, name: str) -> None:
        self.name, self._model = name, model
        self._runners: dict[str, Any] = {}
        self._input = _the_input(model.graph, name)
        element = self._input.type.tensor_type.elem_type
        native = {code: dtype for dtype, code in ELEMENTS.items()}.get(element, "float64")
        self.recipe = RECIPE.replace("{native}", native)
        self.dtypes = tuple(dict.fromkeys(("float64", native)))
        self.parameters, self.buffers, self._twins = _open(model.graph, element)
        for shaped in [*model.graph.input, *model.graph.output]:
            # An export fixes the sizes of its example; the operators take others as well.
            for axis in shaped.type.tensor_type.shape.dim:
                axis.Clear()
        del model.graph.value_info[:]

    def _give(self, value: Array) -> Array:
        return np.array(value, dtype=self.dtype, order="C")

    def _take(self, name: str, value: Any) -> Array:
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            kind = getattr(value, "dtype", type(value).__name__)
            raise BadOutput(f"{name}: expected a tensor of real numbers, got {kind}")
        return value.astype(np.float64)

    def _run(self, state: dict[str, Array], x: Array) -> Any:
        fed = state | {twin: state[name] for twin, name in self._twins.items()}
        returned = self._runner().run(None, fed | {self._input.name: x})
        if len(returned) != 1:
            raise BadOutput(f"y: expected one tensor, got {len(returned)}")
        return returned[0]

    def _runner(self) -> Any:
        if self.dtype not in self._runners:
            self._runners[self.dtype] = self._started()
        return self._runners[self.dtype]

    def _started(self) -> Any:
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        if self.dtype == "float64":
            _widen(model.graph)
            return _meant(ReferenceEvaluator(model))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        try:
            data, providers = model.SerializeToString(), ["CPUExecutionProvider"]
            return onnxruntime.InferenceSession(data, options, providers)
        except Exception as error:
            raise CannotRun(f"{self.name}: onnxruntime does not take it: {error}") from error


def wrap(path: str, name: str, how: Options) -> OnnxCandidate:
    """Return the file as a candidate. It is checked first, for it may come from anywhere."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        model = inline_local_functions(model)
    except Exception as error:
        raise CannotRun(f"{path}: not a valid ONNX file: {sentence(error)}") from error
    nodes = [node for node in _nodes(model.graph) if node.domain not in ("", "ai.onnx")]
    foreign = {f"{node.domain}.{node.op_type}" for node in nodes}
    if foreign:
        raise CannotRun(f"{path}: expected operators of ONNX alone, got {', '.join(foreign)}")
    candidate = OnnxCandidate(model, name)
    candidate.source = f"import onnx\nblock = onnx.load({str(Path(path))!r})"
    return in_its_layout(candidate, how)


def _the_input(graph: Any, name: str) -> Any:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        listed = ", ".join(value.name for value in inputs) or "none"
        raise CannotRun(f"{name}: expected one input, got {listed}")
    if inputs[0].type.tensor_type.elem_type not in (*ELEMENTS.values(), TensorProto.DOUBLE):
        raise CannotRun(f"{name}: expected an input of float32, float16 or float64")
    return inputs[0]


def _open(graph: Any, element: int) -> tuple[dict[str, Array], dict[str, Array], dict[str, str]]:
    """Make inputs of the initialisers; return parameters, buffers, and which copy others."""
    _name_constants(graph, element)
    statistics = {
        node.input[place]
        for node in _nodes(graph)
        for place in STATISTICS.get(node.op_type, ())
        if place < len(node.input)
    }
    parameters: dict[str, Array] = {}
    buffers: dict[str, Array] = {}
    twins: dict[str, str] = {}
    for tensor in [each for each in graph.initializer if each.data_type == element and each.dims]:
        value = numpy_helper.to_array(tensor).astype(np.float64)
        group = buffers if tensor.name in statistics else parameters
        # An exporter may write a shared weight once for every use.
        same = [name for name, other in group.items() if _same(value, other)]
        if same:
            twins[tensor.name] = same[0]
        else:
            group[tensor.name] = value
        graph.initializer.remove(tensor)
        if all(known.name != tensor.name for known in graph.input):
            shaped = helper.make_tensor_value_info(tensor.name, element, value.shape)
            graph.input.append(shaped)
    return parameters, buffers, twins


def _name_constants(graph: Any, element: int) -> None:
    """Turn the constants that are arrays, as some exporters write weights, into initialisers."""
    for node in [each for each in graph.node if each.op_type == "Constant"]:
        value = node.attribute[0].t
        if node.attribute[0].name == "value" and value.data_type == element and value.dims:
            value.name = node.output[0]
            graph.initializer.append(value)
            graph.node.remove(node)


def _same(a: Array, b: Array) -> bool:
    # Arrays of one value, as biases are at first, say nothing.
    return a.shape == b.shape and bool((a != a.flat[0]).any()) and np.array_equal(a, b)


def _nodes(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph and of those inside it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                yield from _nodes(inner)


def _widen(graph: Any) -> None:
    """Make float64 of all that has another precision."""
    low = set(ELEMENTS.values())
    for value in [*graph.input, *graph.output]:
        if value.type.tensor_type.elem_type in low:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for node in _nodes(graph):
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype") and attribute.i in low:
                attribute.i = TensorProto.DOUBLE
            if attribute.HasField("t"):
                _widen_tensor(attribute.t)
            if attribute.name in ("value_float", "value_floats"):
                value = attribute.f if attribute.name == "value_float" else attribute.floats
                wide = numpy_helper.from_array(np.array(value, dtype=np.float64))
                attribute.CopyFrom(helper.make_attribute("value", wide))


def _meant(evaluator: Any) -> Any:
    """Let its nodes have the attributes that were meant: a file rounds 0.01 to float32."""
    for node in evaluator.rt_nodes_:
        for name, value in vars(node).items():
            if isinstance(value, float | np.float32):
                setattr(node, name, float(str(np.float32(value))))
    return evaluator


def _widen_tensor(tensor: Any) -> None:
    if tensor.data_type in ELEMENTS.values():
        value = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


FRAMEWORK = Framework(of_file=wrap)
