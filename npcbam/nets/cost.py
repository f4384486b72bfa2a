"""What a network costs: how many numbers it learns, and how many multiply-adds an image takes."""

from __future__ import annotations

import math

from npcbam import tree
from npcbam.cbam import CBAM
from npcbam.nets.layers import Convolution
from npcbam.nets.resnet import ResNet


def parameters(net: ResNet) -> int:
    """Count the numbers that training learns; the norms' running statistics are not learnt.

    >>> parameters(ResNet.init(0, widths=(16,), classes=10))
    5018
    """
    statistics = (".mean", ".var")
    return sum(leaf.size for name, leaf in tree.leaves(net) if not name.endswith(statistics))


def multiply_adds(net: ResNet, height: int, width: int) -> int:
    """Count the multiply-adds of one image in the products: convolutions, linear layers, gates.

    Pools, norms, relu, sigmoid and the sums with the shortcuts are left out, as is usual.

    Parameters
    ----------
    net : the network
    height, width : of the images

    >>> multiply_adds(ResNet.init(0, widths=(16,), classes=10), 28, 28)
    3725728
    """
    count, space = _convolution(net.stem.conv, (height, width))
    space = (space[0] // net.stem.pool, space[1] // net.stem.pool)
    for block in net.blocks:
        if block.shortcut is not None:
            count += _convolution(block.shortcut.conv, space)[0]
        first, space = _convolution(block.first.conv, space)
        second, space = _convolution(block.second.conv, space)
        count += first + second
        if block.attention is not None:
            count += _attention(block.attention, space)
    return count + net.linear.w.size


def _convolution(conv: Convolution, space: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    height, width = (
        (size + 2 * conv.padding - k) // conv.stride + 1
        for size, k in zip(space, conv.w.shape[2:], strict=True)
    )
    return conv.w.size * height * width, (height, width)


def _attention(cbam: CBAM, space: tuple[int, int]) -> int:
    mlp, positions = cbam.channel.mlp, math.prod(space)
    features = mlp.w0.shape[1] * positions
    # Each pooled descriptor passes the MLP; the gate multiplies each feature.
    count: int = len(cbam.channel.pools) * (mlp.w0.size + mlp.w1.size) + features
    if cbam.spatial is not None:
        count += cbam.spatial.conv.w.size * positions + features
    return count
