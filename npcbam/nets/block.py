"""The residual block, with attention on its branch or without."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.nets.layers import Convolution, max_pool_vjp
from npcbam.norm import BatchNorm
from npcbam.pointwise import relu_vjp
from npcbam.types import LayerPullback, Stepped

L = TypeVar("L", "BatchNorm", "CBAM", "ConvNorm", "Block")

# The gates as their authors trained them.
ATTENTIONS = {None: None, "se": "se", "cbam": "official"}


@dataclass(frozen=True, eq=False)
class ConvNorm:
    """A convolution, a maximum over windows, and a norm.

    Parameters
    ----------
    conv : the convolution
    norm : normalises its result
    pool : size of the windows, 1 for none. It stands before the norm, which then has fewer
        elements to read; with a positive gamma, norm and relu rise, and the order is all one.
    """

    conv: Convolution
    norm: BatchNorm
    pool: int = 1

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        planes: tuple[int, int],
        size: int,
        stride: int,
        dtype: Any,
        pool: int = 1,
    ) -> Self:
        """Draw the kernel; see `Convolution.init`."""
        conv = Convolution.init(rng, planes, size, stride, dtype=dtype)
        return cls(conv, BatchNorm.init(planes[1], dtype=dtype), pool)

    def __call__(self, x: Array) -> Array:
        """Return the result in evaluation."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Convolve and normalise by the running statistics."""
        return self._vjp(x, training=False)[:2]

    def train_vjp(self, x: Array) -> Stepped[Self]:
        """Convolve and normalise by the batch's own statistics."""
        return self._vjp(x, training=True)

    def _vjp(self, x: Array, training: bool) -> Stepped[Self]:
        a, conv_pullback = self.conv.vjp(x)
        pooled, pool_pullback = max_pool_vjp(a, self.pool) if self.pool > 1 else (a, _identity)
        y, norm_pullback, norm = run(self.norm, pooled, training)

        def conv_norm_pullback(dy: Array) -> tuple[Self, Array]:
            dnorm, dpooled = norm_pullback(dy)
            dconv, dx = conv_pullback(pool_pullback(dpooled))
            return replace(self, conv=dconv, norm=dnorm), dx

        return y, conv_norm_pullback, replace(self, norm=norm)


@dataclass(frozen=True, eq=False)
class Block:
    """A residual block: relu(attention(branch(x)) + shortcut(x)).

    Parameters
    ----------
    first, second : the branch is second(relu(first(x)))
    attention : refines the branch before the shortcut is added, or None
    shortcut : brings x to the shape of the branch, or None where it has it

    Source: the basic block of He et al. 2016; the place of the attention is Fig. 3 of Woo et al.
    """

    first: ConvNorm
    second: ConvNorm
    attention: CBAM | None = None
    shortcut: ConvNorm | None = None

    @classmethod
    def init(
        cls,
        rng: np.random.Generator,
        planes: tuple[int, int],
        attention: str | None,
        reduction_ratio: int,
        dtype: Any,
    ) -> Self:
        """Draw a block, which halves the map where it changes the width."""
        # With a generator of its own for the attention, the rest is the same with any.
        own_rng = rng.spawn(1)[0]
        inputs, outputs = planes
        stride = 1 if inputs == outputs else 2
        return cls(
            ConvNorm.init(rng, planes, 3, stride, dtype),
            ConvNorm.init(rng, (outputs, outputs), 3, 1, dtype),
            _attention(own_rng, attention, outputs, reduction_ratio, dtype),
            ConvNorm.init(rng, planes, 1, stride, dtype) if stride > 1 else None,
        )

    def __call__(self, x: Array) -> Array:
        """Return the result in evaluation."""
        return self.vjp(x)[0]

    def vjp(self, x: Array) -> tuple[Array, LayerPullback[Self]]:
        """Run in evaluation."""
        return self._vjp(x, training=False)[:2]

    def train_vjp(self, x: Array) -> Stepped[Self]:
        """Run with the batch's own statistics in the norms."""
        return self._vjp(x, training=True)

    def _vjp(self, x: Array, training: bool) -> Stepped[Self]:
        a, first_pullback, first = run(self.first, x, training)
        h, inner_pullback = relu_vjp(a)
        f, second_pullback, second = run(self.second, h, training)
        refined, attention_pullback, attention = _run_if(self.attention, f, training)
        skip, shortcut_pullback, shortcut = _run_if(self.shortcut, x, training)
        y, outer_pullback = relu_vjp(refined + skip)

        def block_pullback(dy: Array) -> tuple[Self, Array]:
            dsum = outer_pullback(dy)
            dshortcut, dx_skip = shortcut_pullback(dsum)
            dattention, df = attention_pullback(dsum)
            dsecond, dh = second_pullback(df)
            dfirst, dx = first_pullback(inner_pullback(dh))
            return type(self)(dfirst, dsecond, dattention, dshortcut), dx + dx_skip

        return y, block_pullback, type(self)(first, second, attention, shortcut)


def _attention(
    rng: np.random.Generator, name: str | None, channels: int, reduction_ratio: int, dtype: Any
) -> CBAM | None:
    preset = ATTENTIONS[name]
    if preset is None:
        return None
    return CBAM.init(rng, channels, reduction_ratio, preset=preset, dtype=dtype)


def run(layer: L, x: Array, training: bool) -> Stepped[L]:
    """Run a layer in either mode; in evaluation it is its own next step."""
    return layer.train_vjp(x) if training else (*layer.vjp(x), layer)


def _run_if(layer: L | None, x: Array, training: bool) -> Stepped[L | None]:
    if layer is None:
        return x, lambda dy: (None, dy), None
    return run(layer, x, training)


def _identity(dy: Array) -> Array:
    return dy
