"""The residual block, by hand, and the place of the attention; `test_resnet` has the whole."""

import dataclasses

import numpy as np
import pytest
from helpers import assert_derivative, assert_laws, assert_raises, cast, distinct
from hypothesis import given, settings
from hypothesis import strategies as st
from small_nets import lively, plain, small, train_vjp, vjp

from npcbam import CBAM
from npcbam.nets import Block, ConvNorm, max_pool_vjp

EVERY_ATTENTION = pytest.mark.parametrize("attention", [None, "se", "cbam"])

# By hand


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


# Laws


@settings(deadline=None, max_examples=12)
@given(
    attention=st.sampled_from([None, "se", "cbam"]),
    f_vjp=st.sampled_from([vjp, train_vjp]),
    dtype=st.sampled_from([np.float32, np.float64, np.longdouble]),
)
def test_laws(attention, f_vjp, dtype):
    block = cast(small(attention).blocks[1], dtype)
    assert_laws(f_vjp, block, distinct(2, 4, 4, 4, dtype=dtype))


# Errors


def test_bad_x_and_cotangent():
    block = small("cbam").blocks[1]
    x = distinct(2, 4, 4, 4)
    message = "x: expected shape (N, 4, H, W), got (2, 3, 4, 4)"
    assert_raises(ValueError, message, block.vjp, x[:, :3])
    _, pullback = block.vjp(x)
    message = "dy: expected shape (2, 6, 2, 2), got (2, 4, 4, 4)"
    assert_raises(ValueError, message, pullback, x)
