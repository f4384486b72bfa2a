"""CBAM as an ONNX graph, node by node, as the preset `paper_biased`; and graphs that are not."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

MLP = [("{}@", "MatMul", ["f_{}", "w0"]), ("{}+", "Add", ["{}@", "b0"]), ("{}r", "Relu", ["{}+"])]
MLP += [("{}@@", "MatMul", ["{}r", "{second}"]), ("{}mlp", "Add", ["{}@@", "b1"])]


def graph(channels, hidden=3, element=TensorProto.FLOAT, second="w1", norm=False):
    """Return the model; `second` names the W1 of the maximum, which may be a copy of W1."""
    rng = np.random.default_rng(0)
    dtype = helper.tensor_dtype_to_np_dtype(element)
    shapes = {"w0": (channels, hidden), "b0": (hidden,), "w1": (hidden, channels)}
    shapes |= {"b1": (channels,), "kernel": (1, 2, 7, 7), "bias": (1,)}
    shapes |= dict.fromkeys(["gamma", "beta", "mean", "var"], (1,)) if norm else {}
    arrays = {name: (rng.normal(size=shape) / 5).astype(dtype) for name, shape in shapes.items()}
    arrays |= {"var": np.ones(1, dtype), "gamma": np.ones(1, dtype)} if norm else {}
    arrays |= {"w1": arrays["w1"], second: arrays["w1"], "space": np.array([2, 3])}
    arrays |= {"channel": np.array([1])}
    nodes = [
        node("f_avg", "ReduceMean", "x", axes=[2, 3], keepdims=0),
        node("f_max", "ReduceMax", "x", axes=[2, 3], keepdims=0),
        *(
            node(out.format(f), op, *(name.format(f, second=w1) for name in names))
            for f, w1 in (("avg", "w1"), ("max", second))
            for out, op, names in MLP
        ),
        node("logits", "Add", "avgmlp", "maxmlp"),
        node("gate", "Sigmoid", "logits"),
        node("mc", "Unsqueeze", "gate", "space"),
        node("f", "Mul", "mc", "x"),
        node("mean_plane", "ReduceMean", "f", axes=[1], keepdims=1),
        node("max_plane", "ReduceMax", "f", axes=[1], keepdims=1),
        node("planes", "Concat", "mean_plane", "max_plane", axis=1),
        node("z", "Conv", "planes", "kernel", "bias", pads=[3, 3, 3, 3]),
        node("ms", "Sigmoid", "normed" if norm else "z"),
        node("y", "Mul", "ms", "f"),
    ]
    if norm:
        statistics = ("gamma", "beta", "mean", "var")
        nodes.insert(-2, node("normed", "BatchNormalization", "z", *statistics))
    return model(nodes, arrays, [1, channels, 8, 8], element)


def node(output, kind, *inputs, **attributes):
    return helper.make_node(kind, inputs, [output], **attributes)


def model(nodes, arrays, shape, element=TensorProto.FLOAT, inputs=("x",), outputs=("y",)):
    values = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    made = helper.make_graph(
        nodes,
        "cbam",
        [helper.make_tensor_value_info(name, element, shape) for name in inputs],
        [helper.make_tensor_value_info(name, element, shape) for name in outputs],
        values,
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("their.own", 1)]
    return helper.make_model(made, opset_imports=imports, ir_version=8)


def write(path, made):
    save(made, str(path))
    return str(path)
