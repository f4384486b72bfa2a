"""A reading: one row of each table, or several at once, and what they make of x."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.precision import CLOSE
from npcbam.oracle.rules import (
    CHANNEL,
    CHANNEL_PAPER,
    COMPOSE,
    SPATIAL,
    SPATIAL_PAPER,
    Row,
    Stages,
    channel_logits,
    channel_map,
    spatial_logits,
    spatial_map,
)

COSTS = {"faithful": 0, "variant": 10, "wrong": 1000}


@dataclass(frozen=True)
class Choice:
    """One row of a table, or two at once, merged."""

    rows: tuple[Row, ...]
    axes: Mapping[str, Any]

    @property
    def cost(self) -> int:
        """How far from the paper: wrong rows weigh most."""
        return sum(COSTS[row.status] for row in self.rows)

    @property
    def benign(self) -> bool:
        """Whether no row of it is wrong."""
        return self.cost < COSTS["wrong"]


@dataclass(frozen=True)
class Reading:
    """What the candidate computes: a choice for either stage, and a composition."""

    channel: Choice | None
    spatial: Choice | None
    compose: str | None

    @property
    def known(self) -> bool:
        """Whether every stage was recognised."""
        return None not in (self.channel, self.spatial, self.compose)

    @property
    def wrong(self) -> bool:
        """Whether a stage that was recognised is wrong."""
        compose = COSTS[COMPOSE[self.compose][0]] if self.compose else 0
        costs = [choice.cost for choice in (self.channel, self.spatial) if choice is not None]
        return max(compose, *costs, 0) >= COSTS["wrong"]

    def predict(self, weights: Mapping[str, Array], x: Array) -> Array:
        """Return the y of this reading."""
        assert self.channel is not None
        assert self.spatial is not None
        assert self.compose is not None
        both = stages(self.channel.axes, self.spatial.axes, weights)
        y: Array = COMPOSE[self.compose][2](x, both)
        return y


def stages(channel: Mapping[str, Any], spatial: Mapping[str, Any], weights: Any) -> Stages:
    """Return both maps as functions, each computed once for each of its inputs."""
    (mc, zc), (ms, zs) = gates(channel, weights), gates(spatial, weights)
    return Stages(mc, ms, zc, zs)


def gates(axes: Mapping[str, Any], weights: Any) -> list[Callable[[Array], Array]]:
    """Return a map and its logits, as functions that remember what they gave."""
    seen: dict[tuple[Callable[..., Array], np.dtype[Any], int], Array] = {}

    def once(f: Callable[..., Array]) -> Callable[[Array], Array]:
        def remembered(x: Array) -> Array:
            # Most compositions give a map the same numbers in an array of their own.
            key = (f, x.dtype, hash((x.shape, x.tobytes())))
            if key not in seen:
                seen[key] = f(axes, weights, x)
            return seen[key]

        return remembered

    of_channel = "mlps" in axes
    if not of_channel and "k" not in weights:
        # There is no spatial gate.
        return [lambda f: np.ones((len(f), *[1] * (f.ndim - 1)), f.dtype), lambda f: 0 * f[:, :1]]
    both = (channel_map, channel_logits) if of_channel else (spatial_map, spatial_logits)
    return [once(f) for f in both]


def tables(of_channel: bool) -> tuple[Sequence[Row], Mapping[str, Any]]:
    """Return the rows of a gate, and the paper's axes."""
    return (CHANNEL, CHANNEL_PAPER) if of_channel else (SPATIAL, SPATIAL_PAPER)


def choices(table: Sequence[Row], paper: Mapping[str, Any], pairs: bool) -> Iterator[Choice]:
    """Yield the rows of a table, or all pairs of rows that set different axes."""
    if not pairs:
        for row in table:
            yield Choice((row,), {**paper, **row.sets})
        return
    for one, two in itertools.combinations(table, 2):
        if one.sets and two.sets and not set(one.sets) & set(two.sets):
            yield Choice((one, two), {**paper, **one.sets, **two.sets})


def single(of_channel: bool) -> list[Choice]:
    """Return every row of a gate by itself."""
    return [*choices(*tables(of_channel), pairs=False)]


def benign(of_channel: bool) -> list[Choice]:
    """Return the rows of a gate that are not wrong."""
    return [choice for choice in single(of_channel) if choice.benign]


def fits_weights(choice: Choice, weights: Mapping[str, Array]) -> bool:
    """Tell whether the row has the parameters that it needs, and uses those that are there."""
    axes = choice.axes
    if "mlps" in axes:
        have = (
            "none" if "w0" not in weights
            else "single" if "w1" not in weights
            else "separate" if "w0'" in weights
            else "shared"
        )  # fmt: skip
        biased = axes["b1"] == CHANNEL_PAPER["b1"] or "b1" in weights
        return biased and have == str(axes["mlps"]).replace("swapped", "separate")
    if "k" not in weights:
        return dict(axes) == SPATIAL_PAPER
    planes = len(axes["pools"])
    kept = "mean" in weights
    # Without statistics that are kept, those of the batch or the sample alone can be used.
    own = str(axes["norm"]).startswith(("batch", "sample"))
    usual = axes["norm"] == "running" and "gamma" not in weights
    norm = (own or usual) and axes["eps"] == SPATIAL_PAPER["eps"]
    return bool(weights["k"].shape[1] == planes and (norm or kept))


def close(got: Array, expected: Array, room: float = CLOSE["float64"]) -> bool:
    """Tell whether two outputs agree but for rounding."""
    if got.shape != expected.shape:
        return False
    with np.errstate(invalid="ignore"):
        gap = np.abs(got - expected).max(initial=0)
    return bool(gap <= room * max(np.abs(expected).max(initial=0), 1e-300))
