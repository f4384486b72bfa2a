"""The inputs that tell implementations apart, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from npcbam.arguments import Array


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
    """Draw the input that no two rows of the tables agree on: all signs, and two scales."""
    x = rng.standard_normal((5, channels, *space))
    x[1] *= 4
    # The averages of this sample are sure to wake the hidden units, see `weights.awake`, and are
    # so large that what is cut off above shows.
    x[2] = 3 * (np.abs(x[2]) + 0.1)
    # All below 0 in every other channel: what the others have keeps one half of the units awake.
    signs = np.where(np.arange(channels) % 2, 1.0, -1.0).reshape(-1, *[1] * len(space))
    x[3] = signs * (np.abs(x[3]) + 0.1)
    x[4] = -signs * (np.abs(x[4]) + 0.1)
    return x
