"""A transformer block by hand, in plain NumPy, with its backward: what checkers are timed on."""

from __future__ import annotations

import numpy as np

HEADS = 4


def parameters(rng, width, dtype=np.float64):
    """Draw all parameters of a block: two norms, four projections, an MLP four times as wide."""

    def draw(*shape):
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype(dtype)

    def norm():
        return {"gamma": 1 + draw(width), "beta": draw(width)}

    def dense(n, m):
        return {"w": draw(n, m), "b": draw(m)}

    attention = {name: dense(width, width) for name in ("q", "k", "v", "out")}
    mlp = {"up": dense(width, 4 * width), "down": dense(4 * width, width)}
    return {"norm1": norm(), "attention": attention, "norm2": norm(), "mlp": mlp}


def layer_norm(p, x, eps=1e-5):
    centred = x - x.mean(-1, keepdims=True)
    inverse = 1 / np.sqrt((centred * centred).mean(-1, keepdims=True) + eps)
    normed = centred * inverse

    def layer_norm_pullback(dy):
        axes = tuple(range(dy.ndim - 1))
        dp = {"gamma": (dy * normed).sum(axes), "beta": dy.sum(axes)}
        dn = dy * p["gamma"]
        inside = dn - dn.mean(-1, keepdims=True)
        return dp, inverse * (inside - normed * (dn * normed).mean(-1, keepdims=True))

    return normed * p["gamma"] + p["beta"], layer_norm_pullback


def dense(p, x):
    def dense_pullback(dy):
        rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        return {"w": rows.T @ drows, "b": drows.sum(0)}, dy @ p["w"].T

    return x @ p["w"] + p["b"], dense_pullback


def gelu(x):
    """The tanh form of GELU."""
    c = np.sqrt(2 / np.pi).astype(x.real.dtype)
    t = np.tanh(c * (x + x.dtype.type(0.044715) * x**3))

    def gelu_pullback(dy):
        inner = c * (1 + x.dtype.type(3 * 0.044715) * x * x)
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)

    return 0.5 * x * (1 + t), gelu_pullback


def softmax(x):
    e = np.exp(x - x.real.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)
    return y, lambda dy: y * (dy - (dy * y).sum(-1, keepdims=True))


def split(x):
    """Bring (N, T, C) to (N, heads, T, C / heads)."""
    n, t, c = x.shape
    return x.reshape(n, t, HEADS, c // HEADS).transpose(0, 2, 1, 3)


def merge(x):
    n, h, t, c = x.shape
    return x.transpose(0, 2, 1, 3).reshape(n, t, h * c)


def attention(p, x):
    runs = {name: dense(p[name], x) for name in ("q", "k", "v")}
    q, k, v = (split(runs[name][0]) for name in ("q", "k", "v"))
    size = q.real.dtype.type(1 / np.sqrt(q.shape[-1]))
    weights, softmax_pullback = softmax(q @ k.swapaxes(-1, -2) * size)
    y, out_pullback = dense(p["out"], merge(weights @ v))

    def attention_pullback(dy):
        dout, dmixed = out_pullback(dy)
        dmixed = split(dmixed)
        dscores = softmax_pullback(dmixed @ v.swapaxes(-1, -2)) * size
        parts = {
            "q": dscores @ k,
            "k": dscores.swapaxes(-1, -2) @ q,
            "v": weights.swapaxes(-1, -2) @ dmixed,
        }
        back = {name: runs[name][1](merge(part)) for name, part in parts.items()}
        dp = {name: dpart for name, (dpart, _) in back.items()} | {"out": dout}
        return dp, sum(dx for _, dx in back.values())

    return y, attention_pullback


def mlp(p, x):
    hidden, up_pullback = dense(p["up"], x)
    active, gelu_pullback = gelu(hidden)
    y, down_pullback = dense(p["down"], active)

    def mlp_pullback(dy):
        ddown, dactive = down_pullback(dy)
        dup, dx = up_pullback(gelu_pullback(dactive))
        return {"up": dup, "down": ddown}, dx

    return y, mlp_pullback


def block(p, x):
    """x + attention(norm(x)), and that plus an MLP of its norm."""
    first, norm1_pullback = layer_norm(p["norm1"], x)
    mixed, attention_pullback = attention(p["attention"], first)
    x = x + mixed
    second, norm2_pullback = layer_norm(p["norm2"], x)
    moved, mlp_pullback = mlp(p["mlp"], second)

    def block_pullback(dy):
        dmlp, dsecond = mlp_pullback(dy)
        dnorm2, through = norm2_pullback(dsecond)
        dx = dy + through
        dattention, dfirst = attention_pullback(dx)
        dnorm1, through = norm1_pullback(dfirst)
        dp = {"norm1": dnorm1, "attention": dattention, "norm2": dnorm2, "mlp": dmlp}
        return dp, dx + through

    return x + moved, block_pullback
