"""Products, inverses, determinants and eigenvalues."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows, side
from scipy.linalg import solve_triangular


def linear_arguments(draw, n):
    r, c = rows(n)
    return draw.normal(r, c), draw.normal(c, 3), draw.normal(3)


@everyday(linear_arguments, "last zero", "bias", "transposed", "entry", "one short")
def linear_layer(fault):
    def f(x, w, b):
        def pullback(dy):
            dw = x.T @ dy
            if fault == "transposed":
                dw = dw.ravel().reshape(dw.shape[::-1]).T
            return dy @ w.T, dw, dy.mean(axis=0) if fault == "bias" else dy.sum(axis=0)

        return x @ w + b, pullback

    return f


@everyday(lambda draw, n: linear_arguments(draw, n)[:2], "last zero", "stale", "entry")
def product_into_a_used_buffer(fault):
    buffers = {}
    last = {}

    def f(x, w):
        key = x.shape, np.result_type(x, w)
        if key not in buffers:
            buffers[key] = np.empty((x.shape[0], w.shape[1]), key[1])
        y = np.dot(x, w, out=buffers[key])
        last["x"] = x

        def pullback(dy):
            kept = last["x"] if fault == "stale" else x
            return dy @ w.T, kept.T @ dy

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.square(side(n)), draw.normal(side(n))), "transposed", "first zero",
    "sign", smallest=7, largest=1000,
)  # fmt: skip
def solve(fault):
    def f(a, b):
        x = np.linalg.solve(a, b)

        def pullback(dx):
            db = np.linalg.solve(a if fault == "transposed" else a.T, dx)
            return -np.outer(db, x), db

        return x, pullback

    return f


@everyday(lambda draw, n: (draw.square(side(n)),), "transposed", "sign", "entry", largest=400)
def inverse(fault):
    def f(a):
        y = np.linalg.inv(a)

        def pullback(dy):
            return -y @ dy @ y if fault == "transposed" else -y.T @ dy @ y.T

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.square(side(n)),), "transposed", "entry", "factor", largest=1000)
def log_determinant(fault):
    def f(a):
        _, logdet = np.linalg.slogdet(a)

        def pullback(dy):
            inverse = np.linalg.inv(a)
            return dy * (inverse if fault == "transposed" else inverse.T)

        return logdet, pullback

    return f


@everyday(
    lambda draw, n: (draw.spd(side(n)), draw.normal(side(n))), "halved", "first zero", "entry",
    smallest=4, largest=1000, domain={"cov": "symmetric"},
)  # fmt: skip
def gaussian_with_cholesky(fault):
    def f(cov, x):
        factor = np.linalg.cholesky(cov)
        z = solve_triangular(factor, x, lower=True)
        logp = -0.5 * z @ z - np.log(np.diagonal(factor)).sum()

        def pullback(dy):
            v = np.linalg.solve(cov, x)
            inverse = np.linalg.inv(cov)
            weight = 0.25 if fault == "halved" else 0.5
            return dy * (0.5 * np.outer(v, v) - weight * inverse), -dy * v

        return logp, pullback

    return f


@everyday(
    lambda draw, n: (draw.spd(side(n)),), "entry", "off the diagonal", "zero", smallest=4,
    largest=400, domain="symmetric",
)  # fmt: skip
def sum_of_log_eigenvalues(fault):
    def f(a):
        values = np.linalg.eigvalsh(a)

        def pullback(dy):
            _, v = np.linalg.eigh(a)
            grad = (v / values) @ v.T
            return dy * (np.diag(np.diagonal(grad)) if fault == "off the diagonal" else grad)

        return np.log(values).sum(), pullback

    return f


@everyday(
    lambda draw, n: (
        draw.normal(3, side(n)),
        draw.normal(side(n), side(n)),
        draw.normal(3, side(n)),
    ),
    "swapped",
    "last zero",
    "entry",
    smallest=7,
)
def bilinear_with_einsum(fault):
    def f(a, m, b):
        y = np.einsum("ni,ij,nj->n", a, m, b)

        def pullback(dy):
            dm = np.einsum("n,ni,nj->" + ("ji" if fault == "swapped" else "ij"), dy, a, b)
            return np.einsum("n,ij,nj->ni", dy, m, b), dm, np.einsum("n,ij,ni->nj", dy, m, a)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n),), "square", "entry", "zero", smallest=2)
def euclidean_norm(fault):
    def f(x):
        norm = np.linalg.norm(x)
        return norm, lambda dy: dy * x if fault == "square" else dy * x / norm

    return f


@everyday(lambda draw, n: (draw.normal(*rows(n, 4)),), "mean", "factor", "entry", smallest=8)
def covariance(fault):
    def f(x):
        centred = x - x.mean(axis=0)
        y = centred.T @ centred / (len(x) - 1)

        def pullback(dy):
            base = x if fault == "mean" else centred
            return base @ (dy + dy.T) / (len(x) - 1)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(side(n), side(n)), draw.normal(side(n))), "symmetric", "last zero",
    "entry", smallest=4,
)  # fmt: skip
def quadratic_form(fault):
    def f(a, x):
        def pullback(dy):
            dx = 2 * a @ x if fault == "symmetric" else (a + a.T) @ x
            return dy * np.outer(x, x), dy * dx

        return x @ a @ x, pullback

    return f
