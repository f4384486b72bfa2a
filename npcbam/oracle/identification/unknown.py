"""Where no rule fits: what a stage depends on, and what it does not.

Each stage is seen alone, as what y is of x: with the others silenced that is its map times a
constant.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.findings import Finding
from npcbam.oracle.identification.identified import Identified
from npcbam.oracle.identification.more_planes import finding_of_planes
from npcbam.oracle.identification.one_stage import Alone, look
from npcbam.oracle.precision import NEAR, STILL
from npcbam.oracle.probing.trial import FailureError
from npcbam.oracle.rules.catalogue import rule
from npcbam.oracle.rules.rule import Run

Moves = dict[str, Array]


def unknown(found: Identified) -> list[Finding]:
    """Return what can be said where not all of a candidate is known."""
    if found.reading.known:
        return []
    first = found.trial.seen[0]
    assert first.y is not None
    if not np.isfinite(first.y).all():
        name, reason = first.input.name, first.input.reason
        return [rule("not-finite").finding(input=name, reason=reason)]
    if found.dead >= set(found.trial.candidate.parameters):
        return [rule("weights-elsewhere").finding()]
    if (apart := kernels_apart(found)) is not None:
        return [apart]
    try:
        return _depends(found)
    except FailureError as error:
        return [error.finding()]


def _depends(found: Identified) -> list[Finding]:
    """Return what can be proven of the stages that are not known."""
    reading, run, x = found.reading, found.trial.runs(found.roles), found.x
    rng = found.trial.draws(1)
    alone = look(reading.block, run, found.weights, x, STILL, shown=False)
    seen = {each.stage.name: each for each in alone}
    findings = []
    for name, each in seen.items():
        if name not in reading.ways:
            planes = finding_of_planes(each, run) if name == "spatial" else None
            findings.append(planes or PROBES[name](each, run, x, rng))
    if not findings and "channel" in seen:
        # On a few positions alone it may look as if it read them all.
        told = PROBES["channel"](seen["channel"], run, x, rng)
        findings = [told if told and told.code == "channel-reads-positions" else None]
    if any(findings):
        return [finding for finding in findings if finding is not None]
    both = len(reading.ways) == len(seen)
    return [rule("compose-unknown" if both else "nothing-known").finding()]


def kernels_apart(found: Identified) -> Finding | None:
    """Return that there are more kernels like the spatial gate's, which the check cannot place."""
    arrays = found.trial.candidate.parameters
    live = {k: v for k, v in arrays.items() if k not in found.dead}
    placed = {role.name: role.key for role in found.roles}
    shapes = [v.shape for name, v in live.items() if placed.get(name) == "k"]
    more = [name for name, v in live.items() if name not in placed and v.shape in shapes]
    return rule("kernels-apart").finding(kernels=", ".join(more)) if more else None


def _channel(each: Alone, run: Run, x: Array, rng: np.random.Generator) -> Finding | None:
    """Say what Mc reads; None if what is seen is no map of the channels."""

    def gate(rows: Array) -> Array:
        y = run(each.weights, rows.reshape(x.shape))
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
    if reads["where they stand"]:
        return rule("channel-reads-positions").finding(reads=_listed(reads))
    if reads["the other values"]:
        return rule("channel-reads-more").finding(reads=_listed(reads))
    near = _nearest(each)
    return rule("channel-unknown").finding(reads=_listed(reads) + near)


def _spatial(each: Alone, run: Run, x: Array, rng: np.random.Generator) -> Finding | None:
    """Say what Ms reads; None if what is seen is no map of the positions."""
    base = run(each.weights, x) / x
    if _moves(base, base[:, :1]):
        return None
    order = rng.permutation(x.shape[1])
    ranks = np.argsort(np.argsort(x, axis=1), axis=1)
    corner = (slice(None), slice(None), *[-1] * (x.ndim - 2))
    far = "a position out of the kernel's reach"
    moves = {
        "the maximum over the channels": x + 0.3 * (ranks == x.shape[1] - 1) - 0.3 * (ranks == 0),
        "the average over the channels": x - 0.3 * (ranks == 0),
        "which channel a value stands in": x[:, order],
        **_common(x, "one channel alone"),
    }
    kernel = each.weights["k"].shape[2:]
    if all(size > n // 2 + 1 for size, n in zip(x.shape[2:], kernel, strict=True)):
        moves[far] = x.copy()
        moves[far][corner] += 0.3
    at = {far: np.s_[:, :1, *[0] * (x.ndim - 2)], "the other samples": np.s_[:1, :1]}
    reads = _read(lambda z: run(each.weights, z) / z, moves, base, at, np.s_[:, :1])
    if reads["which channel a value stands in"]:
        return rule("spatial-reads-channels").finding(reads=_listed(reads))
    if reads.get(far):
        return rule("spatial-reads-far").finding(reads=_listed(reads))
    near = _nearest(each)
    return rule("spatial-unknown").finding(reads=_listed(reads) + near)


PROBES = {"channel": _channel, "spatial": _spatial}


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


def _common(x: Array, one_channel: str) -> Moves:
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
    return does + (f"; not on {not_}" if not_ else "")


def _moves(one: Array, other: Array) -> bool:
    return not bool(np.abs(one - other).max() <= STILL * np.abs(other).max())


def _nearest(each: Alone) -> str:
    """Name the rule that comes nearest, times a constant, where one comes near."""
    gaps: list[tuple[float, int, float, float, str]] = []
    ways = [way for way in each.stage.singly() if way.fits(each.weights)]
    for (gated, scale, read), way in itertools.product(each.seen(each.y), ways):
        want = scale * each.stage.map(way.axes, each.weights, read)
        factor = float((gated * want).sum() / max(np.square(want).sum(), 1e-300))
        gap = float(np.abs(gated - factor * want).max() / np.abs(gated).max())
        # Of those that are no different the one that says least.
        gaps.append((max(gap, STILL), way.cost, abs(factor - 1), factor, way.rules[0].sentence))
    gap, _, off, factor, said = min(gaps, default=(1.0, 0, 0.0, 1.0, ""))
    if not gap <= NEAR:
        return ""
    if gap <= STILL:
        return f"; it is {factor:.6g} times one that is known: {said}"
    times = f", times {factor:.3g}," if off > gap else ""
    return f"; the nearest{times} is off by {100 * gap:.2g} %: {said}"
