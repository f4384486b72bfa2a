"""Gradients: the walk with valves is the reference's, and every turned valve is named."""

from dataclasses import replace

import mistakes
import numpy as np
import pytest
import torch

from npcbam import CBAM, tree
from npcbam.oracle.adapters import adapt
from npcbam.oracle.check import judge
from npcbam.oracle.routes import Pulled, by_pool, pulled
from npcbam.oracle.slips import MISTAKES, name_dx, name_weight
from npcbam.presets import PRESETS

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


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("preset", PRESETS)
def test_open_valves_give_the_gradient(preset, order):
    cbam = drawn(preset, order)
    for x, dy in INPUTS:
        leaves, dx = pulled(cbam, x, dy)
        dcbam, want = cbam.vjp(x)[1](dy)
        np.testing.assert_allclose(dx, want, rtol=0, atol=1e-13)
        for path, leaf in tree.leaves(dcbam):
            np.testing.assert_array_equal(leaves[path], leaf)


def faulty(cbam, valves_of):
    """Return gradients that flow as `valves_of(x)` says, or always so."""
    turn = valves_of if callable(valves_of) else lambda x: valves_of
    return [Pulled("noise", x, dy, *pulled(cbam, x, dy, turn(x)), cbam) for x, dy in INPUTS]


@pytest.mark.parametrize("share", [0, 1.002])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[1])
def test_every_route_is_named(mistake, order, share):
    valves, code, said = mistake
    if code == "spatial-features" and order == "parallel":
        return  # there is one product alone
    cbam = replace(drawn("official", order), residual=True)
    # What flows through a map reaches its parameters, what flows through its pools does not.
    right = set() if code.endswith("-map") else {"channel", "spatial"}
    named = name_dx(faulty(cbam, dict.fromkeys(valves, share)), right)
    assert named.code == f"{code}-{'scaled' if share else 'detached'}"
    assert (named.message == said) if share == 0 else ("1.002 times" in named.message)


@pytest.mark.parametrize(("valve", "axes"), [("channel avg", (2, 3)), ("spatial avg", (1,))])
def test_a_mean_that_is_not_divided(valve, axes):
    cbam = drawn("paper", "channel-first")
    seen = faulty(cbam, lambda x: {valve: np.prod([x.shape[a] for a in axes])})
    assert name_dx(seen).code == f"{valve.replace(' ', '-')}-not-divided"


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
        ("gradient-wrong", lambda d, part: d + np.arange(d.size).reshape(d.shape)),
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
    parts = by_pool(path, each)
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


# One step of the block, and where its gradient goes wrong.
STEPS = ["avg", "top", "mlp", "mc", "planes", "ms", "forward"]


@pytest.mark.parametrize(("dtype", "by"), [("float32", 1e-3), ("float64", 1e-8)])
@pytest.mark.parametrize("step", STEPS)
def test_small_faults_are_caught_in_every_stage(step, dtype, by):
    def scaled(self, *args):
        y = getattr(mistakes.Right, step)(self, *args)
        return tuple(Scaled.apply(p, by) for p in y) if step == "planes" else Scaled.apply(y, by)

    block = type("Block", (mistakes.Right,), {step: scaled})
    candidate = adapt(block, 32).at(dtype)
    found = judge(candidate).findings
    assert "gradient" in {finding.stage for finding in found if finding.status == "wrong"}
    assert judge(adapt(mistakes.Right, 32).at(dtype)).verdict == "faithful"
