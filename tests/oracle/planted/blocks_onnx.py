"""CBAM as an ONNX graph, node by node, as the preset `paper_biased`; and graphs that are not."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

STATISTICS = ("gamma", "beta", "mean", "var")


def graph(channels, hidden=3, element=TensorProto.FLOAT, second="w1", how="biased"):
    """Return the model; `second` names the W1 of the maximum, which may be a copy of W1."""
    dtype = helper.tensor_dtype_to_np_dtype(element)
    arrays = {name: value.astype(dtype) for name, value in weights(channels, hidden, how).items()}
    arrays |= {second: arrays["w1"], "space": np.array([2, 3])}
    if how == "spatial-first":
        nodes = [*spatial("x", "f", how), *channel("f", "y", how, second)]
    elif how == "maps-added":
        both = [*channel("x", "f", how, second), *spatial("x", "g", how)]
        nodes = [*both, node("y", "Add", "f", "g")]
    elif how == "spatial-not-applied":
        nodes = channel("x", "y", how, second)
    elif how == "spatial-reads-input":
        both = [*channel("x", "f", how, second), *spatial("x", "g", how)]
        nodes = [*both, node("y", "Mul", "ms", "f")]
    elif how == "residual":
        both = [*channel("x", "f", how, second), *spatial("f", "refined", how)]
        nodes = [*both, node("y", "Add", "refined", "x")]
    else:
        nodes = [*channel("x", "f", how, second), *spatial("f", "y", how)]
    return model(nodes, arrays, [1, channels, 8, 8], element)


def weights(channels, hidden, how):
    shapes = {"w0": (channels, hidden), "w1": (hidden, channels), "kernel": (1, 2, 7, 7)}
    shapes |= {} if how == "plain" else {"b0": (hidden,), "b1": (channels,), "bias": (1,)}
    rng = np.random.default_rng(0)
    drawn = {name: rng.normal(size=shape) / 5 for name, shape in shapes.items()}
    return drawn | (dict.fromkeys(STATISTICS, np.ones(1)) if how == "norm" else {})


def channel(x, y, how, second):
    """Return the nodes that gate x to y."""
    gates = [node("mc", "Unsqueeze", "gate", "space"), node(y, "Mul", "mc", x)]
    if how == "channel-two-sigmoids":
        squashed = [node(f"gate_{f}", "Sigmoid", f"z_{f}") for f in ("avg", "max")]
        gates = [*squashed, node("gate", "Add", "gate_avg", "gate_max"), *gates]
    else:
        gates = [node("zc", "Add", "z_avg", "z_max"), node("gate", "Sigmoid", "zc"), *gates]
    pool = "ReduceMean" if how == "channel-avg-twice" else "ReduceMax"
    return [
        node("f_avg", "ReduceMean", x, axes=[2, 3], keepdims=0),
        node("f_max", pool, x, axes=[2, 3], keepdims=0),
        *mlp("avg", how, "w1"),
        *mlp("max", how, second),
        *gates,
    ]


def mlp(f, how, second):
    nodes = linear(f"f_{f}", f"a_{f}", "w0", how != "plain" and "b0")
    nodes.append(node(f"h_{f}", "Relu", f"a_{f}"))
    if how == "channel-relu-after":
        return [*nodes, *linear(f"h_{f}", f"o_{f}", second, "b1"), node(f"z_{f}", "Relu", f"o_{f}")]
    return [*nodes, *linear(f"h_{f}", f"z_{f}", second, how != "plain" and "b1")]


def linear(x, y, weight, bias):
    product = node(f"{y}_unbiased" if bias else y, "MatMul", x, weight)
    return [product, node(y, "Add", f"{y}_unbiased", bias)] if bias else [product]


def spatial(x, y, how):
    """Return the nodes that gate x to y by the map `ms`."""
    low = "ReduceMin" if how == "spatial-min-for-avg" else "ReduceMean"
    biased = ["bias"] if how != "plain" else []
    nodes = [
        node("low_plane", low, x, axes=[1], keepdims=1),
        node("max_plane", "ReduceMax", x, axes=[1], keepdims=1),
        node("planes", "Concat", "low_plane", "max_plane", axis=1),
    ]
    convolution = node("z", "Conv", "planes", "kernel", *biased, pads=[3, 3, 3, 3])
    if how == "spatial-flipped-kernel":
        backwards = {"starts": [-1, -1], "ends": [-99, -99], "axes": [2, 3], "steps": [-1, -1]}
        nodes += [
            helper.make_node("Constant", [], [name], value_ints=value)
            for name, value in backwards.items()
        ]
        nodes.append(node("flipped", "Slice", "kernel", *backwards))
        convolution.input[1] = "flipped"
    nodes.append(convolution)
    if how == "norm":
        nodes.append(node("normed", "BatchNormalization", "z", *STATISTICS))
    squash = "Identity" if how == "spatial-no-sigmoid" else "Sigmoid"
    nodes.append(node("ms", squash, "normed" if how == "norm" else "z"))
    return [*nodes, node(y, "Mul", "ms", x)]


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
