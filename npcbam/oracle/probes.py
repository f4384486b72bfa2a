"""Where no row of the tables fits: what a stage depends on, and what it does not.

Each gate is seen alone, as what y is of x: with the kernel at 0 that is Mc times a constant, with
the last layer of the MLP at 0 it is Ms times a constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from npcbam.checks import Array
from npcbam.oracle.findings import Finding
from npcbam.oracle.hypotheses import CHANNEL, CHANNEL_PAPER, SPATIAL, SPATIAL_PAPER, Row
from npcbam.oracle.identify import (
    Reading,
    Run,
    choices,
    fits_weights,
    stages,
    without_channel,
    without_spatial,
)

# Of the largest entry of a gate: what moves by less does not move.
STILL = 1e-9


def probe(
    run: Run,
    weights: Mapping[str, Array],
    x: Array,
    reading: Reading,
    rng: np.random.Generator,
) -> list[Finding]:
    """Return what can be proven of the stages that are not known.

    Parameters
    ----------
    run, weights, x : as in `identify`
    reading : what is known
    """
    found = []
    if reading.channel is None:
        found.append(_channel(run, without_spatial(weights), x, rng))
    if reading.spatial is None and "k" in weights:
        found.append(_spatial(run, without_channel(weights), x, rng))
    if reading.channel is not None and reading.spatial is not None:
        # On a few positions alone it may look as if it read them all.
        seen = _channel(run, without_spatial(weights), x, rng)
        found = [seen if seen is not None and seen.code == "channel-reads-positions" else None]
    if all(finding is None for finding in found):
        said = "either gate alone is known, but not what is done with both"
        if reading.channel is None or reading.spatial is None:
            said = "it computes nothing that is known"
        return [Finding("compose", "compose-unknown", said)]
    return [finding for finding in found if finding is not None]


def _channel(
    run: Run, calm: Mapping[str, Array], x: Array, rng: np.random.Generator
) -> Finding | None:
    """Say what Mc reads; None if what is seen is no map of the channels."""

    def gate(x: Array) -> Array:
        rows = (run(calm, x) / x).reshape(*x.shape[:2], -1)
        return rows

    space = x.shape[2:]
    flat = np.sort(x.reshape(*x.shape[:2], -1), axis=-1)
    base = gate(flat.reshape(x.shape))
    if _moves(base, base[..., :1]):
        return None
    mixed = flat[..., rng.permutation(flat.shape[-1])]
    # Neither the mean nor an extreme: the two entries in the middle move, one up and one down.
    middle = flat.copy()
    half = flat.shape[-1] // 2
    by = (flat[..., half] - flat[..., half - 1]) / 4
    middle[..., half - 1] += by
    middle[..., half] -= by
    if _moves(gate(mixed.reshape(*x.shape[:2], *space))[..., :1], base[..., :1]):
        said = (
            "the channel gate depends on where in the map values stand: "
            "it reads a fixed window or one row, and no global pool"
        )
        return Finding("channel", "channel-reads-positions", said)
    if _moves(gate(middle.reshape(x.shape)), base):
        said = "the channel gate depends on more than the average and the maximum of each channel"
        return Finding("channel", "channel-reads-more", said)
    reads = [
        word
        for word, entries in (("average", slice(2, 3)), ("maximum", slice(-1, None)))
        if _moves(gate(_moved(flat, entries, word == "maximum").reshape(x.shape)), base)
    ]
    what = " and the ".join(reads)
    said = f"the channel gate reads the {what} of each channel, but by no rule that is known"
    if not reads:
        said = "the channel gate reads neither the average nor the maximum of a channel"
    return Finding("channel", "channel-unknown", said + _nearest(True, calm, x, run))


def _moved(flat: Array, entries: slice, keep_mean: bool) -> Array:
    """Move one entry, and with it the mean unless another makes up for it."""
    moved = flat.copy()
    by = 0.1 * (flat[..., 3:4] - flat[..., 1:2])
    moved[..., entries] += by
    if keep_mean:
        moved[..., 2:3] -= by
    return moved


def _spatial(
    run: Run, flat: Mapping[str, Array], x: Array, rng: np.random.Generator
) -> Finding | None:
    """Say what Ms reads; None if what is seen is no map of the positions."""
    base = run(flat, x) / x
    if _moves(base, base[:, :1]):
        return None
    order = rng.permutation(x.shape[1])
    if _moves((run(flat, x[:, order]) / x[:, order])[:, :1], base[:, :1]):
        said = (
            "the spatial map depends on which channel a value stands in: "
            "it reads some of them, and no pool over all"
        )
        return Finding("spatial", "spatial-reads-channels", said)
    said = "the spatial map is a function of no planes and no kernel that are known"
    return Finding("spatial", "spatial-unknown", said + _nearest(False, flat, x, run))


def _moves(one: Array, other: Array) -> bool:
    return not bool(np.abs(one - other).max() <= STILL * np.abs(other).max())


def _nearest(of_channel: bool, weights: Mapping[str, Array], x: Array, run: Run) -> str:
    """Name the row that comes nearest, up to a constant factor."""
    table: Sequence[Row] = CHANNEL if of_channel else SPATIAL
    paper = CHANNEL_PAPER if of_channel else SPATIAL_PAPER
    got = run(weights, x) / x
    gaps: list[tuple[float, str]] = []
    for choice in choices(table, paper, pairs=False):
        if fits_weights(choice, weights):
            axes = (choice.axes, SPATIAL_PAPER) if of_channel else (CHANNEL_PAPER, choice.axes)
            s = stages(axes[0], axes[1], weights)
            want = np.broadcast_to((s.mc if of_channel else s.ms)(x), x.shape)
            factor = float((got * want).sum() / max(np.square(want).sum(), 1e-300))
            left = float(np.abs(got - factor * want).max() / np.abs(got).max())
            gaps.append((left, choice.rows[0].message))
    if not gaps:
        return ""
    gap, said = min(gaps)
    return f"; the nearest is off by {100 * gap:.2g} %: {said}"
