"""More special functions and densities."""

import math

import numpy as np
from everyday.case import everyday
from scipy import special


@everyday(
    lambda draw, n: (draw.positive(n), draw.positive(n)),
    "sum term",
    "last zero",
    "entry",
    "one short",
    domain="positive",
)
def log_beta(fault):
    def f(a, b):
        def pullback(dy):
            both = 0 if fault == "sum term" else special.digamma(a + b)
            return dy * (special.psi(a) - both), dy * (special.psi(b) - both)

        return special.betaln(a, b), pullback

    return f


@everyday(lambda draw, n: (draw.uniform(-0.9, 0.9, n),), "root", "entry", "zero", domain=(-1, 1))
def inverse_error_function(fault):
    def f(x):
        y = special.erfinv(x)

        def pullback(dy):
            c = 0.5 * math.sqrt(2 * math.pi) if fault == "root" else 0.5 * math.sqrt(math.pi)
            return dy * c * np.exp(y * y)

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=5),), "square", "entry", "sign")
def logistic_of_scipy(fault):
    def f(x):
        y = special.expit(x)
        return y, lambda dy: dy * (y * y if fault == "square" else y * (1 - y))

    return f


@everyday(
    lambda draw, n: (draw.normal(n, scale=2), draw.positive(1), 2 + draw.positive(1)),
    "dof", "last zero", "entry", domain={"scale": "positive", "dof": "positive"},
)  # fmt: skip
def student_logpdf(fault):
    def f(x, scale, dof):
        z = x / scale
        w = z * z / dof
        y = special.gammaln((dof + 1) / 2) - special.gammaln(dof / 2)
        y = y - 0.5 * np.log(dof * np.pi) - np.log(scale) - (dof + 1) / 2 * np.log1p(w)

        def pullback(dy):
            dz = -dy * (dof + 1) * z / dof / (1 + w)
            ddof = special.digamma((dof + 1) / 2) - special.digamma(dof / 2) - 1 / dof
            ddof = ddof - np.log1p(w) + (0 if fault == "dof" else (dof + 1) * w / (1 + w) / dof)
            dscale = -(dy + dz * z) / scale
            return dz / scale, dscale.sum(keepdims=True), (0.5 * dy * ddof).sum(keepdims=True)

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.positive(n), draw.simplex(n)), "sum", "first zero", "entry", smallest=3,
    largest=1000, domain={"alpha": "positive", "p": "simplex"},
)  # fmt: skip
def dirichlet_logpdf(fault):
    def f(alpha, p):
        y = special.gammaln(alpha.sum()) - special.gammaln(alpha).sum()
        y = y + ((alpha - 1) * np.log(p)).sum()

        def pullback(dy):
            total = (
                special.digamma(alpha).mean() if fault == "sum" else special.digamma(alpha.sum())
            )
            return dy * (total - special.digamma(alpha) + np.log(p)), dy * (alpha - 1) / p

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.simplex(n),),
    "sign",
    "square",
    "entry",
    smallest=2,
    domain={"p": "simplex"},
)
def entropy(fault):
    def f(p):
        def pullback(dy):
            if fault == "square":
                return -2 * dy * p
            grad = -dy * (np.log(p) + 1)
            return -grad if fault == "sign" else grad

        return -np.sum(p * np.log(p)), pullback

    return f


@everyday(lambda draw, n: (draw.normal(n, scale=20),), "clipped", "entry", "factor")
def log_cosh(fault):
    def f(x):
        a = np.abs(x)
        y = (a + np.log1p(np.exp(-2 * a)) - math.log(2)).astype(x.dtype)
        return y, lambda dy: dy * (np.clip(x, -1, 1) if fault == "clipped" else np.tanh(x))

    return f


@everyday(
    lambda draw, n: (draw.labels(9, n), draw.uniform(0.05, 0.95, n), 8),
    "trials",
    "entry",
    "sign",
    domain=(0, 1),
)
def binomial_loglikelihood(fault):
    def f(k, p, trials):
        choose = (
            special.gammaln(trials + 1) - special.gammaln(k + 1) - special.gammaln(trials - k + 1)
        )
        k = k.astype(p.dtype)
        y = choose.sum().astype(p.dtype) + (k * np.log(p) + (trials - k) * np.log1p(-p)).sum()

        def pullback(dy):
            off = (trials if fault == "trials" else trials - k) / (1 - p)
            return None, dy * (k / p - off), None

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.uniform(0.1, 12, n),), "sign", "entry", "order")
def bessel_function(fault):
    def f(x):
        def pullback(dy):
            if fault == "order":
                return -dy * special.j0(x)
            return dy * special.j1(x) * (1 if fault == "sign" else -1)

        return special.j0(x), pullback

    return f


@everyday(
    lambda draw, n: (draw.wide(n, low=-6, high=4),), "entry", "factor", "zero", domain="positive"
)
def logarithm_of_wide_sizes_in_a_list(fault):
    def f(x):
        y = [math.log1p(v) for v in x.tolist()]
        return np.array(y, x.dtype), lambda dy: dy / (1 + x)

    return f


@everyday(
    lambda draw, n: (draw.uniform(-3, 3, n), draw.uniform(-3, 3, n)),
    "swapped",
    "last zero",
    "entry",
)
def angle_of_a_point(fault):
    def f(y, x):
        r2 = x**2 + y**2

        def pullback(d):
            return (-d * y / r2, d * x / r2) if fault == "swapped" else (d * x / r2, -d * y / r2)

        return np.arctan2(y, x), pullback

    return f
