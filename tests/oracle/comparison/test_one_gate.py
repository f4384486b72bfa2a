"""One gate alone: its three results, the walk with gains, and what rounding may do to it.

By hand there is a channel gate without an MLP to speak of, and a spatial one with one weight.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import assert_derivative, assert_laws, assert_raises

from npcbam import CBAM, refine_vjp, tree
from npcbam.channel_attention import ChannelAttention, SharedMLP
from npcbam.conv import Conv
from npcbam.oracle.comparison.bounds import allowed
from npcbam.oracle.comparison.one_gate import OneGate
from npcbam.oracle.comparison.pulled import Pulled
from npcbam.oracle.comparison.tie_rules import other_tie_rules, rules_of, tie_rules
from npcbam.pooling import AVG
from npcbam.routes import by_pool, pulled
from npcbam.spatial_attention import SpatialAttention

RNG = np.random.default_rng(0)
X, DY = RNG.normal(size=(2, 3, 12, 5, 4))
KINDS = [("map", False), ("spread", False), ("features", False), ("features", True)]
EVERY = pytest.mark.parametrize(("gives", "residual"), KINDS)
EITHER = pytest.mark.parametrize("name", ["channel", "spatial"])


def gate(name, gives="features", residual=False, preset="official"):
    rng = np.random.default_rng(3)
    cbam = CBAM.init(1, 12, 3, 3, preset)
    cbam = tree.map(lambda leaf: leaf + 0.3 * rng.normal(size=leaf.shape), cbam)
    return OneGate(**{name: getattr(cbam, name)}, residual=residual, gives=gives)


def cotangent(y):
    return np.random.default_rng(4).normal(size=y.shape)


def vjp(layer, x):
    return layer.vjp(x)


# By hand


def test_channel_by_hand():
    mlp = SharedMLP(w0=np.array([[1.0]]), w1=np.array([[1.0]]))
    one = OneGate(ChannelAttention(mlp, (AVG,)), gives="map")
    x = np.array([[[np.log(2), np.log(8)]]])  # of which the mean is log 4
    y, pullback = one.vjp(x)
    np.testing.assert_allclose(y, [[[0.8]]])
    done, dx = pullback(np.array([[[100.0]]]))
    np.testing.assert_allclose(dx, [[[8, 8]]])
    np.testing.assert_allclose(done.channel.mlp.w0, [[16 * np.log(4)]])
    np.testing.assert_allclose(replace(one, gives="spread")(x), [[[0.8, 0.8]]])
    np.testing.assert_allclose(replace(one, gives="features", residual=True)(x), 1.8 * x)


def test_spatial_by_hand():
    one = OneGate(spatial=SpatialAttention(Conv(np.ones((1, 1, 1))), (AVG,)), gives="spread")
    x = np.array([[[np.log(2)], [np.log(8)]]])
    y, pullback = one.vjp(x)
    np.testing.assert_allclose(y, [[[0.8], [0.8]]])
    np.testing.assert_allclose(pullback(np.array([[[60.0], [40.0]]]))[1], [[[8], [8]]])


# An independent forward


@EITHER
def test_against_the_layers(name):
    layer = getattr(gate(name), name)
    np.testing.assert_array_equal(gate(name, "map")(X), layer(X))
    np.testing.assert_array_equal(gate(name, "spread")(X), np.broadcast_to(layer(X), X.shape))
    np.testing.assert_array_equal(gate(name)(X), refine_vjp(layer, X)[0])
    dlayer, dx = refine_vjp(layer, X)[1](DY)
    dgate, found = gate(name).vjp(X)[1](DY)
    np.testing.assert_array_equal(found, dx)
    for (_, got), (_, want) in zip(
        tree.leaves(getattr(dgate, name)), tree.leaves(dlayer), strict=True
    ):
        np.testing.assert_array_equal(got, want)


# The derivative


@EVERY
@EITHER
def test_derivative(name, gives, residual):
    assert_derivative(vjp, gate(name, gives, residual), X[:2])


# Laws


@EVERY
@EITHER
def test_laws(name, gives, residual):
    assert_laws(vjp, gate(name, gives, residual), X)


@EVERY
@EITHER
def test_without_gains_the_walk_is_the_gradient(name, gives, residual):
    one = gate(name, gives, residual)
    y, pullback = one.vjp(X)
    dy = cotangent(y)
    leaves, dx = pulled(one, X, dy)
    dgate, want = pullback(dy)
    np.testing.assert_allclose(dx, want, rtol=0, atol=1e-13)
    assert list(leaves) == [path for path, _ in tree.leaves(one)]
    for path, leaf in tree.leaves(dgate):
        np.testing.assert_array_equal(leaves[path], leaf)
    shut = pulled(one, X, dy, {f"{name} map": 0, f"{name} features": 0})[1]
    np.testing.assert_array_equal(shut, dy if residual else np.zeros_like(X))
    halved = pulled(one, X, dy, {f"{name} avg": 2, f"{name} max": 2, f"{name} features": 2})[1]
    np.testing.assert_allclose(halved, 2 * want - (dy if residual else 0), rtol=0, atol=1e-13)
    for leaf in leaves:
        parts = by_pool(leaf, one, X, dy)
        assert bool(parts) == (name == "channel")
        if parts:
            np.testing.assert_allclose(sum(parts.values()), leaves[leaf], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@EVERY
@EITHER
def test_rounding_is_within_what_is_allowed(name, gives, residual, dtype):
    one = gate(name, gives, residual)
    one = tree.map(lambda leaf: leaf.astype(dtype).astype(float), one)
    x, dy = (a.astype(dtype).astype(float) for a in (X, cotangent(one(X))))
    y, pullback = one.vjp(x)
    dgate, dx = pullback(dy)
    exact = {"y": y, "dx": dx, **{f"d{path}": leaf for path, leaf in tree.leaves(dgate)}}
    bounds = allowed(one, x, dy, dtype)
    assert {key: bound.shape for key, bound in bounds.items()} == {
        key: value.shape for key, value in exact.items()
    }
    single = tree.map(lambda leaf: leaf.astype(np.float32), one)
    got, single_pullback = single.vjp(x.astype(np.float32))
    done, dx32 = single_pullback(dy.astype(np.float32))
    found = {"y": got, "dx": dx32, **{f"d{path}": leaf for path, leaf in tree.leaves(done)}}
    for key, bound in bounds.items():
        assert (np.abs(found[key] - exact[key]) <= bound).all(), key
        # A fault of 1 % in single precision is no rounding.
        if dtype == "float32":
            assert (0.01 * np.abs(exact[key]) > bound).any(), key


@EITHER
def test_it_has_a_tolerance_and_tie_rules(name):
    one = gate(name)
    given = Pulled("noise", X, DY, *pulled(one, X, DY), one)
    np.testing.assert_allclose(given.expected[1], given.dx, rtol=0, atol=1e-13)
    assert list(given.tolerance) == ["dx", *(path for path, _ in tree.leaves(one))]
    rules = [rules_of(each) for each in (*tie_rules(one), *other_tie_rules(one))]
    assert rules[:2] == ["first", "even"]
    assert len(rules) == len(set(rules)) == (6 if name == "channel" else 3)


# Errors


def test_refuses_to_be_no_gate():
    message = "channel, spatial: expected one of them, and None for the other"
    assert_raises(ValueError, message, replace, gate("spatial"), spatial=None)
