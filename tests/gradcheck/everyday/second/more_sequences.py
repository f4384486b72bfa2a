"""More sequences: causal attention, rotary angles, gates, hidden states, running extremes."""

import numpy as np
from everyday.case import everyday


def causal(draw, n):
    t = max(n // 16, 2)
    return draw.normal(2, t, 8), draw.normal(2, t, 8), draw.normal(2, t, 8)


@everyday(causal, "mask", "scale", "first zero", "entry", smallest=7, largest=1000)
def causal_attention(fault):
    def f(q, k, v):
        t, scale = q.shape[1], q.shape[-1] ** -0.5
        scores = np.einsum("htd,hsd->hts", q, k) * scale
        scores[:, np.triu(np.ones((t, t), bool), 1)] = -np.inf
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)

        def pullback(dy):
            dv = np.einsum("hts,htd->hsd", p, dy)
            dp = np.einsum("htd,hsd->hts", dy, v)
            ds = p * (dp - (p * dp).sum(-1, keepdims=True)) * scale
            if fault == "scale":
                ds = ds / scale
            if fault == "mask":
                ds = np.triu(ds)
            return np.einsum("hts,hsd->htd", ds, k), np.einsum("hts,htd->hsd", ds, q), dv

        return np.einsum("hts,hsd->htd", p, v), pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(max(n // 4, 1), 4),), "direction", "entry", "halves", smallest=8
)
def rotary_embedding(fault):
    def f(x):
        t, d = x.shape
        angle = np.outer(np.arange(t), 100.0 ** (-np.arange(d // 2) / (d // 2)))
        cos, sin = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
        a, b = x[:, 0::2], x[:, 1::2]
        y = np.empty_like(x)
        y[:, 0::2], y[:, 1::2] = a * cos - b * sin, a * sin + b * cos

        def pullback(dy):
            da, db = dy[:, 0::2], dy[:, 1::2]
            s = -sin if fault == "direction" else sin
            dx = np.empty_like(dy)
            dx[:, 0::2], dx[:, 1::2] = da * cos + db * s, db * cos - da * s
            return np.hstack([dx[:, 0::2], dx[:, 1::2]]) if fault == "halves" else dx

        return y, pullback

    return f


def gru_arguments(draw, n):
    d = max(int(np.sqrt(n / 6)), 1)
    names = ("wz", "wr", "wh", "uz", "ur", "uh")
    return (
        {name: draw.normal(d, d, scale=0.7) for name in names},
        draw.normal(2, d),
        draw.normal(2, d),
    )


@everyday(gru_arguments, "reset", "update", "last zero", "entry", smallest=7)
def gru_cell(fault):
    def f(p, x, h):
        z = 1 / (1 + np.exp(-(x @ p["wz"] + h @ p["uz"])))
        r = 1 / (1 + np.exp(-(x @ p["wr"] + h @ p["ur"])))
        c = np.tanh(x @ p["wh"] + (r * h) @ p["uh"])
        y = (1 - z) * h + z * c

        def pullback(dy):
            dc = dy * z * (1 - c * c)
            drh = dc @ p["uh"].T
            dz = dy * (c if fault == "update" else c - h) * z * (1 - z)
            dr = drh * h * r * (1 - r)
            if fault == "reset":
                dr = 0 * dr
            dp = {"wz": x.T @ dz, "wr": x.T @ dr, "wh": x.T @ dc}
            dp |= {"uz": h.T @ dz, "ur": h.T @ dr, "uh": (r * h).T @ dc}
            dx = dz @ p["wz"].T + dr @ p["wr"].T + dc @ p["wh"].T
            return dp, dx, dy * (1 - z) + drh * r + dz @ p["uz"].T + dr @ p["ur"].T

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(max(n // 3, 2), 3), draw.normal(3, 3)),
    "last zero",
    "end",
    "entry",
    largest=1000,
)
def hidden_markov_likelihood(fault):
    def f(emission, transition):
        alphas = [emission[0]]
        for e in emission[1:]:
            inner = alphas[-1][:, None] + transition
            top = inner.max(0)
            alphas.append(np.log(np.exp(inner - top).sum(0)) + top + e)
        total = np.logaddexp.reduce(alphas[-1])

        def pullback(dy):
            de, dt = np.zeros_like(emission), np.zeros_like(transition)
            d = dy * np.exp(alphas[-1] - total)
            for k in range(len(emission) - 1, 0, -1):
                de[k] = d
                inner = alphas[k - 1][:, None] + transition
                share = np.exp(inner - (alphas[k] - emission[k]))
                dt += share * d
                d = share @ d
            de[0] = 0 if fault == "end" else d
            return de, dt

        return total, pullback

    return f


@everyday(lambda draw, n: (draw.uniform(0.9, 1.1, n),), "direction", "entry", "zero", largest=1000)
def cumulative_product(fault):
    def f(x):
        y = np.cumprod(x)

        def pullback(dy):
            terms = dy * y
            if fault == "direction":
                return np.cumsum(terms) / x
            return np.flip(np.cumsum(np.flip(terms))) / x

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.distinct(n),), "first", "zero", "factor")
def running_maximum(fault):
    def f(x):
        y = np.maximum.accumulate(x)

        def pullback(dy):
            dx = np.zeros_like(x)
            best = 0
            for t in range(len(x)):
                if x[t] > x[best]:
                    best = t
                dx[0 if fault == "first" else best] += dy[t]
            return dx

        return y, pullback

    return f


@everyday(lambda draw, n: (draw.normal(max(n, 5)),), "edge", "entry", "factor")
def moving_mean_by_cumulative_sums(fault):
    def f(x):
        c = np.concatenate([np.zeros(1, x.dtype), np.cumsum(x)])
        y = (c[4:] - c[:-4]) / 4

        def pullback(dy):
            dx = np.convolve(dy, np.full(4, 0.25, dy.dtype))
            if fault == "edge":
                dx[:3] = dx[3]
            return dx

        return y, pullback

    return f


@everyday(
    lambda draw, n: (draw.normal(n), draw.uniform(0, 1, 1)),
    "last zero",
    "steps",
    "entry",
    largest=1000,
)
def momentum_steps(fault):
    def f(g, mu):
        velocity, total = g.dtype.type(0), g.dtype.type(0)
        trace = []
        for one in g:
            trace.append(velocity)
            velocity = mu[0] * velocity + one
            total = total + velocity**2

        def pullback(dy):
            dg, dmu, dv = np.zeros_like(g), np.zeros_like(mu), g.dtype.type(0)
            for t in reversed(range(len(g))):
                v = mu[0] * trace[t] + g[t]
                dv = 2 * dy * v + dv
                dg[t] = dv
                dmu[0] += dv * trace[t]
                dv = 0 if fault == "steps" else dv * mu[0]
            return dg, dmu

        return total, pullback

    return f
