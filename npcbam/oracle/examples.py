"""Three NumPy candidates to try the oracle on: a right one and two famous mistakes.

They are written as anyone would write them, with nothing of this package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Params = dict[str, Array]


def init(channels: int) -> Params:
    """Return arrays of the right shapes."""
    hidden = max(1, channels // 16)
    return {
        "w0": np.ones((hidden, channels)),
        "w1": np.ones((channels, hidden)),
        "kernel": np.ones((2, 7, 7)),
    }


def right(params: Params, x: Array) -> tuple[Array, Callable[[Array], tuple[Params, Array]]]:
    """Compute CBAM, forward and backward."""
    w0, w1, kernel = params["w0"], params["w1"], params["kernel"]
    f_avg, f_max = x.mean((2, 3)), x.max((2, 3))  # (N, C)
    h_avg, h_max = np.maximum(f_avg @ w0.T, 0), np.maximum(f_max @ w0.T, 0)  # (N, C/r)
    mc = _sigmoid((h_avg + h_max) @ w1.T)[:, :, None, None]
    f = mc * x
    planes = np.stack([f.mean(1), f.max(1)], axis=1)  # (N, 2, H, W)
    ms = _sigmoid(_correlate(kernel, planes))[:, None]
    y = ms * f

    def pullback(dy: Array) -> tuple[Params, Array]:
        dz = (dy * f).sum(1) * (ms * (1 - ms))[:, 0]  # (N, H, W)
        seen = _windows(planes)  # (N, 2, H, W, 7, 7)
        dkernel = np.einsum("nhw,nphwij->pij", dz, seen)
        spread = _windows(dz[:, None])[:, 0]  # (N, H, W, 7, 7)
        dplanes = np.einsum("pij,nhwij->nphw", kernel[:, ::-1, ::-1], spread)
        df = ms * dy + dplanes[:, :1] / x.shape[1] + _to_max(f, (1,)) * dplanes[:, 1:]
        dzc = ((df * x).sum((2, 3), keepdims=True) * mc * (1 - mc))[:, :, 0, 0]  # (N, C)
        dh_avg, dh_max = (h_avg > 0) * (dzc @ w1), (h_max > 0) * (dzc @ w1)
        dw0, dw1 = dh_avg.T @ f_avg + dh_max.T @ f_max, dzc.T @ (h_avg + h_max)
        df_avg, df_max = ((dh @ w0)[:, :, None, None] for dh in (dh_avg, dh_max))
        dx = mc * df + df_avg / (x.shape[2] * x.shape[3]) + _to_max(x, (2, 3)) * df_max
        return {"w0": dw0, "w1": dw1, "kernel": dkernel}, dx

    return y, pullback


def two_sigmoids(params: Params, x: Array) -> Array:
    """Squash each branch of the channel gate, then add: the gate runs to 2."""
    avg, top = (_mlp(params, f) for f in (x.mean((2, 3)), x.max((2, 3))))
    f = (_sigmoid(avg) + _sigmoid(top))[:, :, None, None] * x
    y: Array = _spatial(params, f) * f
    return y


def spatial_from_input(params: Params, x: Array) -> Array:
    """Compute the spatial map from x, and not from the refined F'."""
    mc = _sigmoid(_mlp(params, x.mean((2, 3))) + _mlp(params, x.max((2, 3))))
    return _spatial(params, x) * mc[:, :, None, None] * x


# What the oracle must say of each.
VERDICTS = {right: "faithful", two_sigmoids: "wrong", spatial_from_input: "wrong"}


def _mlp(params: Params, f: Array) -> Array:
    logits: Array = np.maximum(f @ params["w0"].T, 0) @ params["w1"].T
    return logits


def _spatial(params: Params, f: Array) -> Array:
    planes = np.stack([f.mean(1), f.max(1)], axis=1)
    return _sigmoid(_correlate(params["kernel"], planes))[:, None]


def _sigmoid(z: Array) -> Array:
    y: Array = 0.5 * (1 + np.tanh(z / 2))
    return y


def _windows(planes: Array) -> Array:
    padded = np.pad(planes, [(0, 0), (0, 0), (3, 3), (3, 3)])
    return np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(2, 3))


def _correlate(kernel: Array, planes: Array) -> Array:
    z: Array = np.einsum("pij,nphwij->nhw", kernel, _windows(planes))
    return z


def _to_max(x: Array, axes: tuple[int, ...]) -> Array:
    """Return each element's share of the maximum: all of it, or an even part of a tie."""
    tied = x == x.max(axes, keepdims=True)
    share: Array = tied / tied.sum(axes, keepdims=True)
    return share
