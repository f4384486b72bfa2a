"""The exercise on the correlation with a kernel, `correlate_vjp`."""

from __future__ import annotations

from typing import Any

import numpy as np

from npcbam.arguments import Array
from npcbam.conv import Conv
from npcbam.lessons.exercise import Answer, Exercise, Mistake, Values, normal


def correlate_vjp(w: Array, x: Array) -> Answer:
    """Return the right correlation, and its pullback."""
    y, conv_pullback = Conv(w).vjp(x)

    def correlate_pullback(dy: Array) -> tuple[Array, ...]:
        dconv, dx = conv_pullback(dy)
        return dconv.w, dx

    return y, correlate_pullback


def _padded_as(v: Values, mode: Any) -> dict[str, Array]:
    """Correlate with another margin than zeros."""
    sizes = [size // 2 for size in v.w.shape[2:]]
    margin = [(0, 0), (0, 0), *((m, m) for m in sizes)]
    inner: Any = (..., *(slice(m, -m) for m in sizes))
    return {"y": Conv(v.w)(np.pad(v.x, margin, mode=mode))[inner]}


def _back(v: Values, **changed: Array) -> dict[str, Array]:
    """Pull v.dy back, with w, x or dy changed."""
    w, x, dy = (changed.get(name, getattr(v, name)) for name in ("w", "x", "dy"))
    dw, dx = correlate_vjp(w, x)[1](dy)
    return {"dw": dw, "dx": dx}


def unflipped(w: Array, dy: Array) -> Array:
    """Correlate dy with the kernel as it stands."""
    dx: Array = Conv(w.swapaxes(0, 1))(dy)
    return dx


def _padded(v: Values) -> Array:
    """Return dx over the padded map."""
    margin = ((0, 0), (0, 0), *((size // 2, size // 2) for size in v.w.shape[2:]))
    dpadded: Array = _back(v, x=np.pad(v.x, margin), dy=np.pad(v.dy, margin))["dx"]
    return dpadded


def _overwritten(v: Values) -> Array:
    """Return dx where each tap overwrites what the taps before it gave."""
    padded = np.zeros_like(_padded(v))
    for i, j in np.ndindex(v.w.shape[2:]):
        window: Any = np.s_[:, :, i : i + v.x.shape[2], j : j + v.x.shape[3]]
        padded[window] = v.w[0, :, i, j, None, None] * v.dy
    m = v.w.shape[2] // 2
    dx: Array = padded[:, :, m:-m, m:-m]
    return dx


def _inner(v: Values) -> Array:
    """Return dy, with 0 where the window hangs over the edge."""
    inner: Array = np.zeros_like(v.dy)
    edge: Any = (..., *(slice(size // 2, -(size // 2)) for size in v.w.shape[2:]))
    inner[edge] = v.dy[edge]
    return inner


CORRELATE = Exercise(
    "correlate_vjp",
    {"w": "(1, P, K, K)", "x": "(N, P, H, W)"},
    "y",
    "(N, 1, H, W)",
    correlate_vjp,
    {
        "noise": normal(0, (1, 2, 3, 3), (3, 2, 5, 6)),
        "wide kernel": normal(1, (1, 2, 7, 7), (2, 2, 6, 4)),
        "one sample": normal(2, (1, 3, 5, 5), (1, 3, 7, 5)),
    },
    (
        Mistake(
            "correlate-flipped",
            "the kernel is flipped in y: that is a convolution, where networks correlate",
            lambda v: {"y": Conv(np.flip(v.w, (2, 3)))(v.x)},
        ),
        Mistake(
            "correlate-transposed", "the kernel's rows and columns are exchanged in y",
            lambda v: {"y": Conv(v.w.swapaxes(2, 3))(v.x)},
        ),
        Mistake(
            "correlate-edge", "the edge is repeated around the map, where zeros belong",
            lambda v: _padded_as(v, "edge"),
        ),
        Mistake(
            "correlate-reflect", "the map is reflected at its edge, where zeros belong",
            lambda v: _padded_as(v, "reflect"),
        ),
        Mistake(
            "correlate-wrap", "the map goes around at its edge, where zeros belong",
            lambda v: _padded_as(v, "wrap"),
        ),
        Mistake(
            "correlate-planes-apart", "y has the response of the first plane only: planes add up",
            lambda v: {"y": Conv(v.w[:, :1])(v.x[:, :1])},
        ),
        Mistake(
            "correlate-kernel-not-flipped",
            "the kernel is not flipped in dx: y[p] read x[p+t] through w[t], so that x[q] hears "
            "from y[q-t]",
            lambda v: {"dx": unflipped(v.w, v.dy)},
        ),
        Mistake(
            "correlate-half-flipped", "the kernel is flipped along one axis only in dx",
            lambda v: {"dx": unflipped(np.flip(v.w, 2), v.dy)},
        ),
        Mistake(
            "correlate-kernel-turned",
            "the kernel in dx is turned about its diagonal: it is to be flipped along both axes",
            lambda v: {"dx": unflipped(v.w.swapaxes(2, 3), v.dy)},
        ),
        Mistake(
            "correlate-taps-exchanged", "the kernel's rows and columns are exchanged in dx",
            lambda v: {"dx": _back(v, w=v.w.swapaxes(2, 3))["dx"]},
        ),
        Mistake(
            "correlate-overwritten",
            "each tap overwrites dx in its window, = where += belongs: windows overlap",
            lambda v: {"dx": _overwritten(v)},
        ),
        Mistake(
            "correlate-dw-flipped",
            "dw is flipped: dw[t] is the sum of dy[p]·x[p+t], in the same order as w",
            lambda v: {"dw": np.flip(v.dw, (2, 3))},
        ),
        Mistake(
            "correlate-first-sample",
            "dw is that of the first sample alone: one kernel served them all, so sum over N",
            lambda v: {"dw": _back(v, x=v.x[:1], dy=v.dy[:1])["dw"]},
        ),
        Mistake(
            "correlate-planes-summed",
            "dw is the same for every plane, summed over them: each plane has taps of its own",
            lambda v: {"dw": np.broadcast_to(v.dw.sum(1, keepdims=True), v.w.shape)},
        ),
        Mistake(
            "correlate-planes-exchanged", "the planes are in reverse order",
            lambda v: {"dw": v.dw[:, ::-1], "dx": v.dx[:, ::-1]},
        ),
        Mistake(
            "correlate-margin-kept",
            "dx still has the margin of zeros around it: what flows to the padding is dropped",
            lambda v: {"dx": _padded(v)},
        ),
        Mistake(
            "correlate-margin-one-sided",
            "dx is cut out at the corner of the padded map: leave out K//2 rows on every side",
            lambda v: {"dx": _padded(v)[:, :, : v.x.shape[2], : v.x.shape[3]]},
        ),
        Mistake(
            "correlate-edge-lost",
            "outputs whose window hangs over the edge give no gradient: they count as others do",
            lambda v: _back(v, dy=_inner(v)),
        ),
        Mistake(
            "correlate-cotangent-ignored",
            "the gradients are those of the sum of y, whatever dy is: dy must multiply",
            lambda v: _back(v, dy=np.ones_like(v.dy)),
        ),
    ),
    (
        "Write y[n, 0, h, w] as a sum over taps. Which outputs did one pixel of x go to, and "
        "through which tap each? And which pixels did one tap meet?",
        "Take one tap (i, j) at a time: y += w[0, :, i, j] · padded[:, :, i:i+H, j:j+W]. Backward, "
        "the same window of the padded dx gets w[0, :, i, j] · dy, and dw[0, :, i, j] the sum of "
        "dy · window over samples and positions. At the end cut the margin off dx.",
        "dpadded, dw = np.zeros_like(padded), np.zeros_like(w)\n"
        "for i in range(w.shape[2]):\n"
        "    for j in range(w.shape[3]):\n"
        "        window = np.s_[:, :, i : i + x.shape[2], j : j + x.shape[3]]\n"
        "        dpadded[window] += w[0, :, i, j, None, None] * dy\n"
        "        dw[0, :, i, j] = (dy * padded[window]).sum(axis=(0, 2, 3))\n"
        "dx = dpadded[:, :, m : m + x.shape[2], m : m + x.shape[3]]",
    ),
)  # fmt: skip
