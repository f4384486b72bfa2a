"""Softmax cross-entropy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from npcbam import arguments
from npcbam.arguments import Array
from npcbam.pooling import logsumexp_vjp
from npcbam.types import Pullback


def cross_entropy_vjp(z: Array, labels: npt.NDArray[np.integer]) -> tuple[Array, Pullback]:
    """Compute how surprised softmax(z) is by each label: loss = log Σ exp z - z[label].

    Parameters
    ----------
    z : (N, K) logits
    labels : (N,) whole numbers from 0 to K - 1

    Saved for backward: softmax(z).

    Returns
    -------
    loss, pullback : loss is (N,), one for each sample; `dz = pullback(dloss)`

    Raises
    ------
    TypeError
        `z` is no array of a supported dtype, or `labels` is no array of integers.
    ValueError
        A shape does not fit, or a label is none of the K.

    >>> loss, pullback = cross_entropy_vjp(np.zeros((1, 4)), np.array([2]))
    >>> loss - np.log(4), pullback(np.array([8.0]))
    (array([0.]), array([[ 2.,  2., -6.,  2.]]))
    """
    z = arguments.shaped("z", z, ("N", "K"))
    check_labels(labels, *z.shape)
    at = np.arange(len(labels)), labels
    total, logsumexp_pullback = logsumexp_vjp(z, (1,))  # (N, 1)
    loss = total[:, 0] - z[at]  # (N,)

    def cross_entropy_pullback(dloss: Array) -> Array:
        dloss = arguments.cotangent(dloss, loss, "dloss")
        dz = logsumexp_pullback(dloss[:, None])
        dz[at] -= dloss
        return dz

    return loss, cross_entropy_pullback


def check_labels(labels: object, samples: int, classes: int) -> None:
    """Raise unless `labels` are one whole number from 0 to `classes` - 1 for each sample."""
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
        got = labels.dtype if isinstance(labels, np.ndarray) else type(labels).__name__
        raise TypeError(f"labels: expected an array of integers, got {got}")
    if labels.shape != (samples,):
        raise ValueError(f"labels: expected shape ({samples},), got {labels.shape}")
    if samples and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"labels: expected whole numbers from 0 to {classes - 1}, "
            f"got {labels.min()} to {labels.max()}"
        )
