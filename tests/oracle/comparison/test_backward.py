"""Gradients: a gain on any route is named, and so is a fault in what a weight gets."""

from dataclasses import replace

import numpy as np
import pytest

from npcbam import CBAM, tree
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


@pytest.mark.parametrize(("left", "told"), [(0, True), (1e-6, True), (1e-2, False)])
def test_what_leaves_some_of_dx_is_no_explanation(left, told):
    seen = faulty(drawn("paper", "channel-first"), {"channel max": 0})
    off = [np.abs(each.dx - each.expected[1]).max() for each in seen]
    noise = [
        left * size * RNG.choice([-1, 1], each.dx.shape)
        for size, each in zip(off, seen, strict=True)
    ]
    bad = [replace(each, dx=each.dx + more) for each, more in zip(seen, noise, strict=True)]
    assert (name_dx(bad) is not None) == told


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
