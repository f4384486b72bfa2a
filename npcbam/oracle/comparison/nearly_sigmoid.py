"""A gate that is only nearly a sigmoid: its error is a smooth function of its logit alone."""

from __future__ import annotations

import numpy as np

from npcbam.arguments import Array
from npcbam.cbam import CBAM
from npcbam.oracle.candidates.attempt import attempt
from npcbam.oracle.comparison.beside import LAST, Pair
from npcbam.oracle.precision import FUNCTION, PRECISIONS
from npcbam.pointwise import sigmoid, sigmoid_vjp

# How many values of a gate show its shape.
GATES = 2000


def nearly_sigmoid(pair: Pair) -> str:
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
    factor = pair.factor(x)
    y = y - (x if block.residual else 0)
    # Where x is largest, the gate is read off best.
    axes = tuple(range(2, x.ndim)) if gate == "channel" else (1,)
    best = np.abs(x) == np.abs(x).max(axis=axes, keepdims=True)
    error = np.where(best, y / factor - half * sigmoid(z), 0).sum(axis=axes, keepdims=True)
    return _function_of(z.ravel(), error.ravel(), PRECISIONS[pair.dtype].unit)


def _function_of(z: Array, error: Array, unit: float) -> bool:
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
