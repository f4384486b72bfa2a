"""Models with a loss: ridge, logistic regression, polynomials, and a small network."""

import numpy as np
from everyday.case import everyday
from everyday.draw import rows


def data(draw, n):
    r, c = rows(n, 6)
    return draw.normal(c), draw.normal(r, c), draw.normal(r)


@everyday(data, "penalty", "entry", "last zero", "one short")
def ridge(fault):
    def f(w, x, y):
        error = x @ w - y
        loss = 0.5 * error @ error / len(y) + 0.05 * w @ w

        def pullback(dloss):
            e = dloss * error / len(y)
            dw = x.T @ e + dloss * (0.05 if fault == "penalty" else 0.1) * w
            return dw, np.outer(e, w), -e

        return loss, pullback

    return f


def labelled(draw, n):
    r, c = rows(n, 6)
    return draw.normal(c), draw.normal(1), draw.normal(r, c), draw.signs(r)


@everyday(labelled, "bias", "sign", "entry", "mean", smallest=7, fixed=("x",))
def logistic_regression(fault):
    def f(w, b, x, label):
        z = label * (x @ w + b[0])
        loss = np.logaddexp(0, -z).mean()

        def pullback(dloss):
            dz = -label / (1 + np.exp(z)) / (1 if fault == "mean" else len(z))
            dz = (dloss * dz).astype(w.dtype)
            return x.T @ dz, 0 * b if fault == "bias" else dz.sum(keepdims=True), None, None

        return loss.astype(w.dtype), pullback

    return f


@everyday(lambda draw, n: (draw.normal(5), draw.uniform(-1, 1, n)), "order", "last zero", "entry")
def polynomial(fault):
    def f(coefficients, x):
        y = np.polyval(coefficients, x)

        def pullback(dy):
            powers = (
                range(len(coefficients)) if fault == "order" else range(len(coefficients))[::-1]
            )
            dc = np.array([(dy * x**k).sum() for k in powers], x.dtype)
            return dc, dy * np.polyval(np.polyder(coefficients), x).astype(x.dtype)

        return y, pullback

    return f


def network_arguments(draw, n):
    r, c = rows(n, 5)
    params = [
        {"w": draw.normal(c, 6), "b": draw.normal(6)},
        {"w": draw.normal(6, 2), "b": draw.normal(2)},
    ]
    return params, draw.normal(r, c)


@everyday(network_arguments, "mask", "bias", "last zero", "entry", largest=1000)
def two_layers_in_a_list(fault):
    def f(params, x):
        z = x @ params[0]["w"] + params[0]["b"]
        h = np.maximum(z, 0)
        y = h @ params[1]["w"] + params[1]["b"]

        def pullback(dy):
            dh = dy @ params[1]["w"].T
            dz = dh if fault == "mask" else dh * (z > 0)
            db = dz[0] if fault == "bias" else dz.sum(0)
            grads = [{"w": x.T @ dz, "b": db}, {"w": h.T @ dy, "b": dy.sum(0)}]
            return grads, dz @ params[0]["w"].T

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n),), "entry", "term", "zero")
def rosenbrock(fault):
    def f(x):
        y = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

        def pullback(dy):
            inner = x[1:] - x[:-1] ** 2
            dx = np.zeros_like(x)
            dx[:-1] = -400 * x[:-1] * inner - (0 if fault == "term" else 2 * (1 - x[:-1]))
            dx[1:] += 200 * inner
            return dy * dx

        return y, pullback

    return f
