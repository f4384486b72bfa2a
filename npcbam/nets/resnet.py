"""A small residual network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.drawing import generator
from npcbam.nets.block import ATTENTIONS, Block, ConvNorm, run
from npcbam.nets.layers import Linear
from npcbam.pointwise import relu_vjp
from npcbam.pooling import mean_vjp
from npcbam.types import LayerPullback, Stepped


@dataclass(frozen=True, eq=False)
class ResNet:
    """Stem, residual blocks, the mean over all positions, and a linear layer.

    Parameters
    ----------
    stem : the first convolution, pool and norm
    blocks : the residual blocks
    linear : from the last block's channels to the logits

    >>> net = ResNet.init(0, widths=(8, 16), attention="cbam", dtype=np.float64)
    >>> x = np.random.default_rng(1).normal(size=(2, 1, 8, 8))
    >>> z, pullback, stepped = net.train_vjp(x)
    >>> dnet, dx = pullback(np.ones_like(z))
    >>> z.shape, dnet.blocks[1].attention.channel.mlp.w0.shape
    ((2, 10), (4, 16))
    """

    stem: ConvNorm
    blocks: tuple[Block, ...]
    linear: Linear

    @classmethod
    def init(
        cls,
        rng: np.random.Generator | int,
        channels: int = 1,
        widths: Sequence[int] = (16, 32),
        classes: int = 10,
        attention: str | None = None,
        *,
        reduction_ratio: int = 4,
        pool: int = 1,
        dtype: Any = np.float32,
    ) -> Self:
        """Draw the weights of a new network; those outside the attention do not depend on it.

        Parameters
        ----------
        rng : a Generator, or the seed of one
        channels : planes of the images
        widths : channels of each block; the map is halved where the width changes
        classes : how many logits there are
        attention : None, "se" or "cbam", on each block's branch
        reduction_ratio : of the attention
        pool : window of the maximum after the first convolution; 1 for none
        dtype : float32, float64, longdouble or complex128
        """
        rng = generator(rng)
        for name, value in [("channels", channels), ("classes", classes), ("pool", pool)]:
            arguments.positive(name, value)
        if not widths:
            raise ValueError("widths: expected at least one block, got none")
        for width in widths:
            arguments.positive("widths", width)
        arguments.choice("attention", attention, ATTENTIONS)
        arguments.dtype("dtype", dtype)
        stem = ConvNorm.init(rng, (channels, widths[0]), 3, 1, dtype, pool)
        pairs = zip((widths[0], *widths), widths, strict=False)
        blocks = tuple(Block.init(rng, pair, attention, reduction_ratio, dtype) for pair in pairs)
        return cls(stem, blocks, Linear.init(rng, widths[-1], classes, dtype=dtype))

    def __call__(self, x: Array) -> Array:
        """Return the logits in evaluation."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Map (N, C, H, W) images to (N, K) logits: `dnet, dx = pullback(dz)`."""
        return self._vjp(x, training=False)[:2]

    def train_vjp(self, x: Array) -> Stepped[Self]:
        """Run with the batch's own statistics in the norms; see `BatchNorm.train_vjp`."""
        return self._vjp(x, training=True)

    def _vjp(self, x: Array, training: bool) -> Stepped[Self]:
        a, stem_pullback, stem = run(self.stem, x, training)
        h, relu_pullback = relu_vjp(a)
        walked, blocks = [], []
        for block in self.blocks:
            h, block_pullback, stepped = run(block, h, training)
            walked.append(block_pullback)
            blocks.append(stepped)
        f, mean_pullback = mean_vjp(h, (2, 3))  # (N, C, 1, 1)
        z, linear_pullback = self.linear.vjp(f.reshape(f.shape[:2]))  # (N, K)

        def resnet_pullback(dz: Array) -> tuple[Self, Array]:
            dlinear, df = linear_pullback(dz)
            dh = mean_pullback(df.reshape(f.shape))
            dblocks: list[Block] = []
            for block_pullback in reversed(walked):
                dblock, dh = block_pullback(dh)
                dblocks.insert(0, dblock)
            dstem, dx = stem_pullback(relu_pullback(dh))
            return type(self)(dstem, tuple(dblocks), dlinear), dx

        return z, resnet_pullback, type(self)(stem, tuple(blocks), self.linear)
