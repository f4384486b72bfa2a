"""Gradients: a gain on any route is named, and so is a fault in what a weight gets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import batch_norm, conv2d, linear

from npcbam import CBAM, tree
from npcbam.oracle.candidates import adapt
from npcbam.oracle.check import judge
from npcbam.oracle.comparison import gradients
from npcbam.oracle.comparison.backward import ROUTES, name_dx, name_weight
from npcbam.oracle.comparison.pulled import Pulled
from npcbam.routes import by_pool, pulled

ORDERS = ["channel-first", "spatial-first", "parallel"]
RNG = np.random.default_rng(0)
INPUTS = [(RNG.normal(size=s) + 0.2, RNG.normal(size=s)) for s in [(3, 12, 5, 4), (2, 12, 3, 3)]]


def drawn(preset, order):
    cbam = CBAM.init(1, 12, 3, 3, preset)
    moved = tree.map(
        lambda leaf: leaf + 0.3 * np.random.default_rng(2).normal(size=leaf.shape), cbam
    )
    w0 = np.abs(moved.channel.mlp.w0)  # no unit is asleep
    mlp = replace(moved.channel.mlp, w0=w0)
    return replace(moved, order=order, channel=replace(moved.channel, mlp=mlp))


def faulty(cbam, gains_of):
    """Return gradients that flow with the gains that `gains_of(x)` gives, or always these."""
    turn = gains_of if callable(gains_of) else lambda x: gains_of
    return [Pulled("noise", x, dy, *pulled(cbam, x, dy, turn(x)), cbam) for x, dy in INPUTS]


@pytest.mark.parametrize("share", [0, 1.002])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("route", ROUTES, ids="+".join)
def test_every_route_is_named(route, order, share):
    if route == ("spatial features",) and order == "parallel":
        return  # there is one product alone
    shut, scaled = ROUTES[route][0], ROUTES[route][-1]
    cbam = replace(drawn("official", order), residual=True)
    # What flows through a map reaches its parameters, what flows through its pools does not.
    right = set() if route[0].endswith(" map") else {"channel", "spatial"}
    named = name_dx(faulty(cbam, dict.fromkeys(route, share)), right)
    assert named.code == (scaled if share else shut).code
    assert named.code.endswith("-scaled" if share else "-detached")
    assert (named.message == shut.sentence) if share == 0 else ("1.002 times" in named.message)


@pytest.mark.parametrize(("gain", "axes"), [("channel avg", (2, 3)), ("spatial avg", (1,))])
def test_a_mean_that_is_not_divided(gain, axes):
    cbam = drawn("paper", "channel-first")
    seen = faulty(cbam, lambda x: {gain: np.prod([x.shape[a] for a in axes])})
    assert name_dx(seen).code == f"{gain.replace(' ', '-')}-not-divided"


def test_two_routes_at_once():
    cbam = drawn("paper", "channel-first")
    named = name_dx(faulty(cbam, {"channel max": 0, "spatial max": 0}))
    assert "max branch" in named.message
    assert "max plane" in named.message


def test_noise_is_no_route():
    cbam = drawn("paper", "channel-first")
    seen = [replace(each, dx=each.dx + RNG.normal(size=each.dx.shape)) for each in faulty(cbam, {})]
    assert name_dx(seen) is None


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("parameter-detached", lambda d, part: 0 * d),
        ("gradient-scaled", lambda d, part: 1.5 * d),
        ("shared-weight-half", lambda d, part: d - part),
        ("gradient-explained", lambda d, part: d + np.arange(d.size).reshape(d.shape)),
        ("gradient-wrong", lambda d, part: d * RNG.uniform(0.5, 2, d.shape)),
        ("gradient-not-finite", lambda d, part: d + np.nan),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_parameters_are_named(order, code, spoil):
    cbam = drawn("paper", order)
    x, dy = INPUTS[0]
    leaves, dx = pulled(cbam, x, dy)
    each = Pulled("noise", x, dy, leaves, dx, cbam)
    path = "channel.mlp.w0"
    parts = by_pool(path, each.cbam, each.x, each.dy)
    np.testing.assert_allclose(sum(parts.values()), leaves[path], atol=1e-12)
    bad = replace(each, dparams=leaves | {path: spoil(leaves[path], parts["max"])})
    assert name_weight(path, bad, {})[0] == code


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
DETACHED = {
    "features": "channel-features-scaled",
    "refined": "spatial-features-scaled",
    "mean": "channel-avg-scaled",
    "max": "channel-max-scaled",
    "mc": "channel-map-scaled",
    "plane mean": "spatial-avg-scaled",
    "plane max": "spatial-max-scaled",
    "ms": "spatial-map-scaled",
    "fc1.weight": "gradient-scaled",
    "fc1.bias": "gradient-scaled",
    "fc2.weight": "gradient-scaled",
    "fc2.bias": "gradient-scaled",
    "conv.weight": "gradient-scaled",
    "bn.weight": "gradient-scaled",
    "bn.bias": "gradient-scaled",
}


@pytest.mark.parametrize(("dtype", "by"), [("float32", 1e-3), ("float64", 1e-8)])
@pytest.mark.parametrize("fault", DETACHED)
def test_small_faults_are_caught_and_named_in_every_stage(fault, dtype, by):
    found = judge(at_one(Official(fault, by), dtype)).findings
    wrong = [finding for finding in found if finding.status == "wrong"]
    assert {finding.stage for finding in wrong} == {"gradient"}
    assert [finding.code for finding in wrong] == [DETACHED[fault]]
    assert (f"gradient of {fault} is" in wrong[0].message) == ("." in fault)
    assert f"{1 + by:.4g} times" in wrong[0].message or f"(1 + {by:.1g}) times" in wrong[0].message


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_a_fault_nothing_is_found(dtype):
    assert judge(at_one(Official(), dtype)).verdict == "faithful"


def at_one(block, dtype):
    candidate = adapt(block, 32).at(dtype)
    candidate.dtypes = (dtype,)
    return candidate


@pytest.mark.parametrize("tensor", ["dx", "d conv.weight"])
def test_error_that_would_have_been_caught_is_true(tensor, monkeypatch):
    rooms, row = {}, gradients._row

    def spy(name, which, got, expected, room):
        rooms[name, which] = room
        return row(name, which, got, expected, room)

    monkeypatch.setattr(gradients, "_row", spy)

    def seen(at=0, error=0.0):
        candidate = at_one(Official(), "float64")
        pull = candidate.vjp

        def spoilt(params, x, dy):
            dparams, dx = pull(params, x, dy)
            spoil = dict(dparams, dx=dx)[tensor.removeprefix("d ")].reshape(-1)
            spoil[at] += error
            return dparams, dx

        candidate.vjp = spoilt
        rows = judge(candidate).rows
        return next(r for r in rows if (r.input, r.tensor) == ("single", tensor))

    smallest = seen().smallest
    room = rooms["single", tensor]
    assert smallest == room.max()
    for at in (0, int(room.argmax())):
        assert not seen(at, 1.5 * smallest).ok
    assert seen(int(room.argmax()), 0.3 * smallest).ok
