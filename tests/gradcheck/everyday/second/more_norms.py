"""More norms: groups, instances, weights, running statistics, several axes at once."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows


def grouped(draw, n):
    return draw.normal(2, 4, max(n // 8, 2)), draw.normal(4), draw.normal(4)


@everyday(grouped, "mean term", "variance term", "last zero", "entry", smallest=7)
def group_norm(fault):
    def f(x, gamma, beta):
        z = x.reshape(len(x), 2, -1)
        mu = z.mean(-1, keepdims=True)
        rstd = 1 / np.sqrt(z.var(-1, keepdims=True) + 1e-5)
        xhat = ((z - mu) * rstd).reshape(x.shape)

        def pullback(dy):
            d = (dy * gamma[:, None]).reshape(z.shape)
            h = xhat.reshape(z.shape)
            m1 = 0 if fault == "mean term" else d.mean(-1, keepdims=True)
            m2 = 0 if fault == "variance term" else h * (d * h).mean(-1, keepdims=True)
            dx = (rstd * (d - m1 - m2)).reshape(x.shape)
            return dx, (dy * xhat).sum((0, 2)), dy.sum((0, 2))

        return xhat * gamma[None, :, None] + beta[None, :, None], pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(2, 2, max(n // 4, 3)),), "eps", "factor", "entry", smallest=7
)
def instance_norm(fault):
    def f(x):
        centred = x - x.mean(axis=2, keepdims=True)
        var = (centred * centred).mean(axis=2, keepdims=True)
        std = (var + 1e-4) ** 0.5
        y = centred / std

        def pullback(dy):
            below = var**0.5 if fault == "eps" else std
            d = dy - dy.mean(axis=2, keepdims=True)
            return (d - y * (dy * y).mean(axis=2, keepdims=True)) / below

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(2, max(n // 6, 1), 3, scale=3),),
    "axis",
    "entry",
    "factor",
    smallest=4,
)
def logsumexp_over_two_axes(fault):
    def f(x):
        top = x.max(axis=(0, 2), keepdims=True)
        e = np.exp(x - top)
        y = (np.log(e.sum(axis=(0, 2), keepdims=True)) + top).squeeze(axis=(0, 2))

        def pullback(dy):
            over = 2 if fault == "axis" else (0, 2)
            return dy[None, :, None] * e / e.sum(axis=over, keepdims=True)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(*rows(n), scale=2),), "count", "entry", "sign", smallest=4)
def log_softmax_of_columns(fault):
    def f(x):
        z = x - np.max(x, axis=0)
        y = z - np.log(np.sum(np.exp(z), axis=0))

        def pullback(dy):
            total = dy.mean(axis=0) if fault == "count" else dy.sum(axis=0)
            return dy - np.exp(y) * total

        return y, pullback

    return f


@everyday(
    lambda draw, n: ({"g": draw.normal(4), "v": draw.normal(4, max(n // 4, 2))},),
    "projection",
    "first zero",
    "entry",
)
def weight_norm(fault):
    def f(p):
        norm = np.linalg.norm(p["v"], axis=1, keepdims=True)
        unit = p["v"] / norm

        def pullback(dw):
            dg = (dw * unit).sum(1)
            dv = dw - (0 if fault == "projection" else unit * dg[:, None])
            return {"g": dg, "v": p["g"][:, None] / norm * dv}

        return p["g"][:, None] * unit, pullback

    return f


def running(draw, n):
    r, c = rows(n, 5)
    return draw.normal(r, c), draw.normal(c), draw.positive(c), False


@everyday(running, "training", "root", "entry", smallest=7, fixed=("mean", "var"))
def batch_norm_of_running_statistics(fault):
    def f(x, mean, var, training):
        assert not training
        scale = 1 / np.sqrt(var + 1e-5)

        def pullback(dy):
            if fault == "training":
                return (dy - dy.mean(0)) * scale, None, None, None
            return dy * (scale**2 if fault == "root" else scale), None, None, None

        return (x - mean) * scale, pullback

    return f


@everyday(lambda draw, n: (5 + draw.normal(n),), "constants", "entry", "factor", smallest=3)
def standardised_array(fault):
    def f(x):
        mean, std = float(x.mean()), float(x.std())
        y = (x - mean) / std

        def pullback(dy):
            if fault == "constants":
                return dy / std
            return (dy - dy.mean() - y * (dy * y).mean()) / std

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.distinct(*rows(n, 6)),), "ones", "zero", "sign")
def largest_magnitude_of_rows(fault):
    def f(x):
        y = np.linalg.norm(x, ord=np.inf, axis=1)

        def pullback(dy):
            k = np.abs(x).argmax(1)
            row = np.arange(len(x))
            dx = np.zeros_like(x)
            dx[row, k] = dy * (1 if fault == "ones" else np.sign(x[row, k]))
            return dx

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(*rows(n, 6)),), "entry", "zero", "term")
def rows_that_sum_to_one_in_size(fault):
    def f(x):
        total = np.abs(x).sum(axis=1)[:, None]
        y = x / total

        def pullback(dy):
            if fault == "term":
                return dy / total
            return (dy - np.sign(x) * (dy * y).sum(axis=1)[:, None]) / total

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(*rows(n, 4)),), "mean", "entry", "factor", smallest=8)
def centred_columns_in_fortran_order(fault):
    def f(x):
        y = np.asfortranarray(x - x.mean(0)) ** 2

        def pullback(dy):
            d = 2 * dy * (x - x.mean(0))
            return d if fault == "mean" else d - d.mean(0)

        return y, pullback

    return f
