"""The weights of a weighted sum, such as attention's: another mask, another scale.

Where y = P v, the cotangent of v is Pᵀ dy. What came for v tells which weights the backward used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npcbam.arguments import Array
from npcbam.diagnosis import order, partly, values
from npcbam.diagnosis.guesses import Explanation, Said, explained_by
from npcbam.diagnosis.jacobian import usable
from npcbam.diagnosis.wrong import Wrong

# Of the largest weight, what one that is solved for is off by.
SAME = 1e-7
# So many equations more than weights must hold.
SPARE = 3
OTHERWISE: tuple[Explanation, ...] = (
    explained_by(order.reordered),
    explained_by(values.products),
    partly.partly,
)


def other_weights(seen: Sequence[Wrong]) -> Said | None:
    """Tell whether what came is right for other weights, and how they differ."""
    due = _weights(seen[0])
    if due is None or not all(_same(w, due) for w in seen):
        return None
    came = _solved(seen)
    if came is None:
        came = _with_more(seen, due)
    if came is None:
        return None
    near = SAME * float(np.abs(due).max())
    lost, extra = (np.abs(came) <= near) & (due != 0), (np.abs(came) > near) & (due == 0)
    ratio = np.where((due == 0) | lost, np.nan, came / np.where(due == 0, 1, due))
    by_row = np.nanmax(ratio, 1) - np.nanmin(ratio, 1) <= SAME * np.nanmax(np.abs(ratio), 1)
    if not np.isfinite(ratio).any(1).all():
        return None
    result, own = next(iter(seen[0].dy)), seen[0].name[1:]
    if by_row.all() and (lost.any() or extra.any()):
        return "weights", _by_mask(result, own, lost, extra)
    return _by_scale(result, own, due, came) or _by_value(seen[0], due, came)


def _by_value(w: Wrong, due: Array, came: Array) -> Said | None:
    """Tell how the numbers differ by which dy is multiplied, such as the other operand's."""
    hand = {name: a for name, a in w.arguments.items() if name != w.name[1:]}
    inner = Wrong("", came, due, SAME * np.abs(due), arguments=hand)
    for explain in OTHERWISE:
        said = explain([inner])
        if said is not None:
            many = "the numbers that dy is multiplied by"
            return "operand-value", f"is right for other numbers: {many}, as one array, {said[1]}"
    return None


def _by_mask(result: str, own: str, lost: Array, extra: Array) -> str:
    said = []
    if lost.any():
        i, j = np.argwhere(lost)[0]
        said.append(f"leaves out {int(lost.sum())} weights, such as that of {own}[{j}] in "
                    f"{result}[{i}]")  # fmt: skip
    if extra.any():
        i, j = np.argwhere(extra)[0]
        said.append(f"has {int(extra.sum())} weights that are 0 in the forward, such as that of "
                    f"{own}[{j}] in {result}[{i}]")  # fmt: skip
    return f"is right for another mask: it {' and '.join(said)}"


def _by_scale(result: str, own: str, due: Array, came: Array) -> Said | None:
    """Tell whether the weights are those of a softmax of more, or less, times the same scores."""
    if (due <= 0).any() or (came <= 0).any() or due.size - due.shape[0] - 1 < SPARE:
        return None
    one, two = (np.log(p) - np.log(p).mean(1, keepdims=True) for p in (due, came))
    scale = float((one * two).sum() / (one * one).sum())
    sums = np.abs(came.sum(1) - 1).max() <= SAME >= np.abs(due.sum(1) - 1).max()
    if not sums or np.abs(two - scale * one).max() > SAME * 10 * np.abs(two).max():
        return None
    tail = f"is right for the softmax of {scale:.6g} times the scores of {own} in {result}: "
    return "weights", tail + "another scale"


def _weights(w: Wrong) -> Array | None:
    """Return P of y = P v, (rows of y, rows of v); None if y is something else of v."""
    if not usable(w) or w.slopes is None or len(w.dy) != 1 or not np.isfinite(w.slopes).all():
        return None
    dy = next(iter(w.dy.values()))
    if dy.ndim != 2 or w.want.ndim != 2 or dy.shape[1] != w.want.shape[1] or not w.known.all():
        return None
    j = w.slopes.reshape(dy.shape + w.want.shape)
    weights: Array = j[:, 0, :, 0]
    whole = np.einsum("ij,kl->ikjl", weights, np.eye(dy.shape[1]))
    return weights if np.allclose(j, whole, 1e-7, 1e-9 * np.abs(j).max()) else None


def _same(w: Wrong, due: Array) -> bool:
    found = _weights(w)
    return found is not None and np.array_equal(found, due)


def _solved(seen: Sequence[Wrong]) -> Array | None:
    """Return the weights that give what came, if there is one answer and more equations."""
    dys = np.concatenate([next(iter(w.dy.values())) for w in seen], 1)
    gots = np.concatenate([w.got for w in seen], 1)
    rows, equations = dys.shape
    if (equations - rows) * len(gots) < SPARE or not np.isfinite(gots).all():
        return None
    came, _, rank, values = np.linalg.lstsq(dys.T, gots.T, rcond=None)
    left = np.abs(dys.T @ came - gots.T).max()
    if rank < rows or values[-1] < 1e-4 * values[0] or left > 1e-8 * np.abs(gots).max():
        return None
    found: Array = came
    return found


def _with_more(seen: Sequence[Wrong], due: Array) -> Array | None:
    """Return the weights, with such as are 0 in the forward, that give what came, if there are."""
    dys = np.concatenate([next(iter(w.dy.values())) for w in seen], 1)
    offs = np.concatenate([w.got - w.want for w in seen], 1)
    if not np.isfinite(offs).all():
        return None
    came, spare = due.copy(), 0
    for j, off in enumerate(offs):
        rows = np.flatnonzero(due[:, j] == 0)
        if len(rows) >= len(off):
            return None
        extra = np.linalg.lstsq(dys[rows].T, off, rcond=None)[0]
        if np.abs(dys[rows].T @ extra - off).max() > 1e-8 * np.abs(offs).max():
            return None
        came[rows, j], spare = extra, spare + len(off) - len(rows)
    return came if spare >= SPARE else None
