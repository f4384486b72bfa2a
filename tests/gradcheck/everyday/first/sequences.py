"""Attention and recurrences."""

import numpy as np
from everyday.case import everyday


def heads(draw, n):
    t = max(n // 12, 2)
    q, k, v = (draw.normal(t, 4) for _ in range(3))
    seen = draw.mask(t, t) | np.eye(t, dtype=bool)
    return q, k, v, seen


@everyday(heads, "scale", "masked", "last zero", "entry", smallest=7, largest=1000)
def masked_attention(fault):
    def f(q, k, v, seen):
        scale = 1 / q.shape[1] ** 0.5
        scores = np.where(seen, q @ k.T * scale, -1e9).astype(q.dtype)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        p = e / e.sum(-1, keepdims=True)

        def pullback(dy):
            dp = dy @ v.T
            ds = p * (dp - (dp * p).sum(-1, keepdims=True))
            if fault == "masked":
                ds = dp * p
            ds = ds * (1 if fault == "scale" else scale)
            return ds @ k, ds.T @ q, p.T @ dy

        return p @ v, pullback

    return f


def recurrent(draw, n):
    steps = max(n // 3, 1)
    weights = {"wx": draw.normal(3, 4, scale=0.5), "wh": draw.normal(4, 4, scale=0.5)}
    return weights, draw.normal(steps, 3), draw.normal(4)


@everyday(recurrent, "last step only", "one step", "last zero", "entry", largest=1000)
def recurrent_network(fault):
    def f(weights, xs, h0):
        hs = [h0]
        for x in xs:
            hs.append(np.tanh(x @ weights["wx"] + hs[-1] @ weights["wh"]))

        def pullback(dy):
            dw = {name: np.zeros_like(w) for name, w in weights.items()}
            dxs, dh = np.zeros_like(xs), np.zeros_like(h0)
            for t in reversed(range(len(xs))):
                dz = (dy[t] + dh) * (1 - hs[t + 1] ** 2)
                if fault == "last step only" and t < len(xs) - 1:
                    dz = 0 * dz
                dw["wx"] += np.outer(xs[t], dz)
                dw["wh"] += np.outer(hs[t], dz)
                dxs[t] = dz @ weights["wx"].T
                dh = dz @ weights["wh"].T * (0 if fault == "one step" else 1)
            return dw, dxs, dh

        return np.stack(hs[1:]), pullback

    return f


def cell(draw, n):
    d = max(int(np.sqrt(n / 4)) // 2, 1)
    return draw.normal(2, d), draw.normal(2, d), draw.normal(2, d), draw.normal(2 * d, 4 * d)


def logistic(z):
    return 1 / (1 + np.exp(-z))


@everyday(cell, "gates", "cell", "last zero", "entry", smallest=7)
def lstm_step(fault):
    def f(x, h, c, w):
        xh = np.concatenate([x, h], axis=1)
        i, o, u, g = np.split(xh @ w, 4, axis=1)
        i, o, u, g = logistic(i), logistic(o), logistic(u), np.tanh(g)
        new = u * c + i * g
        t = np.tanh(new)

        def pullback(dy):
            dh, dnew = dy
            if fault == "cell":
                dnew = 0 * dnew
            dnew = dnew + dh * o * (1 - t**2)
            di, do, du = dnew * g * i * (1 - i), dh * t * o * (1 - o), dnew * c * u * (1 - u)
            parts = [do, di] if fault == "gates" else [di, do]
            dz = np.concatenate([*parts, du, dnew * i * (1 - g**2)], axis=1)
            dxh = dz @ w.T
            return dxh[:, : x.shape[1]], dxh[:, x.shape[1] :], dnew * u, xh.T @ dz

        return (o * t, new), pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.uniform(0.5, 0.95, n)),
    "one step",
    "last zero",
    "entry",
    largest=1000,
)
def leaky_scan(fault):
    def f(x, decay):
        y = np.zeros_like(x)
        state = x.dtype.type(0)
        for t in range(len(x)):
            state = decay[t] * state + x[t]
            y[t] = state

        def pullback(dy):
            dx, ddecay = np.zeros_like(x), np.zeros_like(x)
            d = x.dtype.type(0)
            for t in reversed(range(len(x))):
                d = dy[t] + (0 if fault == "one step" or t == len(x) - 1 else decay[t + 1] * d)
                dx[t] = d
                ddecay[t] = d * y[t - 1] if t else 0
            return dx, ddecay

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(n),), "off by one", "entry", "zero", smallest=7)
def differences_squared(fault):
    def f(x):
        step = np.diff(x)

        def pullback(dy):
            d = 2 * dy * step
            dx = np.zeros_like(x)
            dx[1:] += d
            if fault == "off by one":
                dx[1:] -= d
            else:
                dx[:-1] -= d
            return dx

        return (step**2).sum(), pullback

    return f
