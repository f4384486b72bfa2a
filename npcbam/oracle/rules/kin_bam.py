"""BAM, the bottleneck attention module, as a kin: two branches beside each other, one sigmoid.

Its paper and its authors' code differ in where the norms are, and in whether the branches are added
or multiplied; so do the blocks that others have made of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.kin_value import (
    CHANNEL,
    EPS,
    HIDDEN,
    ONE,
    Formula,
    Kin,
    Shape,
    Weights,
    average,
    column,
    gate,
    linear,
    norm,
    norm_arrays,
)
from npcbam.pointwise import relu

# The authors' first.
DILATIONS = (4, 2, 1, 3)
# Hidden layers of the channel branch, dilated convolutions of the spatial one.
DEPTHS = ((1, 2), (3, 3), (1, 1), (2, 2), (1, 3))
PLACES = ("hidden", "channel end", "reduce", "dilated", "spatial end")


@dataclass(frozen=True)
class _Open:
    """What no array tells: sizes of steps, and how the branches are put together."""

    dilation: int
    merge: str
    bare: bool
    eps: float


def bams() -> Iterator[Kin]:
    """Yield BAM of all depths, with norms in any of its places, with all biases or fewer."""
    for depths, count, biases in itertools.product(DEPTHS, range(6), ("all", "free", "none")):
        for normed in itertools.combinations(PLACES, count):
            yield Kin("bam", _arrays(*depths, normed, biases), _ways(depths, normed))


def _arrays(layers: int, dilated: int, normed: Collection[str], biases: str) -> dict[str, Shape]:
    found: dict[str, Shape] = {}

    def add(name: str, place: str, kernel: Shape, size: Shape) -> None:
        found[f"{name}.w"] = kernel
        # A bias before a norm does nothing, and is often left out.
        if biases == "all" or (biases == "free" and place not in normed):
            found[f"{name}.b"] = size
        if place in normed:
            found.update(norm_arrays(f"{name}.n", size))

    for i in range(layers):
        add(f"fc{i}", "hidden", ("h", "h" if i else "C"), HIDDEN)
    add("fc", "channel end", ("C", "h"), CHANNEL)
    add("reduce", "reduce", ("h", "C"), HIDDEN)
    for i in range(dilated):
        add(f"conv{i}", "dilated", ("h", "h", 3, 3), HIDDEN)
    add("conv", "spatial end", (1, "h"), ONE)
    return found


def _ways(depths: tuple[int, int], normed: Collection[str]) -> tuple[Formula, ...]:
    # Without a norm after it the first convolution may have no ReLU either.
    bare = (False,) if "reduce" in normed else (False, True)
    opens = itertools.product(DILATIONS, ("sum", "product"), bare, EPS if normed else EPS[:1])
    return tuple(
        Formula(
            lambda w, x, how=how: _bam(w, x, depths, how),
            {"dilation": how.dilation, "merge": how.merge, "norms": ", ".join(normed) or "none"},
        )
        for how in itertools.starmap(_Open, opens)
    )


def _bam(w: Weights, x: Array, depths: tuple[int, int], how: _Open) -> Array:
    z = average(x)
    for i in range(depths[0]):
        z = relu(norm(w, f"fc{i}.n", linear(w, f"fc{i}", z), how.eps))
    channel = column(norm(w, "fc.n", linear(w, "fc", z), how.eps))
    s = norm(w, "reduce.n", linear(w, "reduce", x), how.eps)
    s = s if how.bare else relu(s)
    for i in range(depths[1]):
        s = relu(norm(w, f"conv{i}.n", _dilated(w, f"conv{i}", s, how.dilation), how.eps))
    spatial = norm(w, "conv.n", linear(w, "conv", s), how.eps)
    both = channel + spatial if how.merge == "sum" else channel * spatial
    y: Array = x * (1 + gate(both))
    return y


def _dilated(w: Weights, name: str, z: Array, step: int) -> Array:
    """Return the convolution of z (N, h, H, W) by 3x3 taps that are `step` apart, zeros around."""
    padded = np.pad(z, ((0, 0), (0, 0), (step, step), (step, step)))
    height, width = z.shape[2:]
    total: Array = np.zeros_like(z)
    for i, j in itertools.product(range(3), range(3)):
        shifted = padded[:, :, i * step : i * step + height, j * step : j * step + width]
        total = total + np.moveaxis(np.tensordot(w[f"{name}.w"][:, :, i, j], shifted, (1, 1)), 0, 1)
    total = total + np.reshape(w.get(f"{name}.b", np.zeros(1)), (1, -1, 1, 1))
    return total
