"""What all adapters share: what can be pointed at, and that nothing is changed by a call."""

import functools

import numpy as np
import pytest
import torch
from planted import base

import npcbam
from npcbam import CBAM, tree
from npcbam.oracle import BadOutput, CannotRun, examples
from npcbam.oracle.candidates import adapt
from npcbam.oracle.candidates.functions import FunctionCandidate

X = np.random.default_rng(0).normal(size=(2, 32, 4, 3))
DY = np.random.default_rng(1).normal(size=(2, 32, 4, 3))


class Plain:
    """An object with `parameters`, whose attributes share memory with them."""

    def __init__(self, channels):
        self.w0, self.w1, self.kernel = examples.init(channels).values()
        self.parameters = {"w0": self.w0, "w1": self.w1, "kernel": self.kernel}

    def vjp(self, x):
        return examples.right({"w0": self.w0, "w1": self.w1, "kernel": self.kernel}, x)


class Called:
    """An object that is called, has no backward, and keeps float32."""

    def __init__(self, channels):
        initial = examples.init(channels)
        self.parameters = {name: value.astype("f4") for name, value in initial.items()}

    def __call__(self, x):
        return examples.right(self.parameters, x)[0]


def of_layer(layer, x):
    return layer.vjp(x)


def keras_layout(params, x):
    """Weights as in x @ w, and a kernel (7, 7, 2, 1)."""
    kernel = params["k"][..., 0].transpose(2, 0, 1)
    ours = {"w0": params["a"].T, "w1": params["b"].T, "kernel": kernel}
    y, pullback = examples.right(ours, x)

    def keras_pullback(dy):
        d, dx = pullback(dy)
        dk = d["kernel"].transpose(1, 2, 0)[..., None]
        return {"a": d["w0"].T, "b": d["w1"].T, "k": dk}, dx

    return y, keras_pullback


KERAS = {"a": np.ones((32, 2)), "b": np.ones((2, 32)), "k": np.ones((7, 7, 2, 1))}


@pytest.mark.parametrize(
    "candidate",
    [
        base.Right,
        base.Right(32),
        functools.partial(base.Right, reduction=8),
        lambda channels: base.Right(channels),
        CBAM.init(0, 32),
        CBAM.init(0, 32, dtype=np.float32),
        Plain,
        Called(32),
        examples.right,
    ],
    ids=[
        "class",
        "instance",
        "partial",
        "factory",
        "layer",
        "float32",
        "object",
        "called",
        "function",
    ],
)
def test_kinds(candidate):
    report = npcbam.check(candidate, channels=32)
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("function", "parameters"),
    [(examples.right, examples.init(32)), (of_layer, CBAM.init(0, 32)), (keras_layout, KERAS)],
)
def test_functions_with_parameters(function, parameters):
    report = npcbam.check(function, parameters=parameters)
    assert report.ok, str(report)
    assert {"y", "dx"} < {row.tensor for row in report.rows}


def test_torch_matches_the_layer_that_it_copies():
    cbam = CBAM.init(0, 32)
    block = base.Right(32)
    candidate = adapt(block)
    leaves = [leaf for _, leaf in tree.leaves(cbam)]
    params = dict(zip(candidate.parameters, leaves, strict=True))
    y, pullback = cbam.vjp(X)
    np.testing.assert_allclose(candidate.forward(params, X), y, rtol=1e-12)
    dparams, dx = candidate.vjp(params, X, DY)
    dcbam, expected = pullback(DY)
    np.testing.assert_allclose(dx, expected, rtol=1e-9, atol=1e-12)
    for (_, want), got in zip(tree.leaves(dcbam), dparams.values(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("candidate", [base.Right(32), CBAM.init(0, 32), Plain(32), Called(32)])
def test_parameters_are_set_for_one_call_alone(candidate):
    found = adapt(candidate)
    first = found.forward({}, X)
    zero = {name: np.zeros_like(value) for name, value in found.parameters.items()}
    # All logits are 0 then, and both gates ½.
    np.testing.assert_array_equal(found.forward(zero, X), X / 4)
    np.testing.assert_array_equal(found.forward({}, X), first)
    # The kernel, which is the last, always has an effect; hidden units may all be below 0.
    *_, kernel = zero
    assert not np.array_equal(found.forward({kernel: zero[kernel]}, X), first)


def test_buffers_are_set():
    found = adapt(base.PlainNorm(32))
    assert list(found.buffers) == ["norm.running_mean", "norm.running_var"]
    moved = found.buffers | {"norm.running_mean": np.array([3.0])}
    assert not np.array_equal(found.forward(moved, X), found.forward({}, X))
    layer = adapt(CBAM.init(0, 32, preset="official"))
    assert list(layer.buffers) == ["spatial.norm.mean", "spatial.norm.var"]


def test_a_name_that_ends_in_mean_is_no_buffer_if_it_is_large():
    found = FunctionCandidate(examples.right, {"w_mean": np.ones(2), "bn_mean": np.ones(1)}, "f")
    assert (list(found.parameters), list(found.buffers)) == (["w_mean"], ["bn_mean"])


def test_gradients_that_do_not_flow_are_zero():
    class Constant(base.Right):
        @torch.no_grad()
        def forward(self, x):
            return super().forward(x)

    found = adapt(Constant(32))
    dparams, dx = found.vjp({}, X, DY)
    assert not dx.any()
    assert not any(value.any() for value in dparams.values())


# Functions of NumPy


def test_parameters_that_are_no_arrays():
    with pytest.raises(CannotRun, match="examples: parameter w: expected an array, got str"):
        FunctionCandidate(examples.right, {"w": "one"}, "examples")


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "y: expected an array of real numbers, got NoneType"),
        (X * 1j, "y: expected an array of real numbers, got ndarray of complex128"),
        ((X, lambda dy: dy), "the pullback returns no pair (dparams, dx)"),
        ((X, lambda dy: ([], dy)), "the pullback returns no dict of cotangents: list"),
        ((X, lambda dy: ({}, dy)), "the pullback returns no cotangent of w0, w1, kernel"),
        ((X, lambda dy: (examples.init(32), None)), "dx: expected an array of real numbers, got "),
    ],
)
def test_bad_output(returned, message):
    found = FunctionCandidate(lambda params, x: returned, examples.init(32), "f")
    with pytest.raises(BadOutput) as caught:
        found.vjp({}, X, DY)
    assert str(caught.value).startswith(message)


def test_inputs_and_parameters_are_copies():
    def vandal(params, x):
        y = examples.right({k: v.copy() for k, v in params.items()}, x.copy())[0]
        x[...] = 0
        for value in params.values():
            value[...] = 0
        return y

    found = FunctionCandidate(vandal, examples.init(32), "vandal")
    x = X.copy()
    first = found.forward(found.parameters, x)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(found.forward({}, x), first)
