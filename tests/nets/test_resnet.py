"""The residual network: its block, the place of the attention, and the whole against PyTorch."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
import torch_resnet
from helpers import (
    assert_derivative,
    assert_laws,
    assert_raises,
    assert_same,
    assert_samples_apart,
    assert_stencil,
    cast,
    cotangent,
    distinct,
    integers,
    leaves,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import CANCELLED, STENCIL, TORCH

from npcbam import CBAM, BatchNorm, tree
from npcbam.nets import Block, ConvNorm, Convolution, ResNet, max_pool_vjp

EVERY_ATTENTION = pytest.mark.parametrize("attention", [None, "se", "cbam"])


def lively(layer, seed=0):
    """Return the layer with every leaf drawn, none of them 0, and variances positive."""
    drawn = []
    for i, (name, leaf) in enumerate(tree.leaves(layer)):
        value = distinct(*leaf.shape, seed=seed + i) / np.sqrt(np.prod(leaf.shape[1:]))
        drawn.append(np.abs(value) + 0.5 if name.endswith((".var", ".gamma")) else value)
    return tree.replace_leaves(layer, iter(drawn))


def small(attention, seed=0, pool=1):
    net = ResNet.init(seed, 2, (4, 6), 3, attention, reduction_ratio=2, pool=pool, dtype=np.float64)
    return lively(net, seed)


def vjp(layer, x):
    return layer.vjp(x)


def train_vjp(layer, x):
    return layer.train_vjp(x)[:2]


# By hand


def plain(w, **how):
    """Return a 1×1 convolution by `w` and a norm that changes nothing."""
    zero, one = np.zeros(1), np.ones(1)
    norm = BatchNorm(one, zero, zero, one, eps=0.0)
    return ConvNorm(Convolution(np.full((1, 1, 1, 1), w)), norm, **how)


def test_block_by_hand():
    block = Block(plain(2.0), plain(-3.0))
    x = np.array([[[[1.0, -1.0]]]])
    # relu(-3 relu(2 x) + x): at 1 the sum is -5, at -1 it is -1.
    y, pullback = block.vjp(x)
    assert y.tolist() == block(x).tolist() == [[[[0, 0]]]]
    y, pullback = Block(plain(2.0), plain(3.0)).vjp(x)
    assert y.tolist() == [[[[7, 0]]]]
    dblock, dx = pullback(np.array([[[[10.0, 100.0]]]]))
    assert dx.tolist() == [[[[70, 0]]]]
    assert (dblock.first.conv.w.item(), dblock.second.conv.w.item()) == (30, 20)


def test_a_shortcut_by_hand():
    y, pullback = Block(plain(2.0), plain(3.0), None, plain(5.0)).vjp(np.ones((1, 1, 1, 1)))
    dblock, dx = pullback(np.full((1, 1, 1, 1), 10.0))
    assert (y.item(), dx.item(), dblock.shortcut.conv.w.item()) == (11, 110, 10)


def test_a_pool_by_hand():
    x = np.array([[[[1.0, 3.0], [2.0, 0.0]]]])
    y, pullback = plain(-2.0, pool=2).vjp(x)
    assert y.tolist() == [[[[0]]]]
    assert pullback(np.full((1, 1, 1, 1), 7.0))[1].tolist() == [[[[0, 0], [0, -14]]]]


# An independent forward


def test_attention_refines_the_branch_and_not_the_shortcut():
    # A gate of 0 all but closes the branch: what is left is relu of the shortcut.
    cbam = CBAM.init(0, 4, 2, preset="official")
    closed = dataclasses.replace(cbam.channel.mlp, b1=np.full(4, -400.0))
    cbam = dataclasses.replace(cbam, channel=dataclasses.replace(cbam.channel, mlp=closed))
    block = small("cbam").blocks[0]
    block = dataclasses.replace(block, attention=cbam)
    x = distinct(2, 4, 5, 5)
    np.testing.assert_allclose(block(x), np.maximum(x, 0), rtol=0, atol=1e-100)


@EVERY_ATTENTION
@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("training", [False, True])
def test_against_torch(attention, pool, training):
    ours, x = small(attention, pool=pool), distinct(3, 2, 8, 6, seed=5)
    peer = torch_resnet.ResNet(ours).train(training)
    theirs = torch.from_numpy(x).requires_grad_()
    want = peer(theirs)
    z, pullback, stepped = ours.train_vjp(x) if training else (*ours.vjp(x), ours)
    want.backward(torch.from_numpy(cotangent(z)))
    dnet, dx = pullback(cotangent(z))
    assert_near(z, want.detach().numpy())
    assert_near(dx, theirs.grad.numpy())
    # PyTorch has no gradient by the running statistics, which here is there in evaluation.
    dpeer = peer.arrays(dnet, gradient=True)
    for (name, got), (_, should) in zip(tree.leaves(dnet), tree.leaves(dpeer), strict=True):
        if not name.endswith((".mean", ".var")):
            assert_near(got, should, CANCELLED * max(np.abs(leaf).max() for leaf in leaves(dnet)))
    for got, should in zip(leaves(stepped), leaves(peer.arrays(stepped)), strict=True):
        assert_near(got, should)


def assert_near(got, want, scale=0.0):
    np.testing.assert_array_less(np.abs(got - want), TORCH * max(np.abs(want).max(), scale, 1e-300))


@pytest.mark.parametrize("gamma", [0.5, 3.0])
def test_pool_before_the_norm_is_pool_after_norm_and_relu(gamma):
    layer = lively(ConvNorm.init(np.random.default_rng(0), (1, 2), 3, 1, np.float64, 2))
    norm = dataclasses.replace(layer.norm, gamma=np.full(2, gamma))
    first = dataclasses.replace(layer, norm=norm)
    last = dataclasses.replace(first, pool=1)
    x = distinct(2, 1, 6, 6)
    want = max_pool_vjp(np.maximum(last(x), 0), 2)[0]
    np.testing.assert_array_equal(np.maximum(first(x), 0), want)


# The derivative


@EVERY_ATTENTION
@pytest.mark.parametrize("f_vjp", [vjp, train_vjp])
def test_derivative_of_a_block(attention, f_vjp):
    assert_derivative(f_vjp, small(attention).blocks[1], distinct(2, 4, 4, 4, seed=3))


@pytest.mark.parametrize("f_vjp", [vjp, train_vjp])
def test_derivative_of_the_whole(f_vjp):
    net = lively(ResNet.init(0, 1, (2, 3), 3, pool=2, dtype=np.float64))
    assert_derivative(f_vjp, net, distinct(2, 1, 6, 6, seed=3))


@EVERY_ATTENTION
def test_stencil(attention):
    # A step so small that no relu and no maximum changes sides.
    stencil = functools.partial(assert_stencil, step=2.0**-17, tolerance=1e3 * STENCIL)
    stencil(vjp, small(attention), distinct(2, 2, 4, 4, seed=3))


# Laws


@settings(deadline=None, max_examples=12)
@given(
    attention=st.sampled_from([None, "se", "cbam"]),
    f_vjp=st.sampled_from([vjp, train_vjp]),
    dtype=st.sampled_from([np.float32, np.float64, np.longdouble]),
)
def test_laws(attention, f_vjp, dtype):
    net, x = cast(small(attention), dtype), distinct(2, 2, 4, 4, dtype=dtype)
    assert_laws(f_vjp, net, x)


@EVERY_ATTENTION
def test_samples_are_apart_in_evaluation(attention):
    assert_samples_apart(small(attention).vjp, distinct(3, 2, 4, 4))


@EVERY_ATTENTION
def test_the_rest_is_the_same_with_any_attention(attention):
    got = dict(tree.leaves(ResNet.init(3, attention=attention)))
    want = dict(tree.leaves(ResNet.init(3)))
    assert_same({name: got[name] for name in want}, want)
    assert (set(got) - set(want) == set()) == (attention is None)


def test_init_depends_on_the_seed_and_draws_each_weight_anew():
    a, b = dict(tree.leaves(ResNet.init(0))), dict(tree.leaves(ResNet.init(1)))
    again = dict(tree.leaves(ResNet.init(np.random.default_rng(0))))
    assert_same(again, a)
    drawn = [name for name in a if name.endswith(".w")]
    assert len({a[name].flat[0] for name in drawn} | {b[name].flat[0] for name in drawn}) == 14


@EVERY_ATTENTION
def test_init_keeps_the_scale(attention):
    net = ResNet.init(0, 3, (32, 32, 64), dtype=np.float64, attention=attention)
    z = net.train_vjp(np.random.default_rng(1).normal(size=(16, 3, 12, 12)))[0]
    assert 0.1 < z.std() < 10


def test_the_map_is_halved_where_the_width_changes():
    net = ResNet.init(0, widths=(4, 4, 8, 8, 4), dtype=np.float64)
    assert [block.first.conv.stride for block in net.blocks] == [1, 1, 2, 1, 2]
    assert [block.shortcut is None for block in net.blocks] == [True, True, False, True, False]


# Errors


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ({"rng": -1}, ValueError, "rng: expected a seed of at least 0, got -1"),
        ({"rng": 0.5}, TypeError, "rng: expected a Generator or a seed, got 0.5"),
        ({"channels": 0}, ValueError, "channels: expected at least 1, got 0"),
        ({"classes": 1.0}, TypeError, "classes: expected an integer, got 1.0"),
        ({"pool": 0}, ValueError, "pool: expected at least 1, got 0"),
        ({"widths": ()}, ValueError, "widths: expected at least one block, got none"),
        ({"widths": (4, 0)}, ValueError, "widths: expected at least 1, got 0"),
        (
            {"attention": "eca"},
            ValueError,
            "attention: expected None, 'se' or 'cbam', got 'eca'",
        ),
        (
            {"dtype": "f2"},
            TypeError,
            "dtype: expected float32, float64, longdouble or complex128, got 'f2'",
        ),
    ],
)
def test_bad_arguments_of_init(how, kind, message):
    assert_raises(kind, message, ResNet.init, **{"rng": 0} | how)


def test_bad_x_and_cotangent():
    net = small("cbam")
    x = integers(2, 2, 4, 4)
    message = "x: expected shape (N, 2, H, W), got (2, 1, 4, 4)"
    assert_raises(ValueError, message, net.vjp, x[:, :1])
    _, pullback = net.vjp(x)
    assert_raises(ValueError, "dz: expected shape (2, 3), got (2, 2)", pullback, np.ones((2, 2)))
