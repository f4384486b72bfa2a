"""CBAM in NumPy with a backward by hand, as the preset `paper`, unless `how` asks otherwise."""

import functools

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

AROUND = [(0, 0), (0, 0), (3, 3), (3, 3)]


def init(channels, hidden=3, how="plain"):
    shapes = {"w0": (hidden, channels), "w1": (channels, hidden), "kernel": (2, 7, 7)}
    if how != "plain":
        shapes |= {"b0": (hidden,), "b1": (channels,), "bias": (1,)}
    if how == "norm":
        shapes |= dict.fromkeys(("gamma", "beta", "mean", "var"), (1,))
    return {name: np.ones(shape) for name, shape in shapes.items()}


def forward(params, x, how):
    return vjp(params, x, how)[0]


def vjp(params, x, how):
    d = {name: np.zeros_like(value) for name, value in params.items()}
    gates = [functools.partial(each, params, d, how) for each in (channel, spatial)]
    one, two = gates[::-1] if how == "spatial-first" else gates
    first, first_pullback = one(x)
    f = first * x
    aside = how in ("spatial-reads-input", "maps-added")
    second, second_pullback = two(x if aside else f)
    y = {"spatial-not-applied": f, "maps-added": f + second * x}.get(how, second * f)

    def pullback(dy):
        df = dy if how in ("spatial-not-applied", "maps-added") else second * dy
        dx = 0
        if how != "spatial-not-applied":
            dread = second_pullback(dy * (x if how == "maps-added" else f))
            df, dx = (df, dread) if aside else (df + dread, 0)
        dx = dx + first * df + first_pullback(df * x)
        if how == "maps-added":
            dx = dx + second * dy
        return d, dx + dy if how == "residual" else dx

    return y + x if how == "residual" else y, pullback


def channel(p, d, how, x):
    """Return Mc of x, and the pullback of what each entry of y had to do with it."""
    f_avg, f_max = x.mean((2, 3)), x.max((2, 3))
    one, one_pullback = mlp(p, d, how, f_avg)
    two, two_pullback = mlp(p, d, how, f_avg if how == "channel-avg-twice" else f_max)
    gates = [sigmoid(one + two)]
    if how == "channel-two-sigmoids":
        gates = [sigmoid(one), sigmoid(two)]

    def pullback(dmc):
        if how == "channel-map-detached":
            return 0
        dgate = dmc.sum((2, 3))
        dzs = [dgate * gate * (1 - gate) for gate in gates]
        df_avg, df_max = one_pullback(dzs[0]), two_pullback(dzs[-1])
        if how == "channel-avg-twice":
            df_avg, df_max = df_avg + df_max, 0 * df_max
        if how == "channel-max-detached":
            df_max = 0 * df_max
        share = to_max(x, (2, 3)) * df_max[:, :, None, None]
        return df_avg[:, :, None, None] / x[0, 0].size + share

    return sum(gates)[:, :, None, None], pullback


def mlp(p, d, how, f):
    a = f @ p["w0"].T + p.get("b0", 0)
    h = np.maximum(a, 0)
    z = h @ p["w1"].T + p.get("b1", 0)

    def pullback(dz):
        dz = dz * (z > 0) if how == "channel-relu-after" else dz
        da = (a > 0) * (dz @ p["w1"])
        for name, dvalue in {
            "w1": dz.T @ h,
            "w0": da.T @ f,
            "b1": dz.sum(0),
            "b0": da.sum(0),
        }.items():
            if name in d:
                d[name] += dvalue
        return da @ p["w0"]

    return np.maximum(z, 0) if how == "channel-relu-after" else z, pullback


def spatial(p, d, how, f):
    """Return Ms of f, and the pullback of what each entry of y had to do with it."""
    low = f.min(1) if how == "spatial-min-for-avg" else f.mean(1)
    planes = np.stack([low, f.max(1)], axis=1)
    kernel = p["kernel"][:, ::-1, ::-1] if how == "spatial-flipped-kernel" else p["kernel"]
    z = np.einsum("pij,nphwij->nhw", kernel, windows(planes)) + p.get("bias", 0)
    slope = p["gamma"] / np.sqrt(p["var"] + 1e-5) if how == "norm" else 1
    hat = (z - p["mean"]) / np.sqrt(p["var"] + 1e-5) if how == "norm" else z
    zs = hat * p["gamma"] + p["beta"] if how == "norm" else z
    ms = zs if how == "spatial-no-sigmoid" else sigmoid(zs)

    def pullback(dms):
        dzs = dms.sum(1) * (1 if how == "spatial-no-sigmoid" else ms * (1 - ms))
        dz = slope * dzs
        dkernel = np.einsum("nhw,nphwij->pij", dz, windows(planes))
        flipped = how == "spatial-flipped-kernel"
        d["kernel"] += dkernel[:, ::-1, ::-1] if flipped else dkernel
        for name, dvalue in {"bias": dz, "beta": dzs, "gamma": dzs * hat}.items():
            if name in d:
                d[name] += dvalue.sum()
        dplanes = np.einsum("pij,nhwij->nphw", kernel[:, ::-1, ::-1], windows(dz[:, None])[:, 0])
        dlow = dplanes[:, :1] / f.shape[1]
        if how == "spatial-min-for-avg":
            dlow = dplanes[:, :1] * to_max(-f, (1,))
        return dlow + dplanes[:, 1:] * to_max(f, (1,))

    return ms[:, None], pullback


def sigmoid(z):
    return 0.5 * (1 + np.tanh(z / 2))


def windows(planes):
    return sliding_window_view(np.pad(planes, AROUND), (7, 7), axis=(2, 3))


def to_max(x, axes):
    """Return each element's share of the maximum: all of it, or an even part of a tie."""
    tied = x == x.max(axes, keepdims=True)
    return tied / tied.sum(axes, keepdims=True)
