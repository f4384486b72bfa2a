"""Inputs at which numbers run out: large logits and offsets, almost nothing, NaN and infinity."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.comparison.at_one_precision import LAST, Compared, Pair, Values, excess
from npcbam.oracle.comparison.lost_digits import precision
from npcbam.oracle.findings import Finding, Row, Status
from npcbam.oracle.precision import CLEAR, PRECISIONS, SATURATED, TURNED, rounded

# How many exponents above its smallest normal numbers the values of a tiny input lie.
ABOVE_LOWEST = 3


def saturating(pair: Pair, wrong: set[str], plain: bool) -> Iterator[Finding]:
    """Try logits of either sign at which exp overflows.

    Parameters
    ----------
    wrong : the tensors that are wrong on ordinary inputs too
    plain : whether ordinary inputs show nothing
    """
    x = pair.noise()
    for sign in (1.0, -1.0):
        compared = pair.compare(_with_large_logits(pair, x, sign), x)
        off = {k: v for k, v in excess("saturated gates", compared).items() if k not in wrong}
        for tensor, row in off.items():
            each = compared[tensor]
            lost = not np.isfinite(each.got).all() and np.isfinite(each.expected).all()
            if lost and not np.isfinite(pair.ordinary[tensor].got).all():
                continue  # It is no matter of large logits.
            if lost or (tensor == "y" and _turned(pair, each, x)):
                what = "NaN or infinity" if lost else "the wrong end of the gate"
                yield pair.finding("exp-overflow", row.evidence, tensor=tensor, what=what)
                return
            if plain:
                if not pair.left(tensor):
                    yield precision(pair, row)
                return


def _turned(pair: Pair, y: Compared, x: Array) -> bool:
    """Tell whether a gate is 0 where 1 is right, or 1 where 0 is."""
    factor = pair.factor(x)
    gate = y.expected / factor - pair.block.residual
    saturated = np.minimum(np.abs(gate), np.abs(1 - gate)) < SATURATED
    off = np.abs(y.got - y.expected) > TURNED * np.abs(factor)
    return bool((saturated & off & (np.abs(factor) > CLEAR)).any())


def _with_large_logits(pair: Pair, x: Array, sign: float) -> Values:
    target, values = sign * 3 * math.log(PRECISIONS[pair.dtype].most), pair.values
    channel = pair.carry(values).channel
    if channel is not None:
        z = channel.logits_vjp(x)[0]
        values = pair.scaled(values, LAST["channel"], target / (np.abs(z).max() or 1))
    block = pair.carry(values)
    if block.spatial is None:
        return values
    first = block.channel if isinstance(block, CBAM) and block.order == "channel-first" else None
    z = block.spatial.logits_vjp(x if first is None else first(x) * x)[0]
    # A norm's scale and shift stay.
    return pair.scaled(values, LAST["spatial"][:2], target / (np.abs(z).max() or 1))


def far_from_zero(pair: Pair) -> Iterator[Finding]:
    """Try a large offset that W0 does not see, so that the gates see only what is left of noise."""
    quiet, noise = pair.silenced("spatial"), pair.noise()
    channel = pair.carry(quiet).channel
    if channel is None:
        return
    blind = np.linalg.svd(channel.mlp.w0)[2][-1]
    column = (blind / np.abs(blind).max()).reshape(-1, *[1] * (noise.ndim - 2))

    def off(offset: float) -> tuple[dict[str, Compared], float]:
        x = rounded(noise + offset * column, pair.judged_as)
        compared = pair.compare(quiet, x, gradients=False)
        y = compared["y"]
        return compared, float((np.abs(y.got - y.expected) / np.abs(pair.factor(x))).max())

    large = 2.0 ** (-math.log2(PRECISIONS[pair.dtype].unit) // 2)
    compared, error = off(large)
    row = excess("large offset", compared).get("y")
    if row and error > 2 * off(large / 8)[1]:
        offset, times = f"{large:g}", f"{row.times:.3g}"
        yield pair.finding("mean-loses-digits", row.evidence, offset=offset, times=times)
    elif row:
        yield precision(pair, row)


def tiny_or_zero(pair: Pair) -> Iterator[Finding]:
    """Try values near the smallest numbers, and zeros of either sign: nothing may divide by 0."""
    x, lowest = pair.noise(), PRECISIONS[pair.dtype].lowest
    tiny, zeros = np.ldexp(x, lowest + ABOVE_LOWEST), np.copysign(0.0, x)
    for name, values in (("tiny", tiny), ("signed zeros", zeros)):
        compared = pair.compare(pair.values, rounded(values, pair.judged_as), gradients=False)
        for row in excess(name, compared).values():
            yield precision(pair, row)
            return


def not_finite(pair: Pair) -> Iterator[Finding]:
    """Spoil one entry of the middle sample."""
    before = pair.ordinary["y"]
    if before.got.shape != before.expected.shape or not np.isfinite(before.got).all():
        return
    for code, what, spoilt in (("nan", "NaN", np.nan), ("inf", "infinity", np.inf)):
        x = pair.noise()
        x[(1, 0, *(size // 2 for size in x.shape[2:]))] = spoilt
        y, expected = pair.candidate.forward(pair.values, x.copy()), pair.block(x)
        bad, spread = ~np.isfinite(y), ~np.isfinite(y)
        spread[1] = False
        if spread.any():
            row = _first(spread, what, y, expected)
            yield pair.finding("nan-spread", row.evidence, what=what)
        swallowed = ~bad & ~np.isfinite(expected)
        if swallowed[1].any():
            whole = not bad[1].any()
            told = "y has none" if whole else "where the reference gives it too, y has numbers"
            status: Status = "wrong" if whole else "note"
            row = _first(swallowed, what, y, expected)
            yield pair.finding(f"{code}-swallowed", row.evidence, status, what=told)


def _first(where: Array, what: str, got: Array, expected: Array) -> Row:
    """Return the first entry of y that is meant."""
    at = tuple(int(i) for i in np.argwhere(where)[0])
    name = f"{what} in one sample"
    return Row(name, "y", math.inf, 0.0, at, float(got[at]), float(expected[at]))
