"""Three backward passes to try the checker on: a right one and two everyday mistakes.

They are written as anyone would write them, with nothing of this package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def softmax(x: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Softmax along the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)

    def pullback(dy: Array) -> Array:
        return np.asarray(y * (dy - (dy * y).sum(-1, keepdims=True)))

    return y, pullback


def layer_norm(x: Array, eps: float = 1e-5) -> tuple[Array, Callable[[Array], Array]]:
    """Layer norm, in whose backward the mean of dy is not taken off."""
    std = np.sqrt(x.var(-1, keepdims=True) + eps)
    y = (x - x.mean(-1, keepdims=True)) / std

    def pullback(dy: Array) -> Array:
        return np.asarray((dy - y * (dy * y).mean(-1, keepdims=True)) / std)

    return y, pullback


def embedding(table: Array, words: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Rows of a table, in whose backward a word that comes twice counts once."""

    def pullback(dy: Array) -> Array:
        dtable = np.zeros_like(table)
        dtable[words] += dy
        return dtable

    return table[words], pullback


# Their arguments as --args spells them, and what must be said of each.
VERDICTS: dict[Callable[..., Any], tuple[tuple[str, ...], str]] = {
    softmax: (("N(3,4)",), "right"),
    layer_norm: (("N(3,5)",), "wrong"),
    embedding: (("N(4,3)", "I(6;0,4)"), "wrong"),
}
