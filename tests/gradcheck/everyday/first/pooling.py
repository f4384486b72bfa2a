"""Pooling and convolution with loops, windows and columns."""

import numpy as np
from everyday.case import everyday
from everyday.draw import side
from numpy.lib.stride_tricks import as_strided, sliding_window_view


def image(draw, n):
    s = max(side(n), 2)
    return (draw.distinct(1, s, s + 1),)


@everyday(image, "zero", "all take it", "entry", smallest=7, largest=1000)
def max_pool_with_loops(fault):
    def f(x):
        c, h, w = x.shape
        y = np.zeros((c, h // 2, w // 2), x.dtype)
        where = {}
        for k in range(c):
            for i in range(h // 2):
                for j in range(w // 2):
                    window = x[k, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                    a, b = np.unravel_index(window.argmax(), window.shape)
                    where[k, i, j] = k, 2 * i + a, 2 * j + b
                    y[k, i, j] = window[a, b]

        def pullback(dy):
            dx = np.zeros_like(x)
            for (k, i, j), place in where.items():
                dx[place] += dy[k, i, j]
                if fault == "all take it":
                    dx[k, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = dy[k, i, j]
            return dx

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.whole(0, 2, 2 * (n // 2)),), "ties take all", "factor", smallest=7,
    kinks=True,
)  # fmt: skip
def max_of_pairs_with_ties(fault):
    def f(x):
        pairs = x.reshape(-1, 2)
        y = pairs.max(axis=1)

        def pullback(dy):
            dx = np.zeros_like(pairs)
            if fault == "ties take all":
                dx = (pairs == y[:, None]) * dy[:, None]
            else:
                dx[np.arange(len(pairs)), pairs.argmax(axis=1)] = dy
            return dx.reshape(x.shape)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.whole(0, 2, *(max(n // 4, 1), 4)),),
    "ties take all",
    smallest=7,
    kinks=True,
)
def even_max_with_ties(fault):
    def f(x):
        y = np.max(x, axis=1, keepdims=True)

        def pullback(dy):
            tied = (x == y).astype(x.dtype)
            return dy * tied if fault == "ties take all" else dy * tied / tied.sum(1, keepdims=True)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(max(side(n), 3), max(side(n), 3)),), "factor", "last window",
    "entry", smallest=7,
)  # fmt: skip
def mean_pool_with_strides(fault):
    def f(x):
        h, w = x.shape[0] - 1, x.shape[1] - 1
        s = x.strides
        windows = as_strided(x, (h, w, 2, 2), s + s, writeable=False)

        def pullback(dy):
            dx = np.zeros_like(x)
            for a in range(2):
                for b in range(2):
                    dx[a : a + h, b : b + w] += dy / 4
            if fault == "last window":
                dx[-1, -1] = 0
            return dx

        return windows.mean(axis=(2, 3)), pullback

    return f


def convolved(draw, n):
    s = max(int(np.sqrt(n / 2)), 3)
    return draw.normal(1, 2, s, s), draw.normal(3, 2, 3, 3), draw.normal(3)


@everyday(convolved, "flipped", "bias", "last zero", "entry", smallest=7, largest=1000)
def convolution_with_columns(fault):
    def f(x, w, b):
        n, c, h, width = x.shape
        view = sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
        columns = view.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * width, -1)
        y = (columns @ w.reshape(len(w), -1).T + b).reshape(n, h, width, -1).transpose(0, 3, 1, 2)

        def pullback(dy):
            flat = dy.transpose(0, 2, 3, 1).reshape(-1, len(w))
            dw = (flat.T @ columns).reshape(w.shape)
            dcolumns = (flat @ w.reshape(len(w), -1)).reshape(n, h, width, c, 3, 3)
            if fault == "flipped":
                dcolumns = dcolumns[..., ::-1, ::-1]
            dx = np.zeros((n, c, h + 2, width + 2), x.dtype)
            for i in range(3):
                for j in range(3):
                    dx[:, :, i : i + h, j : j + width] += dcolumns[..., i, j].transpose(0, 3, 1, 2)
            return dx[:, :, 1:-1, 1:-1], dw, flat.mean(0) if fault == "bias" else flat.sum(0)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n + 2), draw.normal(3)),
    "flipped",
    "first zero",
    "edge",
    largest=1000,
)
def convolution_of_a_line(fault):
    def f(x, w):
        y = np.array([x[i : i + 3] @ w for i in range(len(x) - 2)])

        def pullback(dy):
            dx = np.convolve(dy, w[::-1] if fault == "flipped" else w)
            if fault == "edge":
                dx[-1] = 0
            return dx, np.array([x[k : k + len(dy)] @ dy for k in range(3)])

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.distinct(2, 3, max(n // 6, 1)),), "first axis", "zero", "roll")
def global_max_pool(fault):
    def f(x):
        flat = x.reshape(*x.shape[:2], -1)
        best = flat.argmax(-1)
        y = np.take_along_axis(flat, best[..., None], -1)[..., 0]

        def pullback(dy):
            dflat = np.zeros_like(flat)
            if fault == "first axis":
                dflat[..., 0] = dy
            else:
                np.put_along_axis(dflat, best[..., None], dy[..., None], -1)
            return dflat.reshape(x.shape)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(2, max(n // 2, 1)),), "missing sum", "factor")
def nearest_upsampling(fault):
    def f(x):
        def pullback(dy):
            if fault == "missing sum":
                return dy[:, ::3].copy()
            return dy.reshape(x.shape[0], -1, 3).sum(-1)

        return np.repeat(x, 3, axis=1), pullback

    return f
