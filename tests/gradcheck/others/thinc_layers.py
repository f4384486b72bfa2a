"""The layers of thinc with all their parameters: in float32, and in float64 where they allow it.

pip install thinc
python tests/gradcheck/others/thinc_layers.py [--seeds 3] [--only Maxout] [--json] [--verbose]

thinc is written for float32; its compiled kernels (NumpyOps) and its plain ones (Ops) run in
float64 too. What is not right must stand in KNOWN with a sentence that says why it is really so;
exit status 1 if anything else is not right.
"""

from __future__ import annotations

import numpy as np
import thinc.api as t
from running import Known, main
from thinc.layers.parametricattention_v2 import ParametricAttention_v2
from thinc_wrap import PADDED, POOLED, RAGGED, Form, layer

PAIR = Form(lambda x: (x[0], x[1]), lambda y: y, lambda dy, y: dy)
IDS = np.array([0, 2, 2, 1], dtype="uint64")

LAYERS = {
    "Linear": (lambda: t.Linear(3, 4), (5, 4)),
    "Relu": (lambda: t.Relu(3, 4), (5, 4)),
    "Relu normalised": (lambda: t.Relu(3, 4, normalize=True), (5, 4)),
    "Gelu": (lambda: t.Gelu(3, 4), (5, 4)),
    "Mish": (lambda: t.Mish(3, 4), (5, 4)),
    "Swish": (lambda: t.Swish(3, 4), (5, 4)),
    "Dish": (lambda: t.Dish(3, 4), (5, 4)),
    "Dish of equal widths": (lambda: t.Dish(4, 4), (5, 4)),
    "ClippedLinear": (lambda: t.ClippedLinear(3, 4, slope=0.7, offset=0.2), (5, 4)),
    "ReluK": (lambda: t.ReluK(3, 4, k=1.5), (5, 4)),
    "HardSigmoid": (lambda: t.HardSigmoid(3, 4), (5, 4)),
    "HardTanh": (lambda: t.HardTanh(3, 4), (5, 4)),
    "HardSwish": (lambda: t.HardSwish(3, 4), (5, 4)),
    "HardSwishMobilenet": (lambda: t.HardSwishMobilenet(3, 4), (5, 4)),
    "Sigmoid": (lambda: t.Sigmoid(3, 4), (5, 4)),
    "sigmoid_activation": (t.sigmoid_activation, (5, 4)),
    "Logistic": (t.Logistic, (5, 4)),
    "Softmax": (lambda: t.Softmax(3, 4), (5, 4)),
    "softmax_activation": (t.softmax_activation, (5, 4)),
    "MultiSoftmax": (lambda: t.MultiSoftmax((2, 3), 4), (5, 4)),
    "LayerNorm": (lambda: t.LayerNorm(4), (5, 4)),
    "Maxout": (lambda: t.Maxout(3, 4, 2), (5, 4)),
    "Maxout normalised": (lambda: t.Maxout(3, 4, 3, normalize=True), (5, 4)),
    "expand_window": (t.expand_window, (5, 4)),
    "expand_window of 2": (lambda: t.expand_window(2), (6, 3)),
    "chain": (lambda: t.chain(t.Mish(3, 4), t.Linear(2, 3)), (5, 4)),
    "concatenate": (lambda: t.concatenate(t.Linear(3, 4), t.Swish(2, 4)), (5, 4)),
    "add": (lambda: t.add(t.Linear(3, 4), t.Mish(3, 4)), (5, 4)),
    "residual": (lambda: t.residual(t.Mish(4, 4)), (5, 4)),
    "residual of a chain": (lambda: t.residual(t.chain(t.Swish(4, 4), t.LayerNorm(4))), (5, 4)),
    "clone": (lambda: t.clone(t.Swish(4, 4), 2), (5, 4)),
    "array_getitem": (lambda: t.array_getitem((slice(0, 2), 1)), (5, 4)),
    "noop": (t.noop, (5, 4)),
    "CauchySimilarity": (lambda: t.CauchySimilarity(4), (2, 5, 4), PAIR),
    "expand_window ragged": (t.expand_window, (6, 3), RAGGED),
    "ParametricAttention": (lambda: t.ParametricAttention(4), (6, 4), RAGGED),
    "ParametricAttention_v2": (
        lambda: ParametricAttention_v2(key_transform=t.Swish(4, 4), nO=4),
        (6, 4),
        RAGGED,
    ),
    "with_array": (lambda: t.with_array(t.Swish(3, 4)), (6, 4), RAGGED),
    "reduce_mean": (t.reduce_mean, (6, 4), POOLED),
    "reduce_max": (t.reduce_max, (6, 4), POOLED),
    "reduce_sum": (t.reduce_sum, (6, 4), POOLED),
    "reduce_first": (t.reduce_first, (6, 4), POOLED),
    "reduce_last": (t.reduce_last, (6, 4), POOLED),
    "attention, then a sum": (
        lambda: t.chain(t.ParametricAttention(4), t.reduce_sum(), t.Linear(2, 4)),
        (6, 4),
        POOLED,
    ),
    "LSTM": (lambda: t.LSTM(3, 2), (4, 2, 2), PADDED),
    "LSTM of two layers": (lambda: t.LSTM(3, 2, depth=2), (4, 2, 2), PADDED),
    "LSTM both ways": (lambda: t.LSTM(4, 2, bi=True), (4, 2, 2), PADDED),
}

