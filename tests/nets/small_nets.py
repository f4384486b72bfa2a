"""Networks that the tests can afford, with no weight at 0."""

import numpy as np
from helpers import distinct

from npcbam import BatchNorm, tree
from npcbam.nets import ConvNorm, Convolution, ResNet


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


def plain(w, **how):
    """Return a 1×1 convolution by `w` and a norm that changes nothing."""
    zero, one = np.zeros(1), np.ones(1)
    norm = BatchNorm(one, zero, zero, one, eps=0.0)
    return ConvNorm(Convolution(np.full((1, 1, 1, 1), w)), norm, **how)
