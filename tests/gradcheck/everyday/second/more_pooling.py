"""More windows: transposed and depthwise convolutions, sampling, shuffles, padding."""

import numpy as np
from everyday.case import everyday
from everyday.draw import side


def transposed(draw, n):
    s = max(int(np.sqrt(n / 2)), 2)
    return draw.normal(2, s, s), draw.normal(2, 3, 3, 3)


@everyday(transposed, "stride", "last zero", "entry", smallest=7, largest=1000)
def transposed_convolution(fault):
    def f(x, w):
        h, width = x.shape[1:]
        y = np.zeros((3, 2 * h + 1, 2 * width + 1), x.dtype)
        for i in range(h):
            for j in range(width):
                y[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += np.tensordot(x[:, i, j], w, 1)

        def pullback(dy):
            dx, dw = np.zeros_like(x), np.zeros_like(w)
            step = 1 if fault == "stride" else 2
            for i in range(h):
                for j in range(width):
                    d = dy[:, step * i : step * i + 3, step * j : step * j + 3]
                    dx[:, i, j] = np.tensordot(w, d, 3)
                    dw += x[:, i, j][:, None, None, None] * d
            return dx, dw

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(3, max(n // 3, 4)), draw.normal(3, 3)),
    "channel",
    "last zero",
    "flipped",
    "entry",
)
def depthwise_convolution(fault):
    def f(x, w):
        out = x.shape[1] - 2
        y = sum(w[:, k : k + 1] * x[:, k : k + out] for k in range(3))

        def pullback(dy):
            dx = np.zeros_like(x)
            dw = np.zeros_like(w)
            for k in range(3):
                tap = w[:, 2 - k] if fault == "flipped" else w[:, k]
                dx[:, k : k + out] += tap[:, None] * dy
                dw[:, k] = (x[:, k : k + out] * dy).sum(1)
            if fault == "channel":
                dw[1] = 0
            return dx, dw

        return y, pullback

    return f


def sampled(draw, n):
    s = max(side(n), 3)
    points = draw.rng.integers(0, s - 1, (max(n // 4, 2), 2)) + draw.rng.uniform(
        0.1, 0.9, (max(n // 4, 2), 2)
    )
    return draw.normal(s, s), draw.cast(points)


@everyday(sampled, "last zero", "last wins", "swapped", "entry", smallest=7)
def bilinear_sampling(fault):
    def f(image, points):
        i, j = np.floor(points).astype(int).T
        a, b = (points - np.floor(points)).T
        v00, v01, v10, v11 = image[i, j], image[i, j + 1], image[i + 1, j], image[i + 1, j + 1]
        y = (1 - a) * (1 - b) * v00 + (1 - a) * b * v01 + a * (1 - b) * v10 + a * b * v11

        def pullback(dy):
            dimage = np.zeros_like(image)
            corners = (
                (0, 0, (1 - a) * (1 - b)),
                (0, 1, (1 - a) * b),
                (1, 0, a * (1 - b)),
                (1, 1, a * b),
            )
            for k, m, weight in corners:
                if fault == "last wins":
                    dimage[i + k, j + m] += dy * weight
                else:
                    np.add.at(dimage, (i + k, j + m), dy * weight)
            da = dy * ((1 - b) * (v10 - v00) + b * (v11 - v01))
            db = dy * ((1 - a) * (v01 - v00) + a * (v11 - v10))
            return dimage, np.stack([db, da] if fault == "swapped" else [da, db], axis=1)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(max(n, 7)),), "size", "entry", "overlap")
def adaptive_mean_pool(fault):
    def f(x, bins=3):
        n = len(x)
        edges = [(k * n // bins, -(-(k + 1) * n // bins)) for k in range(bins)]
        y = np.array([x[a:b].mean() for a, b in edges])

        def pullback(dy):
            dx = np.zeros_like(x)
            for (a, b), d in zip(edges, dy, strict=True):
                part = d / (n / bins if fault == "size" else b - a)
                if fault == "overlap":
                    dx[a:b] = part
                else:
                    dx[a:b] += part
            return dx

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.distinct(max(n, 5)),), "last wins", "zero", "roll")
def overlapping_max_pool(fault):
    def f(x):
        where = np.array([i + x[i : i + 3].argmax() for i in range(len(x) - 2)])

        def pullback(dy):
            dx = np.zeros_like(x)
            if fault == "last wins":
                dx[where] = dy
                return dx
            np.add.at(dx, where, dy)
            return dx

        return x[where], pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(4, max(n // 4, 1), 3),), "order", "entry", "factor", smallest=7
)
def pixel_shuffle(fault):
    def f(x):
        h, w = x.shape[1:]
        y = x.reshape(2, 2, h, w).transpose(2, 0, 3, 1).reshape(2 * h, 2 * w)

        def pullback(dy):
            back = (3, 1, 0, 2) if fault == "order" else (1, 3, 0, 2)
            return dy.reshape(h, 2, w, 2).transpose(back).reshape(x.shape)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(max(n, 4)),), "edges", "entry", "factor")
def reflected_padding(fault):
    def f(x):
        y = np.pad(x, 2, mode="reflect")

        def pullback(dy):
            dx = dy[2:-2].copy()
            if fault != "edges":
                dx[1] += dy[1]
                dx[2] += dy[0]
                dx[-2] += dy[-2]
                dx[-3] += dy[-1]
            return dx

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(max(side(n), 3), max(side(n), 3) + 1),), "corner", "sign", "entry"
)
def total_variation(fault):
    def f(x):
        dh, dw = np.diff(x, axis=0), np.diff(x, axis=1)
        loss = np.abs(dh).sum() + np.abs(dw).sum()

        def pullback(d):
            dx = np.zeros_like(x)
            dx[1:] += np.sign(dh)
            dx[:-1] -= np.sign(dh)
            dx[:, 1:] += np.sign(dw)
            dx[:, :-1] += -np.sign(dw) if fault != "corner" else 0
            return d * dx

        return loss, pullback

    return f