OTHERS = [
    ("Dropout evaluation", lambda: t.Dropout(0.5), (5, 4), {"train": False}),
    ("Embed", lambda: t.Embed(3, 5), (), {"fixed": IDS.astype("int32")}),
    ("HashEmbed", lambda: t.HashEmbed(3, 7, seed=1), (), {"fixed": IDS}),
]

# Layers whose backward hands dY to a compiled kernel.
KERNELS = ["Relu", "Mish", "Maxout", "expand_window", "reduce_mean", "reduce_max", "reduce_sum"]
OTHERS += [(f"{name}, dY as it comes", *LAYERS[name], {"as_it_comes": True}) for name in KERNELS]

KINDS = [
    {"dtype": np.float32, "kernels": "NumpyOps"},
    {"dtype": np.float64, "kernels": "NumpyOps"},
    {"dtype": np.float64, "kernels": "Ops"},
]

# Layers whose kernels are for float32 alone.
NO_FLOAT64 = ["expand_window of 2 float64 Ops", "expand_window ragged float64 Ops"]
NO_FLOAT64 += ["attention, then a sum float64 Ops"]
NO_FLOAT64 += [f"LSTM{kind} float64 NumpyOps" for kind in ("", " of two layers", " both ways")]

ALL = [
    *(layer(name, *given, **kind) for name, given in LAYERS.items() for kind in KINDS),
    *(layer(name, *given, **more, **kind) for name, *given, more in OTHERS for kind in KINDS),
]
CASES = [case for case in ALL if case.name not in NO_FLOAT64]

FLOAT32, EITHER = ["float32 NumpyOps"], ["float64 NumpyOps", "float64 Ops"]
EVERY = [*FLOAT32, *EITHER]
COMPILED = ["float32 NumpyOps", "float64 NumpyOps"]
REFUSED = "refuses a dY that is not in C order, aloud"
SINGLE = "both passes sum in float32 buffers"
REALLY = [
    ("Dish", EVERY, "wrong", "the backward takes x for W x + b: it raises where the widths differ"),
    ("Dish of equal widths", EVERY, "wrong", "the backward takes x for W x + b"),
    ("Softmax", EVERY, "wrong", "by design: dY is taken for the gradient before the softmax"),
    ("Gelu", EITHER, "wrong", "erf by a formula of 7 digits, its derivative is the true one"),
    ("Gelu", FLOAT32, "right or wrong", "erf by a formula of 7 digits, beside float32's 7"),
    ("LSTM", FLOAT32, "wrong", "the gradient of the parameters starts from them, not from 0"),
    ("LSTM of two layers", FLOAT32, "wrong", "the gradient of the parameters starts from them"),
    ("LSTM both ways", FLOAT32, "wrong", "the gradient of the parameters starts from them"),
    ("LSTM", ["float64 Ops"], "wrong", "the gates' gradients are never stored: all is 0"),
    ("LSTM of two layers", ["float64 Ops"], "wrong", "the gates' gradients are never stored"),
    ("LSTM both ways", ["float64 Ops"], "wrong", "the gates' gradients are never stored"),
    ("Relu, dY as it comes", FLOAT32, "wrong", "reads the memory of dY as if it were in C order"),
    ("Mish, dY as it comes", COMPILED, "wrong", "reads the memory of dY as if it were in C order"),
    *((f"{name}, dY as it comes", COMPILED, "right or wrong", REFUSED) for name in KERNELS[2:]),
    ("expand_window, dY as it comes", ["float64 Ops"], "wrong", "dX is float32 for a float64 X"),
    ("reduce_sum, dY as it comes", ["float64 Ops"], "wrong", "dX is float32 for a float64 X"),
    ("reduce_mean, dY as it comes", ["float64 Ops"], "wrong", "dX is float32 for a float64 X"),
    ("expand_window", ["float64 Ops"], "wrong", "dX is float32 for a float64 X"),
    ("reduce_sum", ["float64 Ops"], "wrong", "dX is float32 for a float64 X"),
    ("reduce_mean", ["float64 Ops"], "wrong", "dX is float32 for a float64 X"),
    ("Embed", EITHER, "wrong", "the gradient is summed in a float32 buffer: 7 digits"),
    ("HashEmbed", EITHER, "wrong", "the gradient is summed in a float32 buffer: 7 digits"),
    ("ParametricAttention", ["float64 Ops"], "right or cannot tell", SINGLE),
    ("ParametricAttention_v2", ["float64 Ops"], "right or cannot tell", SINGLE),
]
KNOWN = {
    f"{name} {kind}": Known(outcome, sentence)
    for name, kinds, outcome, sentence in REALLY
    for kind in kinds
}

if __name__ == "__main__":
    main("layers of thinc", CASES, KNOWN, __doc__)
