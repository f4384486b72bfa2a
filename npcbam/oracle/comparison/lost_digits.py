"""Why are there fewer digits than the precision has? Rounding, or a gate that is only near.

Rounding jumps where all else moves smoothly; the error of a gate that is nearly a sigmoid is a
smooth function of its logit alone.
"""

from __future__ import annotations

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.comparison.at_one_precision import LAST, Excess, Pair
from npcbam.oracle.findings import Finding, Row
from npcbam.oracle.precision import (
    ANOTHER,
    FUNCTION,
    JUMP,
    MOVE,
    NEARLY,
    PRECISIONS,
    SINGLE_MOST,
    rounded,
)
from npcbam.pointwise import sigmoid, sigmoid_vjp

# How many values of a gate show its shape.
GATES = 2000


def is_another(pair: Pair) -> bool:
    """Tell whether y departs by so much that it is that of another block."""
    share = pair.ordinary["y"].share
    far = pair.dtype == "float64" and ANOTHER < share < np.inf
    return far and (share > NEARLY or not _nearly_sigmoid(pair))


def named(pair: Pair, off: Excess, wrong: set[str]) -> list[Finding]:
    """Say why an ordinary input gives more than rounding, in the first tensor that shows it.

    What is left to the stage "gradient" is added to the tensors that are `wrong`.
    """
    row = next((row for tensor, row in off.items() if tensor not in wrong), None)
    if row is None:
        return []
    if _is_half(pair, row.tensor):
        if pair.dtype not in ("float64", "float32"):
            return [precision(pair, row)]
        return [pair.finding("half-inside", row.evidence, tensor=row.tensor)]
    if row.tensor == "y" and (gate := _nearly_sigmoid(pair)):
        return [pair.finding("approximate-sigmoid", row.evidence, gate=gate)]
    if pair.left(row.tensor):
        # And so is what other inputs show of them.
        wrong.update(pair.ordinary.keys() - {"y"})
        return []
    return [precision(pair, row)]


def precision(pair: Pair, row: Row) -> Finding:
    """Return the finding that a tensor is off by more than rounding, for whatever reason."""
    what = "is not finite where it should be"
    if np.isfinite(row.times):
        what = f"is off by {row.times:.3g} times what rounding explains"
    return pair.finding("precision", row.evidence, tensor=row.tensor, what=what, input=row.input)


def _is_half(pair: Pair, tensor: str) -> bool:
    # Beside float32's own rounding, a wrong gradient of few entries is rough too.
    if pair.dtype == "float32" and pair.left(tensor):
        return False
    # An error so small in float64 is no half precision's.
    least = SINGLE_MOST if pair.dtype == "float64" else 0.0
    return least <= pair.ordinary[tensor].share <= ANOTHER and is_rough(pair, tensor)


def is_rough(pair: Pair, tensor: str) -> bool:
    """Tell whether the error of a tensor jumps when all numbers move a little."""
    rng = np.random.default_rng(pair.seed + 3)

    def moved(a: Array) -> Array:
        return rounded(a * (1 + MOVE * rng.uniform(-1, 1, a.shape)), pair.judged_as)

    before = pair.ordinary[tensor]
    values = {name: moved(value) for name, value in pair.values.items()}
    after = pair.compare(values, moved(pair.noise()), tensor != "y")[tensor]
    errors = before.got - before.expected, after.got - after.expected
    # Of all entries, and of those that are off: what else there is may be rounding in any case.
    off = np.abs(errors[0]) > before.tolerance
    return _jumps(*errors) and _jumps(*(error[off] for error in errors))


def _jumps(before: Array, after: Array) -> bool:
    # Not the means: where a maximum switches, smooth errors jump too.
    sizes = [np.median(np.abs(a)) if a.size else 0.0 for a in (after - before, before)]
    return bool(sizes[0] > JUMP * sizes[1])


def _nearly_sigmoid(pair: Pair) -> str:
    """Return the gate, "channel" or "spatial", whose error is a function of its logit alone."""
    one = pair.noise(1)
    x = pair.noise(GATES // min(one[0, 0].size, one.shape[1]))
    return next((gate for gate in LAST if _is_nearly(pair, gate, x)), "")


def _is_nearly(pair: Pair, gate: str, x: Array) -> bool:
    other = "spatial" if gate == "channel" else "channel"
    held = pair.silenced(other)
    block = pair.carry(held)
    attention = getattr(block, gate)
    if attention is None:
        return False
    order = block.order if isinstance(block, CBAM) else "alone"
    # The other gate, held at a logit of 0, is ½; in parallel the logits are summed.
    half = 1.0 if getattr(block, other) is None or order == "parallel" else 0.5
    comes_first = order != f"{other}-first"
    z = attention.logits_vjp(x if comes_first else half * x)[0]
    y = attempt(lambda: pair.candidate.forward(held, x))
    if isinstance(y, BaseException):
        return False  # It does not take so many samples.
    y = y - (x if block.residual else 0)
    # Where x is largest, the gate is read off best.
    axes = tuple(range(2, x.ndim)) if gate == "channel" else (1,)
    best = np.abs(x) == np.abs(x).max(axis=axes, keepdims=True)
    error = np.where(best, y / pair.factor(x) - half * sigmoid(z), 0).sum(axis=axes, keepdims=True)
    return is_function_of(z.ravel(), error.ravel(), PRECISIONS[pair.dtype].unit)


def is_function_of(z: Array, error: Array, unit: float) -> bool:
    """Tell whether errors of a gate go smoothly with its logit.

    Errors of the logit, of its scale, of the gate's scale and of a constant do so too.
    """
    order = np.argsort(z)
    z, error = z[order], error[order]
    size = np.abs(error).max()
    # Humps, each up and down; noise goes up and down with every entry.
    if size < 64 * unit or np.abs(np.diff(error)).sum() > FUNCTION * len(z) * size:
        return False
    gate, pullback = sigmoid_vjp(z)
    slope = pullback(np.ones_like(z))
    others = np.stack([slope, slope * z, gate, np.ones_like(z)], axis=1)
    rest = error - others @ np.linalg.lstsq(others, error, rcond=None)[0]
    return bool(np.abs(rest).max() > FUNCTION * size)
