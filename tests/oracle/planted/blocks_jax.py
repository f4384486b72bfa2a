"""CBAM as JAX functions, as the preset `paper_biased`, on (N, C, H, W) and on (N, H, W, C)."""

import functools

import jax
import jax.numpy as jnp

from planted.blocks_cases import composed


def init(channels, hidden=3, how="biased"):
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = (channels, hidden), (hidden, channels), (1, 2, 7, 7)
    w0, w1, kernel = (
        {"w": jax.random.normal(key, shape) / 7} for key, shape in zip(keys, shapes, strict=True)
    )
    if how != "plain":
        w0["b"], w1["b"], kernel["b"] = jnp.zeros(hidden), jnp.zeros(channels), jnp.zeros(1)
    params = {"mlp": [w0, w1], "conv": kernel}
    if how == "norm":
        params["bn"] = {name: jnp.ones(1) for name in ("gamma", "beta", "mean", "var")}
    return params


def linear(layer, f):
    return f @ layer["w"] + layer.get("b", 0)


def mc(params, x, how):
    def mlp(f):
        z = linear(params["mlp"][1], jax.nn.relu(linear(params["mlp"][0], f)))
        return jax.nn.relu(z) if how == "channel-relu-after" else z

    avg, top = x.mean((2, 3)), x.max((2, 3))
    if how == "channel-max-detached":
        top = jax.lax.stop_gradient(top)
    zs = mlp(avg), mlp(avg if how == "channel-avg-twice" else top)
    gate = jax.nn.sigmoid(zs[0] + zs[1])
    if how == "channel-two-sigmoids":
        gate = jax.nn.sigmoid(zs[0]) + jax.nn.sigmoid(zs[1])
    if how == "channel-map-detached":
        gate = jax.lax.stop_gradient(gate)
    return gate[:, :, None, None]


def ms(params, f, how):
    low = f.min(1) if how == "spatial-min-for-avg" else f.mean(1)
    kernel = params["conv"]["w"]
    kernel = kernel[:, :, ::-1, ::-1] if how == "spatial-flipped-kernel" else kernel
    z = jax.lax.conv(jnp.stack([low, f.max(1)], axis=1), kernel, (1, 1), "SAME")
    z = z + params["conv"].get("b", 0)
    if "bn" in params:
        bn = params["bn"]
        z = (z - bn["mean"]) / jnp.sqrt(bn["var"] + 1e-5) * bn["gamma"] + bn["beta"]
    return z if how == "spatial-no-sigmoid" else jax.nn.sigmoid(z)


def cbam(params, x, how="biased"):
    maps = (functools.partial(each, params, how=how) for each in (mc, ms))
    return composed(how, x, *maps)


def block(how):
    return lambda params, x: cbam(params, x, how)


jitted = jax.jit(cbam, static_argnames="how")


def channels_last(params, x):
    return jnp.moveaxis(cbam(params, jnp.moveaxis(x, -1, 1)), 1, -1)


def prints(params, x):
    print("traced")
    return cbam(params, x).astype(jnp.float16)
