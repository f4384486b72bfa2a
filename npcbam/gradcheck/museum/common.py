"""What several exhibits are built from: right formulas, with right backward steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def silu(x: Any) -> Any:
    """Return x sigmoid(x), which is also called swish."""
    return x * sigmoid(x)


def silu_slope(x: Any) -> Any:
    """Return the derivative of `silu`."""
    s = sigmoid(x)
    return s * (1 + x * (1 - s))


def softmax(x: Array) -> Any:
    """Return exp(x) / Σ exp(x) along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x: Array, gamma: Array, beta: Array) -> Any:
    """Return y and what its backward needs: the normalised x, the mean and 1 / deviation."""
    mean = x.mean(axis=-1, keepdims=True)
    scale = (((x - mean) ** 2).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5
    unit = (x - mean) * scale
    return unit * gamma + beta, unit, mean, scale


def layer_norm_pullback(dy: Array, unit: Array, scale: Array, gamma: Array) -> Any:
    """Return dx, dgamma and dbeta."""
    du = dy * gamma
    along = unit * (du * unit).mean(axis=-1, keepdims=True)
    dx = scale * (du - du.mean(axis=-1, keepdims=True) - along)
    rows = tuple(range(dy.ndim - 1))
    return dx, (dy * unit).sum(axis=rows), dy.sum(axis=rows)


def rms_norm(x: Array, w: Array) -> Any:
    """Return y = w x / sqrt(mean x² + eps), and 1 / sqrt."""
    scale = ((x * x).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5
    return x * scale * w, scale


def rms_norm_pullback(dy: Array, x: Array, w: Array, scale: Array) -> Any:
    """Return dx and dw."""
    du = dy * w
    dx = du * scale - x * scale**3 * (du * x).mean(axis=-1, keepdims=True)
    return dx, (dy * x * scale).sum(axis=tuple(range(x.ndim - 1)))


def attend(q: Array, k: Array, v: Array, scale: float, seen: Array) -> Any:
    """Return y = p v and p, the softmax of scale q kᵀ over the keys that are `seen`."""
    p = softmax(np.where(seen, scale * q @ k.T, -1e30)) * seen
    return p @ v, p


def attend_pullback(dy: Array, q: Array, k: Array, v: Array, p: Array, scale: float) -> Any:
    """Return dq, dk and dv."""
    dp = dy @ v.T
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    return scale * ds @ k, scale * ds.T @ q, p.T @ dy


def windows(length: int, size: int, stride: int) -> list[slice]:
    """Return the windows of a pool without padding."""
    return [slice(i, i + size) for i in range(0, length - size + 1, stride)]


def conv(x: Array, w: Array, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
    """Cross-correlate x (N, C, L) with w (O, C / groups, K)."""
    seen, wg = _seen(x, w, stride, padding, groups)[0], w.reshape(groups, -1, *w.shape[1:])
    return np.einsum("ngctk,gock->ngot", seen, wg).reshape(len(x), len(w), -1)


def conv_pullback(
    dy: Array, x: Array, w: Array, stride: int = 1, padding: int = 0, groups: int = 1
) -> Any:
    """Return dx and dw."""
    seen, at = _seen(x, w, stride, padding, groups)
    dyg, wg = dy.reshape(len(x), groups, -1, dy.shape[2]), w.reshape(groups, -1, *w.shape[1:])
    dw = np.einsum("ngctk,ngot->gock", seen, dyg).reshape(w.shape)
    dseen = np.einsum("ngot,gock->ngctk", dyg, wg).reshape(*x.shape[:2], *at.shape)
    dpadded = np.zeros((*x.shape[:2], x.shape[2] + 2 * padding))
    places: Any = (slice(None), slice(None), at)
    np.add.at(dpadded, places, dseen)
    return dpadded[:, :, padding : padding + x.shape[2]], dw


def _seen(x: Array, w: Array, stride: int, padding: int, groups: int) -> tuple[Array, Array]:
    """Return what each output sees, (N, groups, C / groups, T, K), and where it stands, (T, K)."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding)))
    count = (padded.shape[2] - w.shape[2]) // stride + 1
    at = np.arange(count)[:, None] * stride + np.arange(w.shape[2])
    return padded[:, :, at].reshape(len(x), groups, -1, *at.shape), at
