"""Every layer and preset through `check_vjp`, the checker that users have."""

import dataclasses
import functools

import numpy as np
import pytest
from helpers import cotangent, distinct

from npcbam import CBAM, BatchNorm, Conv, SharedMLP, pooling, presets, refine_vjp, tree
from npcbam.cbam import ORDERS
from npcbam.gradcheck import check_vjp
from npcbam.pointwise import relu_vjp, scale_vjp, sigmoid_vjp

X = distinct(2, 4, 3, 2)
NORM = BatchNorm(*(np.abs(cotangent(np.ones(4), seed)) for seed in range(4)))
MLP = SharedMLP(distinct(2, 4), distinct(4, 2, seed=1), np.ones(2), distinct(4, seed=2))
LAYERS = {
    "relu": (relu_vjp, X),
    "sigmoid": (sigmoid_vjp, X),
    "scale": (scale_vjp, distinct(2, 4, 1, 1, seed=1), X),
    "mean": (functools.partial(pooling.mean_vjp, axes=(2, 3)), X),
    "max, first": (functools.partial(pooling.max_vjp, axes=(2, 3)), X),
    "max, even": (functools.partial(pooling.max_vjp, axes=(2, 3), ties="even"), X),
    "max, tied": (functools.partial(pooling.max_vjp, axes=(2, 3), ties="even"), np.round(X)),
    "lp": (functools.partial(pooling.lp_vjp, axes=(1,)), X),
    "logsumexp": (functools.partial(pooling.logsumexp_vjp, axes=(1,)), X),
    "conv": (Conv.vjp, Conv(distinct(2, 4, 3, 3, seed=1), np.ones(2)), X),
    "norm": (BatchNorm.vjp, NORM, X),
    "norm, training": (lambda norm, x: norm.train_vjp(x)[:2], NORM, X),
    "mlp": (SharedMLP.vjp, MLP, distinct(3, 4, seed=3)),
}


def drawn(preset, order="channel-first", axes=2):
    """Return a CBAM with no weight at 0, and with variances above it."""
    cbam = CBAM.init(0, 4, 2, 3, preset, spatial_axes=axes)
    weights = [
        np.abs(cotangent(leaf, i)) if name.endswith(("var", "w0")) else cotangent(leaf, i)
        for i, (name, leaf) in enumerate(tree.leaves(cbam))
    ]
    return dataclasses.replace(tree.replace_leaves(cbam, iter(weights)), order=order)


def assert_right(f_vjp, *args, directions=None):
    """Demand the verdict "right" by the complex step, with every leaf of the arguments checked."""
    report = check_vjp(f_vjp, *args, directions=directions)
    assert (report.outcome, report.reference) == ("right", "complex step")
    assert len(report.leaves) == len(list(tree.leaves(args)))


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    assert_right(*LAYERS[name])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_cbam(preset, order):
    assert_right(CBAM.vjp, drawn(preset, order), X, directions=2)


@pytest.mark.parametrize("preset", ["official", "timm_light"])
def test_cbam_in_training(preset):
    assert_right(lambda cbam, x: cbam.train_vjp(x)[:2], drawn(preset), X, directions=2)


@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 4, 3, 1, 2)])
def test_other_numbers_of_axes(shape):
    cbam = drawn("paper_biased", axes=len(shape) - 2)
    assert_right(CBAM.vjp, cbam, distinct(*shape), directions=2)


@pytest.mark.parametrize("part", ["channel", "spatial"])
def test_one_attention(part):
    attention = getattr(drawn("official"), part)
    for f_vjp in (type(attention).vjp, type(attention).logits_vjp, refine_vjp):
        assert_right(f_vjp, attention, X, directions=2)
