"""The same blocks, right and wrong, in every framework: the same verdicts, stages and codes."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import pytest
import torch
from planted import (
    blocks_equinox,
    blocks_flax,
    blocks_jax,
    blocks_keras,
    blocks_numpy,
    blocks_onnx,
    blocks_torch,
)
from planted.blocks_cases import CASES
from planted.registry import told
from torch.func import functional_call

from npcbam.oracle.candidates import adapt
from npcbam.oracle.check import judge
from npcbam.oracle.question import Question

CHANNELS = 16


def of_numpy(how):
    return lambda params, x: blocks_numpy.vjp(params, x, how)


def without_backward(how):
    return lambda params, x: blocks_numpy.forward(params, x, how)


def of_dlpack(how):
    """Return a function that takes what DLPack hands over, and gives torch's arrays back."""
    block = blocks_torch.Right(CHANNELS, how=how).eval()
    learned = [name for name, _ in block.named_parameters()]

    def f(params, x):
        state = {name: torch.from_dlpack(value) for name, value in params.items()}
        x = torch.from_dlpack(x)
        sources = [value.requires_grad_() for value in (*map(state.get, learned), x)]
        y = functional_call(block, state, x)

        def pullback(dy):
            dy = torch.from_dlpack(dy)
            found = torch.autograd.grad(
                y, sources, dy, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            return dict(zip(learned, found, strict=False)), found[-1]

        return y.detach(), pullback

    return f


def dlpack_parameters(how):
    state = blocks_torch.Right(CHANNELS, how=how).state_dict()
    return {name: value.numpy() for name, value in state.items() if value.is_floating_point()}


def built(block, **settings):
    return lambda how, tmp_path: adapt(block, CHANNELS, {"how": how, **settings})


def called(f, init):
    return lambda how, tmp_path: adapt(f(how), CHANNELS, parameters=init(how))


def compiled(how, tmp_path):
    # inductor takes a minute, because it has C++ compiled for some ten shapes.
    return adapt(
        torch.compile(blocks_torch.Right(CHANNELS, how=how), backend="aot_eager"), CHANNELS
    )


def of_file(how, tmp_path):
    made = blocks_onnx.graph(CHANNELS, how=how)
    return adapt(blocks_onnx.write(tmp_path / "block.onnx", made), CHANNELS)


def numpy_init(how):
    return blocks_numpy.init(CHANNELS, how=how)


FRAMEWORKS = {
    "torch": built(blocks_torch.Right),
    "torch.compile": compiled,
    "jax": called(blocks_jax.block, lambda how: blocks_jax.init(CHANNELS, how=how)),
    "linen": built(blocks_flax.Linen),
    "nnx": built(blocks_flax.Nnx),
    "equinox": built(blocks_equinox.Right),
    "keras, channels last": built(blocks_keras.Right),
    "keras, channels first": built(blocks_keras.Right, data_format="channels_first"),
    "numpy": called(of_numpy, numpy_init),
    "numpy, forward only": called(without_backward, numpy_init),
    "dlpack": called(of_dlpack, dlpack_parameters),
    "onnx": of_file,
}
FORWARD_ONLY = ("numpy, forward only", "onnx")
# A wrong forward and a wrong backward, which is enough where others go through the same adapter;
# of what is compiled for each of a dozen shapes, a wrong backward, where it is not JAX once more.
# The second tier has the others.
SOME = ("spatial-flipped-kernel", "channel-max-detached")
COMPILED = ("torch.compile", "jax", "linen", "nnx", "equinox")
RIGHT_TOO = ("torch", "keras, channels last", "dlpack", "numpy, forward only", "onnx")


def is_quick(framework, how):
    if framework in COMPILED:
        return how == "channel-max-detached" and framework in ("jax", "nnx")
    return how in SOME or (how == "biased" and framework in RIGHT_TOO)


BLOCKS = [
    pytest.param(
        framework,
        how,
        marks=() if is_quick(framework, how) else pytest.mark.second_tier,
    )
    for framework in FRAMEWORKS
    for how, (_, found) in CASES.items()
    if not (framework in FORWARD_ONLY and found and found[0].startswith("gradient"))
    # Its norm keeps a state of its own, which no adapter can set.
    and not (framework == "equinox" and how == "norm")
]


@pytest.mark.parametrize(("framework", "how"), BLOCKS)
def test_same_verdict_in_every_framework(framework, how, tmp_path, monkeypatch):
    candidate = FRAMEWORKS[framework](how, tmp_path)
    if CASES[how][0] == "wrong":
        # JAX compiles for each of the sizes that effects are looked for on: right blocks show them.
        monkeypatch.setitem(judge.__globals__, "effects", lambda *args: [])
    # The tests of each adapter try the other precisions.
    candidate.dtypes = ("float64",)
    report = judge(candidate, Question(CHANNELS))
    assert (report.verdict, told(report)) == CASES[how], str(report)
    unseen = "Gradients were not seen." in str(report)
    if framework in FORWARD_ONLY:
        assert unseen
    elif report.verdict != "wrong":
        assert not unseen
