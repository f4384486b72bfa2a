"""More matrices: determinants, singular values, exponentials, roots, least squares."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows, side
from scipy import linalg


@everyday(lambda draw, n: (draw.square(side(n)),), "transposed", "entry", "factor", largest=100)
def determinant(fault):
    def f(a):
        y = np.linalg.det(a)

        def pullback(dy):
            inverse = np.linalg.inv(a)
            return dy * y * (inverse if fault == "transposed" else inverse.T)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(side(n) + 1, side(n)),), "squares", "sign", "entry", largest=400
)
def nuclear_norm(fault):
    def f(a):
        u, s, vt = np.linalg.svd(a, full_matrices=False)
        return s.sum(), lambda dy: dy * ((2 * u * s) @ vt if fault == "squares" else u @ vt)

    return f


@everyday(
    lambda draw, n: (draw.normal(side(n), side(n), scale=0.5),),
    "first order",
    "transposed",
    "entry",
    largest=100,
)
def matrix_exponential(fault):
    def f(a):
        y = linalg.expm(a)

        def pullback(dy):
            b = a if fault == "transposed" else a.T
            if fault == "first order":
                return linalg.expm(b) @ dy
            return linalg.expm_frechet(b, dy, compute_expm=False).astype(a.dtype)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.spd(side(n)),),
    "entry",
    "factor",
    "one side",
    smallest=4,
    largest=100,
    domain="symmetric",
)
def root_of_a_symmetric_matrix(fault):
    def f(a):
        root = linalg.sqrtm(a).real.astype(a.dtype)

        def pullback(dy):
            if fault == "one side":
                return np.linalg.solve(2 * root, dy)
            return linalg.solve_sylvester(root.T, root.T, dy)

        return root, pullback

    return f


@everyday(
    lambda draw, n: (draw.spd(side(n)),),
    "second",
    "entry",
    "factor",
    smallest=4,
    largest=400,
    domain={"a": "symmetric"},
)
def largest_eigenvalue(fault):
    def f(a):
        values, vectors = np.linalg.eigh(a)
        v = vectors[:, -2 if fault == "second" else -1]
        return values[-1], lambda dy: dy * np.outer(v, v)

    return f


def overdetermined(draw, n):
    r, c = rows(n, 3)
    return draw.normal(r + 3, c), draw.normal(r + 3)


@everyday(overdetermined, "residual", "last zero", "entry", largest=1000)
def least_squares(fault):
    def f(a, b):
        x = np.linalg.lstsq(a, b, rcond=None)[0]

        def pullback(dx):
            g = np.linalg.solve(a.T @ a, dx)
            da = -np.outer(a @ g, x)
            if fault != "residual":
                da = da + np.outer(b - a @ x, g)
            return da, a @ g

        return x, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(side(n), side(n)), draw.normal(side(n), side(n))),
    "transposed",
    "last zero",
    "entry",
    largest=1000,
    smallest=4,
)
def trace_of_a_product_with_loops(fault):
    def f(a, b):
        n = len(a)
        total = 0.0
        for i in range(n):
            for k in range(n):
                total += float(a[i, k]) * float(b[k, i])

        def pullback(dy):
            return dy * (b if fault == "transposed" else b.T), dy * a.T

        return total, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(2, 2), draw.normal(2, max(n // 2, 1))),
    "order",
    "last zero",
    "entry",
    largest=2000,
)
def kronecker_product(fault):
    def f(a, b):
        def pullback(dy):
            d = dy.reshape(2, 2, 2, -1)
            if fault == "order":
                d = d.transpose(1, 0, 2, 3)
            return np.einsum("ipjq,pq->ij", d, b), np.einsum("ipjq,ij->pq", d, a)

        return np.kron(a, b), pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(side(n)), draw.spd(side(n))),
    "sign",
    "first zero",
    "entry",
    smallest=4,
    largest=1000,
    domain={"m": "symmetric"},
)
def mahalanobis_distance(fault):
    def f(x, m):
        inverse = np.linalg.inv(m)
        y = np.sqrt(x @ inverse @ x)

        def pullback(dy):
            v = inverse @ x
            dm = -np.outer(v, v) * dy / (2 * y)
            return dy * v / y, -dm if fault == "sign" else dm

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(3, max(n // 3, 1)), draw.normal(max(n // 3, 1), 2)),
    "last zero",
    "entry",
    "transposed",
)
def product_in_fortran_order(fault):
    def f(a, b):
        y = np.asfortranarray(a @ b)

        def pullback(dy):
            db = a.T @ dy
            return np.asfortranarray(dy @ b.T), db[::-1].copy() if fault == "transposed" else db

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(max(n // 3, 1), 3), draw.normal(max(n // 3, 1), 3)),
    "sign",
    "last zero",
    "entry",
)
def cross_product(fault):
    def f(a, b):
        def pullback(dy):
            db = np.cross(dy, a)
            return np.cross(b, dy), -db if fault == "sign" else db

        return np.cross(a, b), pullback

    return f
