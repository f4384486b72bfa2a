"""Routes: with all gains 1 the walk is the backward; one gain of 0 takes out what its route brings.

By hand there is a block whose two gates are ½ everywhere, so that each product halves.
"""

from dataclasses import replace

import numpy as np
import pytest

from npcbam import CBAM, tree
from npcbam.cbam import ORDERS
from npcbam.presets import PRESETS
from npcbam.routes import by_pool, pulled, through

RNG = np.random.default_rng(0)
INPUTS = [(RNG.normal(size=s) + 0.2, RNG.normal(size=s)) for s in [(3, 12, 5, 4), (2, 12, 3, 3)]]
LEAVES = ("w0", "w1", "b0", "b1")


def drawn(preset, order, residual=False):
    cbam = CBAM.init(1, 12, 3, 3, preset)
    rng = np.random.default_rng(2)
    moved = tree.map(lambda leaf: leaf + 0.3 * rng.normal(size=leaf.shape), cbam)
    w0 = np.abs(moved.channel.mlp.w0)  # no unit is asleep
    mlp = replace(moved.channel.mlp, w0=w0)
    return replace(moved, order=order, residual=residual, channel=replace(moved.channel, mlp=mlp))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("preset", PRESETS)
def test_without_gains_it_is_the_gradient(preset, order):
    cbam = drawn(preset, order, residual=True)
    for x, dy in INPUTS:
        leaves, dx = pulled(cbam, x, dy)
        dcbam, want = cbam.vjp(x)[1](dy)
        np.testing.assert_allclose(dx, want, rtol=0, atol=1e-13)
        assert sorted(leaves) == sorted(path for path, _ in tree.leaves(dcbam))
        for path, leaf in tree.leaves(dcbam):
            np.testing.assert_array_equal(leaves[path], leaf)


def test_where_both_maps_are_half_the_products_are_a_quarter():
    cbam = tree.zeros_like(drawn("paper", "channel-first"))
    x, dy = INPUTS[0]
    maps = {"channel map": 0, "spatial map": 0}
    np.testing.assert_allclose(pulled(cbam, x, dy, maps)[1], dy / 4, rtol=1e-15)
    assert not pulled(cbam, x, dy, maps | {"channel features": 0})[1].any()
    np.testing.assert_allclose(
        pulled(replace(cbam, residual=True), x, dy, maps | {"residual": 3})[1], 3.25 * dy
    )


GAINS = [f"{gate} {route}" for gate in ("channel", "spatial") for route in ("avg", "max", "map")]
GAINS += ["channel features", "spatial features"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("gain", GAINS)
def test_a_gain_is_linear(order, gain):
    if (order, gain) == ("parallel", "spatial features"):
        gain = "channel features"  # one product, and one factor
    cbam, (x, dy) = drawn("official", order), INPUTS[0]
    at = [pulled(cbam, x, dy, {gain: g})[1] for g in (0.0, 1.0, 2.0)]
    assert np.abs(at[1] - at[0]).max() > 1e-6
    np.testing.assert_allclose(at[2] - at[0], 2 * (at[1] - at[0]), rtol=0, atol=1e-12)


def test_a_gain_leaves_the_pools_of_the_gradient_as_they_are():
    channel, (x, dy) = drawn("paper", "channel-first").channel, INPUTS[0]
    dz = dy.mean(axis=(2, 3), keepdims=True)
    dchannel, _ = through("channel", channel, x, dz, {"channel max": 0.5})
    assert dchannel.pools == channel.pools
    assert channel.vjp(x)[0].shape == dchannel.vjp(x)[0].shape


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("leaf", LEAVES)
def test_what_each_pool_gives_adds_up(order, leaf):
    cbam, (x, dy) = drawn("official", order), INPUTS[0]
    path = f"channel.mlp.{leaf}"
    found = by_pool(path, cbam, x, dy)
    assert list(found) == ["avg", "max"]
    np.testing.assert_allclose(sum(found.values()), pulled(cbam, x, dy)[0][path], atol=1e-12)
    assert by_pool("spatial.conv.w", cbam, x, dy) == {}


@pytest.mark.parametrize("preset", ["se", "timm_light"])
def test_one_descriptor_shares_nothing(preset):
    assert by_pool("channel.mlp.w0", drawn(preset, "channel-first"), *INPUTS[0]) == {}


class Gate:
    """A gate alone, which walks its routes itself: y is its logits."""

    def __init__(self, channel):
        self.channel, self.asked = channel, []

    def pulled(self, x, dy, gains):
        self.asked.append((x, dy, gains))
        return {}, dy

    def at_logits(self, x, dy):
        self.asked.append((x, dy))
        return dy


def test_a_block_that_walks_itself_is_asked():
    gate, (x, dy), gains = Gate(None), INPUTS[0], {"residual": 2.0}
    leaves, dx = pulled(gate, x, dy, gains)
    assert (leaves, dx is dy, gate.asked[0][0] is x) == ({}, True, True)
    assert gate.asked[0][2] is gains
    pulled(gate, x, dy)
    assert gate.asked[1][2] == {}
    assert by_pool("channel.mlp.w0", gate, x, dy) == {}


def test_what_each_pool_gives_adds_up_in_a_block_that_walks_itself():
    gate, (x, _) = Gate(drawn("official", "channel-first").channel), INPUTS[0]
    z, pullback = gate.channel.logits_vjp(x)
    dz = RNG.normal(size=z.shape)
    found = by_pool("channel.mlp.w0", gate, x, dz)
    assert list(found) == ["avg", "max"]
    np.testing.assert_allclose(sum(found.values()), pullback(dz)[0].mlp.w0, atol=1e-12)
    assert gate.asked[0][0] is x
