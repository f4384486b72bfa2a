"""How a class or factory is called, and one sentence where that fails."""

import pytest
from planted import base
from torch import nn

from npcbam.oracle import CannotRun
from npcbam.oracle.candidates import adapt


def takes(**known):
    """Return a block whose constructor has these arguments; `...` marks what has no default."""
    signature = ", ".join(k if v is ... else f"{k}={v!r}" for k, v in known.items())
    scope = {"Right": base.Right}
    body = f"    def __init__(self, {signature}):\n        super().__init__({next(iter(known))})"
    exec(f"class Block(Right):\n{body}", scope)
    return scope["Block"]


@pytest.mark.parametrize(
    ("factory", "settings", "channels"),
    [
        (takes(channel=512, reduction=16), {}, 32),
        (takes(gate_channels=..., reduction_ratio=16), {}, 32),
        (takes(c1=..., c2=..., shortcut=True), {}, 32),
        (takes(width=...), {}, 32),
        (takes(width=48), {}, 48),
        (takes(width=48), {"width": 16}, 16),
        (lambda *args: base.Right(*args), {}, 32),
        (lambda channels, /, deep=False: base.Right(channels), {}, 32),
        (lambda **kwargs: base.Right(**kwargs), {"channels": 16}, 16),
        (lambda: base.Right(16), {}, 16),
    ],
)
def test_constructors(factory, settings, channels):
    found = adapt(factory, 32, settings)
    assert found.parameters["fc1.weight"].shape[1] == channels


def loses_x(params, y):
    return y


def free(params, x):
    return x


free.__globals__.pop("init", None)


@pytest.mark.parametrize(
    ("target", "settings", "message"),
    [
        (takes(channels=..., width=...), {}, "Block needs width: give --set width=VALUE"),
        (base.Right, {"depth": 2}, "Right has no argument depth; it takes channels, reduction"),
        (nn.ReLU(), {"depth": 2}, "ReLU is an instance already: there is nothing to set in it"),
        (base.Right, {"reduction": 0}, "Right(channels=32, reduction=0) raised ZeroDivision"),
        (3, {}, "int: expected a torch module, a layer with vjp(x), an object with a dict "),
        (loses_x, {"y": 1}, "loses_x: expected a torch module"),
        (free, {}, "free(params, x) needs its parameters: pass parameters=, or write a function "),
    ],
)
def test_adapt_errors(target, settings, message):
    with pytest.raises(CannotRun) as caught:
        adapt(target, 32, settings)
    assert str(caught.value).startswith(message)
