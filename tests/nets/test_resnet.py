"""The residual network, by hand and against PyTorch's."""

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
from small_nets import lively, plain, small, train_vjp, vjp
from tolerances import CANCELLED, STENCIL, TORCH

from npcbam import tree
from npcbam.nets import Linear, ResNet

EVERY_ATTENTION = pytest.mark.parametrize("attention", [None, "se", "cbam"])

# By hand


def test_by_hand():
    linear = Linear(np.array([[3.0], [-1.0]]), np.array([0.0, 10.0]))
    net = ResNet(plain(2.0), (), linear)
    # The mean of relu(2 x) is 3.
    z, pullback = net.vjp(np.array([[[[1.0, -1.0], [0.0, 5.0]]]]))
    assert z.tolist() == [[9, 7]]
    dnet, dx = pullback(np.array([[1.0, 7.0]]))
    assert dx.tolist() == [[[[-2, 0], [0, -2]]]]
    assert dnet.linear.w.tolist() == [[3], [21]]
    assert dnet.stem.conv.w.item() == -6


# An independent forward


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


# The derivative


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
