"""CBAM as JAX functions, as the preset `paper_biased`, on (N, C, H, W) and on (N, H, W, C)."""

import jax
import jax.numpy as jnp


def init(channels, hidden=3):
    keys = jax.random.split(jax.random.key(0), 3)
    return {
        "mlp": [
            {"w": jax.random.normal(keys[0], (channels, hidden)), "b": jnp.zeros(hidden)},
            {"w": jax.random.normal(keys[1], (hidden, channels)), "b": jnp.zeros(channels)},
        ],
        "conv": {"w": jax.random.normal(keys[2], (1, 2, 7, 7)) / 7, "b": jnp.zeros(1)},
    }


def mlp(layers, f):
    first, second = layers
    return jax.nn.relu(f @ first["w"] + first["b"]) @ second["w"] + second["b"]


def cbam(params, x):
    logits = mlp(params["mlp"], x.mean((2, 3))) + mlp(params["mlp"], x.max((2, 3)))
    f = jax.nn.sigmoid(logits)[:, :, None, None] * x
    planes = jnp.stack([f.mean(1), f.max(1)], axis=1)
    z = jax.lax.conv(planes, params["conv"]["w"], (1, 1), "SAME")
    return jax.nn.sigmoid(z + params["conv"]["b"]) * f


jitted = jax.jit(cbam)


def channels_last(params, x):
    return jnp.moveaxis(cbam(params, jnp.moveaxis(x, -1, 1)), 1, -1)


def prints(params, x):
    print("traced")
    return cbam(params, x).astype(jnp.float16)
