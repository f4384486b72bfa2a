"""Blocks of CBAM's family in NumPy, as f(params, x); `BLOCKS` has what draws their arrays."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def eca(params, x):
    f = x.mean((2, 3))
    z = np.array([np.correlate(row, params["kernel"], "same") for row in f])
    return x * sigmoid(z)[:, :, None, None]


def bam(params, x):
    """Its norms are before the last layers; the spatial branch is a loop over taps."""

    def normed(z, i):
        gamma, beta, mean, var = (
            params[f"{name}{i}"].reshape(-1, *[1] * (z.ndim - 2))
            for name in ("gamma", "beta", "mean", "var")
        )
        return np.maximum(gamma * (z - mean) / np.sqrt(var + 1e-5) + beta, 0)

    def dilated(z, kernel):
        padded = np.pad(z, ((0, 0), (0, 0), (4, 4), (4, 4)))
        height, width = z.shape[2:]
        return sum(
            np.einsum("oi,nihw->nohw", kernel[:, :, i, j],
                      padded[:, :, 4 * i : 4 * i + height, 4 * j : 4 * j + width])
            for i in range(3) for j in range(3)
        )  # fmt: skip

    channel = normed(x.mean((2, 3)) @ params["w0"], 0) @ params["w1"]
    s = normed(np.einsum("io,nihw->nohw", params["w2"], x), 1)
    s = normed(dilated(s, params["k0"]), 2)
    s = normed(dilated(s, params["k1"]), 3)
    spatial = np.einsum("i,nihw->nhw", params["w3"], s)
    return x + x * sigmoid(channel[:, :, None, None] + spatial[:, None])


def coordinates(params, x):
    def hidden(z):
        z = np.einsum("ih,nil->nhl", params["down"], z) + params["b"][:, None]
        return z * np.clip(z + 3, 0, 6) / 6

    rows = np.einsum("hc,nhl->ncl", params["rows"], hidden(x.mean(3)))
    columns = np.einsum("hc,nhl->ncl", params["columns"], hidden(x.mean(2)))
    return x * sigmoid(rows)[:, :, :, None] * sigmoid(columns)[:, :, None, :]


def scse(params, x):
    channel = sigmoid(np.maximum(x.mean((2, 3)) @ params["w0"], 0) @ params["w1"])
    spatial = sigmoid(np.tensordot(x, params["w"], (1, 0)))
    return np.maximum(x * channel[:, :, None, None], x * spatial[:, None])


def simam(params, x):
    d = (x - x.mean((2, 3), keepdims=True)) ** 2
    return x * sigmoid(d / (4 * (x.var((2, 3), keepdims=True, ddof=1) + 1e-4)) + 0.5)


def gated_channels(params, x):
    f = params["alpha"] * np.sqrt((x**2).sum((2, 3)) + 1e-5)
    f = f / np.sqrt((f**2).mean(1, keepdims=True) + 1e-5)
    return x * (1 + np.tanh(params["gamma"] * f + params["beta"]))[:, :, None, None]


def gaussian(params, x):
    f = x.mean((2, 3))
    z = (f - f.mean(1, keepdims=True)) / np.sqrt(f.var(1, keepdims=True) + 1e-5)
    return x * np.exp(-(z**2) / 2)[:, :, None, None]


def arrays(shapes):
    """Return what draws arrays of these shapes, where c is the number of channels."""

    def draw(c):
        sizes = {"c": c, "h": c // 4}
        rng = np.random.default_rng(0)
        return {
            name: rng.uniform(0.5, 1.5, [sizes.get(size, size) for size in shape])
            for name, shape in shapes.items()
        }

    return draw


NORMS = {f"{name}{i}": "h" for i in range(4) for name in ("gamma", "beta", "mean", "var")}
BLOCKS = {
    eca: arrays({"kernel": (5,)}),
    bam: arrays(
        {"w0": "ch", "w1": "hc", "w2": "ch", "w3": "h", "k0": ("h", "h", 3, 3)}
        | {"k1": ("h", "h", 3, 3)}
        | NORMS
    ),
    coordinates: arrays({"down": "ch", "b": "h", "rows": "hc", "columns": "hc"}),
    scse: arrays({"w0": "ch", "w1": "hc", "w": "c"}),
    simam: arrays({}),
    gated_channels: arrays({"alpha": "c", "gamma": "c", "beta": "c"}),
    gaussian: arrays({}),
}
CODES = dict(
    zip(
        BLOCKS,
        (
            *("eca", "bam", "coordinate-attention", "scse", "simam"),
            *("gated-channel-transformation", "gaussian-context-transformer"),
        ),
        strict=True,
    )
)
