"""Random weights: their bounds and deviations, and that each layer draws its own."""

import numpy as np
import pytest
from helpers import assert_raises, assert_same

from npcbam import CBAM, BatchNorm, ChannelAttention, Conv, SharedMLP, SpatialAttention, tree
from npcbam.drawing import generator, he_normal, uniform, zeros
from npcbam.pooling import AVG, MAX


def test_uniform_fills_its_interval():
    drawn = uniform(np.random.default_rng(0), (1000,), 25)
    assert 0.19 < drawn.max() <= 0.2
    assert -0.2 <= drawn.min() < -0.19
    # Of 1000 draws the deviation is known to 1.4 %; 5 of those.
    assert drawn.std() == pytest.approx(0.2 / np.sqrt(3), rel=0.07)


def test_he_normal_has_the_variance_of_its_fan_out():
    drawn = he_normal(np.random.default_rng(0), (8, 5, 5, 5), 1)
    assert drawn.std() == pytest.approx(0.1, rel=0.11)  # 2 / (8 · 25) = 0.1²; 1000 draws
    assert np.abs(drawn).max() > 0.25
    assert abs(drawn.mean()) < 5 * 0.1 / np.sqrt(1000)


def test_zeros_draw_nothing():
    rng = np.random.default_rng(0)
    assert not zeros(rng, (3, 2), 7).any()
    assert rng.random() == np.random.default_rng(0).random()


def test_a_seed_is_a_generator():
    rng = np.random.default_rng(5)
    assert generator(rng) is rng
    assert generator(5).random() == np.random.default_rng(5).random()
    assert_raises(TypeError, "rng: expected a Generator or a seed, got 'x'", generator, "x")


def test_each_layer_draws_its_own():
    """One generator handed down gives what the whole does."""
    cbam = CBAM.init(3, 8, 2, 3, "paper_biased")
    rng = np.random.default_rng(3)
    channel = ChannelAttention.init(rng, 8, 4, bias=uniform)
    spatial = SpatialAttention.init(rng, (3, 3), bias=uniform)
    assert_same(CBAM(channel, spatial), cbam)
    rng = np.random.default_rng(3)
    assert_same(SharedMLP.init(rng, 8, 4, bias=uniform), channel.mlp)
    assert_same(Conv.init(rng, (2, 1), (3, 3), bias=uniform), spatial.conv)


def test_shapes_and_defaults():
    assert Conv.init(0, (2, 5), (3, 1, 7)).w.shape == (5, 2, 3, 1, 7)
    assert Conv.init(0, (2, 5), (3,)).b is None
    blended = SpatialAttention.init(0, (5,), pools=(MAX, AVG), blend=True, norm=BatchNorm.init(1))
    assert blended.conv.w.shape == (1, 1, 5)
    norm = BatchNorm.init(3, gamma=2.0, momentum=0.5, dtype=np.float32)
    assert {k: leaf.tolist() for k, leaf in tree.leaves(norm)} == {
        "gamma": [2, 2, 2], "beta": [0, 0, 0], "mean": [0, 0, 0], "var": [1, 1, 1]
    }  # fmt: skip
    assert (norm.momentum, norm.gamma.dtype) == (0.5, np.float32)
    assert (BatchNorm.init(1).gamma.item(), BatchNorm.init(1).momentum) == (1, 0.1)
    channel = ChannelAttention.init(0, 8, 4)
    assert (channel.pools, channel.blend, channel.mlp.b0, channel.mlp.b1) == (
        (AVG, MAX), False, None, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("init", "kind", "message"),
    [
        (
            lambda: SharedMLP.init(-1, 4, 2),
            ValueError,
            "rng: expected a seed of at least 0, got -1",
        ),
        (lambda: SharedMLP.init(0, 0, 2), ValueError, "channels: expected at least 1, got 0"),
        (lambda: SharedMLP.init(0, 4, 0), ValueError, "hidden: expected at least 1, got 0"),
        (lambda: Conv.init(0, (2, 1), (4,)), ValueError, "w: expected an odd kernel size, got 4"),
        (lambda: BatchNorm.init(0), ValueError, "channels: expected at least 1, got 0"),
        *[
            (
                init,
                TypeError,
                "dtype: expected float32, float64, longdouble or complex128, got <class 'int'>",
            )
            for init in (
                lambda: SharedMLP.init(0, 4, 2, dtype=int),
                lambda: BatchNorm.init(1, dtype=int),
                lambda: SpatialAttention.init(0, (3,), dtype=int),
            )
        ],
    ],
)
def test_refuses(init, kind, message):
    assert_raises(kind, message, init)
