"""The inputs that tell implementations apart, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array

# Of `telling`: from where all gates are half open to where hidden units are beyond ReLU6's end.
LEVELS = (0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True, eq=False)
class Input:
    """A feature map `x` (N, C, *S), its name, and why it is tried."""

    name: str
    reason: str
    x: Array


def battery(rng: np.random.Generator, channels: int, axes: int = 2) -> list[Input]:
    """Draw the inputs, in float64, with `axes` spatial axes."""

    def draw(fill: Callable[[tuple[int, ...]], Array], n: int, *space: int) -> Array:
        return fill((n, channels, *space[:axes]))

    normal = rng.standard_normal
    return [
        Input("noise", "any values, H != W", _lifted(draw(normal, 3, 7, 5, 4))),
        Input(
            "negative",
            "all below 0: zeros of a padding or of an unset maximum would win",
            draw(lambda shape: -rng.uniform(0.5, 1.5, shape), 2, 5, 8, 3),
        ),
        Input(
            "ties",
            "several equal maxima, in space and across channels",
            _tied(draw(lambda shape: rng.integers(-1, 3, shape).astype(np.float64), 2, 6, 5, 4)),
        ),
        Input("single", "one sample, H = W: no batch to lean on", draw(normal, 1, 9, 9, 3)),
        Input("small", "a map smaller than the kernel", draw(normal, 2, 2, 3, 2)),
        Input("large", "more positions than a tile of a kernel has", draw(normal, 1, 37, 33, 1)),
        Input("point", "one position: average and maximum agree", draw(normal, 2, 1, 1, 1)),
    ]


def cotangent(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw a dy of random signs, away from 0, with all entries different."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)


def _lifted(x: Array) -> Array:
    # Averages near 0 may leave all hidden units of a block asleep.
    x[:1] += 0.5
    return x


def _tied(x: Array) -> Array:
    # A gate breaks the ties of all values but 0, so some columns and channels have 0 on top.
    x[..., ::2] = np.minimum(x[..., ::2], 0)
    x[:, ::4] = np.minimum(x[:, ::4], 0)
    return x


def telling(rng: np.random.Generator, channels: int, *space: int) -> Array:
    """Draw the input that no two rules agree on: noise of two scales, and samples near a level.

    There all pools of a channel are near one number, which is above 0 in all channels, below it in
    all, or above it in every other one. With weights that are `weights.awake`, what is computed of
    the lowest levels is near 0, so that no gate is shut or open, and of the highest one far beyond
    all that a rule cuts off, on both sides.
    """
    above, alternate = np.ones(channels), np.where(np.arange(channels) % 2, 1.0, -1.0)
    signs = (above, -above, alternate, -alternate)
    levels = np.stack([level * sign for level in LEVELS for sign in signs])
    noise = rng.standard_normal((2, channels, *space))
    noise[1] *= 4
    near = 1 + 0.3 * rng.standard_normal((len(levels), channels, *space))
    return np.concatenate([noise, near * levels.reshape(*levels.shape, *[1] * len(space))])
