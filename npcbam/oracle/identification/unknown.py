"""Where no row of the tables fits: what a stage depends on, and what it does not.

Each gate is seen alone, as what y is of x: with the kernel at 0 that is Mc times a constant, with
the last layer of the MLP at 0 it is Ms times a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.more_planes import finding_of_planes
from npcbam.oracle.identification.reading import Reading, choices, fits_weights, stages
from npcbam.oracle.identification.single_gate import without_channel, without_spatial
from npcbam.oracle.precision import STILL
from npcbam.oracle.probing.roles import Roles
from npcbam.oracle.rules import CHANNEL, CHANNEL_PAPER, SPATIAL, SPATIAL_PAPER, Row, Run


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
        flat = without_channel(weights)
        planes = finding_of_planes(run, flat, x, STILL)
        found.append(planes or _spatial(run, flat, x, rng))
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


def kernels_apart(parameters: Mapping[str, Array], roles: Roles) -> Finding | None:
    """Return that there are more kernels like the spatial gate's, which the check cannot place."""
    placed = {role.name: role.key for role in roles}
    shapes = [v.shape for name, v in parameters.items() if placed.get(name) == "k"]
    more = [n for n, v in parameters.items() if n not in placed and v.shape in shapes]
    if not more:
        return None
    said = (
        f"beside the kernel of its spatial gate it has others of that shape, {', '.join(more)}: a "
        "convolution for each plane cannot be told here, and one over both planes can"
    )
    return Finding("spatial", "kernels-apart", said, "undecided")


def _channel(
    run: Run, calm: Mapping[str, Array], x: Array, rng: np.random.Generator
) -> Finding | None:
    """Say what Mc reads; None if what is seen is no map of the channels."""

    def gate(rows: Array) -> Array:
        y = run(calm, rows.reshape(x.shape))
        return (y / rows.reshape(x.shape)).reshape(*x.shape[:2], -1)

    flat = np.sort(x.reshape(*x.shape[:2], -1), axis=-1)
    base = gate(flat)
    if _moves(base, base[..., :1]):
        return None
    mixed = flat[..., rng.permutation(flat.shape[-1])]
    # Neither the mean nor an extreme: the two entries in the middle move, one up and one down.
    half = flat.shape[-1] // 2
    by = (flat[..., half] - flat[..., half - 1]) / 4
    moves = {
        "the maximum": _raised(flat, slice(-1, None), slice(2, 3)),
        "the average": _raised(flat, slice(2, 3)),
        "the other values": _raised(flat, slice(half - 1, half), slice(half, half + 1), by),
        "where they stand": mixed,
        **_common(flat, "another channel"),
    }
    # What is moved is not looked at.
    at = {"another channel": np.s_[:, 1:, :1], "the other samples": np.s_[:1, :, :1]}
    reads = _read(gate, moves, base, at, np.s_[:, :, :1])
    code, said = "channel-unknown", "the channel gate follows no rule that is known"
    if reads["where they stand"]:
        code = "channel-reads-positions"
        said = (
            "the channel gate depends on where in the map values stand: "
            "it reads a fixed window or one row, and no global pool"
        )
    elif reads["the other values"]:
        code = "channel-reads-more"
        said = "the channel gate depends on more than the average and the maximum of each channel"
    nearest = _nearest(True, calm, x, run) if code == "channel-unknown" else ""
    return Finding("channel", code, said + _listed(reads) + nearest)


def _spatial(
    run: Run, flat: Mapping[str, Array], x: Array, rng: np.random.Generator
) -> Finding | None:
    """Say what Ms reads; None if what is seen is no map of the positions."""
    base = run(flat, x) / x
    if _moves(base, base[:, :1]):
        return None
    order = rng.permutation(x.shape[1])
    sorted_ = np.argsort(np.argsort(x, axis=1), axis=1)
    last = x.shape[1] - 1
    corner = (slice(None), slice(None), *[-1] * (x.ndim - 2))
    far = "a position out of the kernel's reach"
    moves = {
        "the maximum over the channels": x + 0.3 * (sorted_ == last) - 0.3 * (sorted_ == 0),
        "the average over the channels": x - 0.3 * (sorted_ == 0),
        "which channel a value stands in": x[:, order],
        **_common(x, "one channel alone"),
    }
    if all(size > n // 2 + 1 for size, n in zip(x.shape[2:], flat["k"].shape[2:], strict=True)):
        moves[far] = x.copy()
        moves[far][corner] += 0.3
    at = {far: np.s_[:, :1, *[0] * (x.ndim - 2)], "the other samples": np.s_[:1, :1]}
    reads = _read(lambda z: run(flat, z) / z, moves, base, at, np.s_[:, :1])
    code, said = "spatial-unknown", "the spatial map is a function of no planes and no kernel known"
    if reads["which channel a value stands in"]:
        code = "spatial-reads-channels"
        said = (
            "the spatial map depends on which channel a value stands in: "
            "it reads some of them, and no pool over all"
        )
    elif reads.get(far):
        code = "spatial-reads-far"
        said = "the spatial map reads positions that its kernel does not reach"
    nearest = _nearest(False, flat, x, run) if code == "spatial-unknown" else ""
    return Finding("spatial", code, said + _listed(reads) + nearest)


def _read(
    gate: Callable[[Array], Array],
    moves: Mapping[str, Array],
    base: Array,
    at: Mapping[str, Any],
    elsewhere: Any,
) -> dict[str, bool]:
    """Return which of the moves a gate follows, seen at the entries of each."""
    seen = {what: at.get(what, elsewhere) for what in moves}
    return {what: _moves(gate(z)[seen[what]], base[seen[what]]) for what, z in moves.items()}


def _common(x: Array, one_channel: str) -> dict[str, Array]:
    """Return what is moved for either gate."""
    one, other = x.copy(), x.copy()
    one[:, :1] *= 1.1
    other[1:] *= 1.1
    return {one_channel: one, "the other samples": other, "the sign": -x, "the scale": 2 * x}


def _raised(flat: Array, up: slice, down: slice | None = None, by: Array | None = None) -> Array:
    """Raise one entry of the sorted rows, and lower another by as much to keep the mean."""
    moved = flat.copy()
    step = 0.1 * (flat[..., 3:4] - flat[..., 1:2]) if by is None else by[..., None]
    moved[..., up] += step
    if down is not None:
        moved[..., down] -= step
    return moved


def _listed(reads: Mapping[str, bool]) -> str:
    """Say what moves a gate and what does not."""
    does = ", ".join(what for what, moves in reads.items() if moves) or "nothing that was tried"
    not_ = ", ".join(what for what, moves in reads.items() if not moves)
    return f"; it depends on {does}" + (f"; not on {not_}" if not_ else "")


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
