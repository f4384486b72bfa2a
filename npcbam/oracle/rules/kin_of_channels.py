"""Kin with one gate for each channel: ECA and both blocks that are called GCT."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from npcbam.arguments import Array
from npcbam.oracle.rules.kin_value import (
    CHANNEL,
    ONE,
    Formula,
    Kin,
    Weights,
    along,
    average,
    column,
    gate,
)

# Efficient channel attention: a 1-D convolution over the averages of the channels.


def _eca(w: Weights, x: Array, around: str) -> Array:
    size = len(w["k"])
    f = np.pad(average(x), ((0, 0), (size // 2, size // 2)), around)  # type: ignore[call-overload]
    z = np.lib.stride_tricks.sliding_window_view(f, size, 1) @ w["k"] + w.get("b", 0.0)
    return x * column(gate(z))


def eca_kernel(channels: int) -> int:
    """Return the kernel size that the paper's rule has for as many channels: odd, by log2.

    >>> [eca_kernel(channels) for channels in (32, 64, 128, 512)]
    [3, 3, 5, 5]
    """
    nearest = int(abs((np.log2(channels) + 1) / 2))
    return nearest if nearest % 2 else nearest + 1


def ecas() -> Iterator[Kin]:
    """Yield ECA without a bias and with one, padded with zeros or around."""
    formulas = (
        Formula(lambda w, x: _eca(w, x, "constant"), {"padding": "zeros"}),
        Formula(lambda w, x: _eca(w, x, "wrap"), {"padding": "circular"}),
    )
    yield Kin("eca", {"k": ("k",)}, formulas)
    yield Kin("eca", {"k": ("k",), "b": ONE}, formulas)


# Gated channel transformation: norms of the channels, compared with each other.


def _gated(w: Weights, x: Array, how: str, eps: float) -> Array:
    alpha, beta, gamma = (along(w[key], x) for key in ("alpha", "beta", "gamma"))
    if how == "l2":
        f = alpha * np.sqrt(np.square(x).sum(axis=(2, 3), keepdims=True) + eps)
        scale = np.sqrt(np.square(f).mean(axis=1, keepdims=True) + eps)
    else:
        f = alpha * (np.abs(x) if how == "l1" else x).sum(axis=(2, 3), keepdims=True)
        scale = np.abs(f).mean(axis=1, keepdims=True) + eps
    gated: Array = x * (1 + np.tanh(gamma * f / scale + beta))
    return gated


def gated() -> Iterator[Kin]:
    """Yield the gated channel transformation by either norm, the l1 of values above 0 too."""
    formulas = tuple(
        Formula(lambda w, x, how=how, eps=eps: _gated(w, x, how, eps), {"norm": how, "eps": eps})
        for how, eps in itertools.product(("l2", "l1", "l1 after a ReLU"), (1e-5, 1e-6, 1e-8, 0.0))
    )
    arrays = {"alpha": CHANNEL, "gamma": CHANNEL, "beta": CHANNEL}
    yield Kin("gated-channel-transformation", arrays, formulas)


# Gaussian context transformer: the averages, normalised over the channels, through a bell curve.


# A bell so wide or so narrow that it is a constant is none.
WIDTHS = 1e-2, 1e2


def _normalised(x: Array, less: int, eps: float) -> Array:
    f = average(x)
    centred = f - f.mean(axis=1, keepdims=True)
    variance = np.square(centred).sum(axis=1, keepdims=True) / (x.shape[1] - less)
    z: Array = centred / np.sqrt(variance + eps)
    return z


def _bell(x: Array, rate: Array | float, less: int, eps: float) -> Array:
    return x * column(np.exp(-rate * np.square(_normalised(x, less, eps))))


def _rate(x: Array, y: Array, less: int, eps: float) -> float:
    z = _normalised(x, less, eps)
    at = np.unravel_index(np.argmax(np.abs(z)), z.shape)
    of_channel = np.abs(x[at]).argmax()
    return float(-np.log(y[at].flat[of_channel] / x[at].flat[of_channel]) / z[at] ** 2)


def gaussians() -> Iterator[Kin]:
    """Yield the Gaussian context transformer: its width is a number, or learnt from one."""
    code, fixed, learnt = "gaussian-context-transformer", [], []
    for less, eps in ((0, 1e-5), (0, 0.0), (1, 0.0), (1, 1e-5)):
        how = {"variance": "biased" if less == 0 else "unbiased", "eps": eps}

        def bell(w: Weights, x: Array, rate: float, less: int = less, eps: float = eps) -> Array:
            return _bell(x, rate, less, eps)

        def rate(x: Array, y: Array, less: int = less, eps: float = eps) -> float:
            return _rate(x, y, less, eps)

        def of_theta(w: Weights, x: Array, less: int = less, eps: float = eps) -> Array:
            return _bell(x, 0.5 / (3 * gate(w["theta"]) + 1) ** 2, less, eps)

        fixed.append(Formula(bell, how, "rate", rate, *WIDTHS))
        learnt.append(Formula(of_theta, how))
    yield Kin(code, {}, tuple(fixed))
    yield Kin(code, {"theta": ONE}, tuple(learnt))
