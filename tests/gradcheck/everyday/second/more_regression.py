"""More models: elastic net, factors, classes, counts, Gaussian processes, clusters."""

from __future__ import annotations

import dataclasses

import numpy as np
from everyday.case import everyday
from everyday.draw import rows, side


def data(draw, n):
    r, c = rows(n, 6)
    return draw.normal(c), draw.normal(r, c), draw.normal(r)


@everyday(data, "penalty", "sign", "entry", fixed=("x", "y"))
def elastic_net(fault):
    def f(w, x, y, l1=0.1, l2=0.2):
        error = x @ w - y
        loss = (error**2).mean() / 2 + l1 * np.abs(w).sum() + l2 / 2 * (w * w).sum()

        def pullback(dloss):
            grad = x.T @ error / len(y) + l2 * w
            grad = grad + (0 if fault == "penalty" else l1 * np.sign(w))
            return dloss * grad, None, None

        return loss, pullback

    return f


def ratings(draw, n):
    a = max(side(n), 2)
    return (
        draw.normal(a, 3),
        draw.normal(a + 1, 3),
        draw.normal(a, a + 1),
        draw.mask(a, a + 1, kept=0.6),
    )


@everyday(
    ratings, "unseen", "last zero", "penalty", "entry", fixed=("r",), smallest=7, largest=4000
)
def matrix_factors(fault):
    def f(u, v, r, seen):
        error = np.where(seen, u @ v.T - r, 0)
        loss = 0.5 * (error**2).sum() + 0.01 * ((u**2).sum() + (v**2).sum())

        def pullback(d):
            e = u @ v.T - r if fault == "unseen" else error
            more = 0.01 if fault == "penalty" else 0.02
            return d * (e @ v + more * u), d * (e.T @ u + 0.02 * v), None, None

        return loss, pullback

    return f


@dataclasses.dataclass
class Softmax:
    """A linear classifier."""

    weight: np.ndarray
    bias: np.ndarray


def classes(draw, n):
    r, c = rows(n, 5)
    return Softmax(draw.normal(c, 3), draw.normal(3)), draw.normal(r, c), draw.labels(3, r)


@everyday(classes, "bias", "mean", "entry", "last zero")
def softmax_regression_of_a_dataclass(fault):
    def f(model, x, labels):
        z = x @ model.weight + model.bias
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = float(-np.log(p[np.arange(len(x)), labels]).mean())

        def pullback(d):
            dz = p.copy()
            dz[np.arange(len(x)), labels] -= 1
            dz *= d / (1 if fault == "mean" else len(x))
            db = dz[0] if fault == "bias" else dz.sum(0)
            return Softmax(x.T @ dz, db), dz @ model.weight.T

        return loss, pullback

    return f


@everyday(
    lambda draw, n: (
        0.3 * draw.normal(rows(n, 4)[1]),
        draw.normal(*rows(n, 4)),
        draw.labels(5, rows(n, 4)[0]),
    ),
    "exp",
    "last zero",
    "entry",
)
def poisson_regression(fault):
    def f(w, x, counts):
        counts = counts.astype(x.dtype)
        rate = np.exp(x @ w)
        loss = (rate - counts * (x @ w)).sum()

        def pullback(d):
            e = d * ((x @ w if fault == "exp" else rate) - counts)
            return x.T @ e, np.outer(e, w)

        return loss, pullback

    return f


def process(draw, n):
    count = min(max(n // 2, 2), 40)
    return (
        {"length": draw.positive(1), "noise": draw.positive(1)},
        draw.normal(count),
        draw.normal(count),
    )


@everyday(
    process,
    "length",
    "logdet",
    "first zero",
    "factor",
    smallest=4,
    largest=100,
    domain={"p": "positive"},
    fixed=("x",),
)
def gaussian_process_evidence(fault):
    def f(p, x, y):
        square = (x[:, None] - x) ** 2
        kernel = np.exp(-square / (2 * p["length"] ** 2))
        cov = kernel + p["noise"] * np.eye(len(x), dtype=x.dtype)
        inverse = np.linalg.inv(cov)
        alpha = inverse @ y
        evidence = -0.5 * y @ alpha - 0.5 * np.linalg.slogdet(cov)[1]

        def pullback(d):
            inner = np.outer(alpha, alpha) - (0 if fault == "logdet" else inverse)
            dcov = 0.5 * d * inner
            power = 2 if fault == "length" else 3
            dlength = (dcov * kernel * square).sum() / p["length"] ** power
            dnoise = np.array([np.trace(dcov)], x.dtype)
            return {"length": dlength, "noise": dnoise}, None, -d * alpha

        return evidence, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(max(n // 2, 1), 2), draw.normal(3, 2)),
    "last wins",
    "last zero",
    "entry",
)
def distance_to_the_nearest_centre(fault):
    def f(x, centres):
        square = ((x[:, None] - centres) ** 2).sum(-1)
        nearest = square.argmin(1)
        loss = square.min(1).sum()

        def pullback(d):
            difference = 2 * d * (x - centres[nearest])
            dcentres = np.zeros_like(centres)
            if fault == "last wins":
                dcentres[nearest] -= difference
            else:
                np.subtract.at(dcentres, nearest, difference)
            return difference, dcentres

        return loss, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.normal(n)), "factor", "entry", "last zero", smallest=3
)
def correlation(fault):
    def f(a, b):
        a0, b0 = a - a.mean(), b - b.mean()
        na, nb = np.sqrt((a0**2).sum()), np.sqrt((b0**2).sum())
        r = (a0 * b0).sum() / (na * nb)

        def pullback(d):
            return d * (b0 / nb - r * a0 / na) / na, d * (a0 / na - r * b0 / nb) / nb

        return r, pullback

    return f


@everyday(
    lambda draw, n: (1e6 * draw.positive(n), 1e-3 * draw.normal(n)), "last zero", "entry", "factor"
)
def price_times_change(fault):
    def f(price, change):
        y = price * np.exp(change)
        return y, lambda dy: (dy * np.exp(change), dy * y)

    return f


@everyday(
    lambda draw, n: (draw.normal(*(max(n // 4, 1), 4)), draw.normal(4, 5), draw.normal(5, 4)),
    "mask",
    "tied",
    "last zero",
    "entry",
    largest=2000,
)
def residual_block(fault):
    def f(x, w1, w2):
        h = x @ w1
        a = np.where(h > 0, h, 0.2 * h)
        y = x + a @ w2

        def pullback(dy):
            da = dy @ w2.T
            dh = da * (1 if fault == "mask" else np.where(h > 0, 1, 0.2).astype(x.dtype))
            skip = 0 if fault == "tied" else dy
            return skip + dh @ w1.T, x.T @ dh, a.T @ dy

        return y, pullback

    return f
