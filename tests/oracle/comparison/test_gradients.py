"""Gradients of a block beside those of the reference: small faults are seen in every stage."""

import pytest
import torch
from tiers import first
from torch.nn.functional import batch_norm, conv2d, linear

from npcbam.oracle.candidates import adapt
from npcbam.oracle.check import judge
from npcbam.oracle.comparison import gradients
from npcbam.oracle.question import Question


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, by):
        ctx.by = by
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return (1 + ctx.by) * dy, None


class Official(torch.nn.Module):
    """A right block with all biases and a norm, of which one route's gradient is `by` too large."""

    def __init__(self, fault="", by=0.0, channels=32):
        super().__init__()
        self.fc1, self.fc2 = torch.nn.Linear(channels, 4), torch.nn.Linear(4, channels)
        self.conv, self.bn = (
            torch.nn.Conv2d(2, 1, 7, padding=3, bias=False),
            torch.nn.BatchNorm2d(1),
        )
        self.fault, self.by = fault, by

    def at(self, step, x):
        return Scaled.apply(x, self.by) if step == self.fault else x

    def weight(self, layer, name):
        return self.at(f"{layer}.{name}", getattr(getattr(self, layer), name))

    def mlp(self, f):
        first, second = ((self.weight(n, "weight"), self.weight(n, "bias")) for n in ("fc1", "fc2"))
        return linear(linear(f, *first).relu(), *second)

    def forward(self, x):
        avg, top = (self.at("mean", x.mean((2, 3))), self.at("max", x.flatten(2).max(2)[0]))
        mc = self.at("mc", (self.mlp(avg) + self.mlp(top)).sigmoid())[:, :, None, None]
        f = mc * self.at("features", x)
        planes = self.at("plane mean", f.mean(1)), self.at("plane max", f.max(1)[0])
        z = conv2d(torch.stack(planes, 1), self.weight("conv", "weight"), padding=3)
        norm = self.bn.running_mean, self.bn.running_var
        z = batch_norm(z, *norm, self.weight("bn", "weight"), self.weight("bn", "bias"))
        return self.at("ms", z.sigmoid()) * self.at("refined", f)


# Where the gradient goes wrong, and what is found; of a map, what flows through it.
FAULTS = {
    "ms": "spatial-map-scaled",
    "mean": "channel-avg-scaled",
    "fc1.weight": "gradient-scaled",
    "fc2.bias": "gradient-scaled",
    "conv.weight": "gradient-scaled",
    "bn.weight": "gradient-scaled",
    "features": "channel-features-scaled",
    "refined": "spatial-features-scaled",
    "max": "channel-max-scaled",
    "mc": "channel-map-scaled",
    "plane mean": "spatial-avg-scaled",
    "plane max": "spatial-max-scaled",
    "fc1.bias": "gradient-scaled",
    "fc2.weight": "gradient-scaled",
    "bn.bias": "gradient-scaled",
}


@pytest.mark.parametrize(
    ("dtype", "by"),
    [pytest.param("float32", 1e-3, marks=pytest.mark.second_tier), ("float64", 1e-8)],
)
# The lines of the rules have each of the codes.
@pytest.mark.parametrize("fault", first(6, FAULTS))
def test_small_faults_are_caught_and_named_in_every_stage(fault, dtype, by):
    found = judge(at_one(Official(fault, by), dtype), Question()).findings
    wrong = [finding for finding in found if finding.status == "wrong"]
    assert {finding.stage for finding in wrong} == {"gradient"}
    assert [finding.code for finding in wrong] == [FAULTS[fault]]
    assert (f"gradient of {fault} is" in wrong[0].message) == ("." in fault)
    assert f"{1 + by:.4g} times" in wrong[0].message or f"(1 + {by:.1g}) times" in wrong[0].message


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_a_fault_nothing_is_found(dtype):
    assert judge(at_one(Official(), dtype), Question()).verdict == "faithful"


def at_one(block, dtype):
    candidate = adapt(block, 32).at(dtype)
    candidate.dtypes = (dtype,)
    return candidate


@pytest.mark.parametrize("tensor", first(1, ["d conv.weight", "dx"]))
def test_error_that_would_have_been_caught_is_true(tensor, monkeypatch):
    rooms, row = {}, gradients.worst

    def spy(name, which, got, expected, room):
        rooms[name, which] = room
        return row(name, which, got, expected, room)

    monkeypatch.setattr(gradients, "worst", spy)

    def seen(at=0, error=0.0):
        candidate = at_one(Official(), "float64")
        pull = candidate.vjp

        def spoilt(params, x, dy):
            dparams, dx = pull(params, x, dy)
            spoil = dict(dparams, dx=dx)[tensor.removeprefix("d ")].reshape(-1)
            spoil[at] += error
            return dparams, dx

        candidate.vjp = spoilt
        rows = judge(candidate, Question()).rows
        return next(r for r in rows if (r.input, r.tensor) == ("single", tensor))

    smallest = seen().smallest
    room = rooms["single", tensor]
    assert smallest == room.max()
    for at in (0, int(room.argmax())):
        assert not seen(at, 1.5 * smallest).ok
    assert seen(int(room.argmax()), 0.3 * smallest).ok
