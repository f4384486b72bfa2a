"""CBAM in Equinox, as the preset `paper_biased`, on one sample."""

import equinox as eqx
import jax
import jax.numpy as jnp


class Right(eqx.Module):
    fc1: eqx.nn.Linear
    fc2: eqx.nn.Linear
    conv: eqx.nn.Conv2d

    def __init__(self, channels, hidden=3, *, key):
        keys = jax.random.split(key, 3)
        self.fc1 = eqx.nn.Linear(channels, hidden, key=keys[0])
        self.fc2 = eqx.nn.Linear(hidden, channels, key=keys[1])
        self.conv = eqx.nn.Conv2d(2, 1, 7, padding=3, key=keys[2])

    def mlp(self, f):
        return self.fc2(jax.nn.relu(self.fc1(f)))

    def __call__(self, x):
        logits = self.mlp(x.mean((1, 2))) + self.mlp(x.max((1, 2)))
        f = jax.nn.sigmoid(logits)[:, None, None] * x
        return jax.nn.sigmoid(self.conv(jnp.stack([f.mean(0), f.max(0)]))) * f


class Batched(Right):
    def __call__(self, x):
        assert x.ndim == 4
        return jax.vmap(super().__call__)(x)


class Normed(eqx.Module):
    bn: eqx.nn.BatchNorm

    def __init__(self, channels):
        self.bn = eqx.nn.BatchNorm(channels, "batch", mode="batch")

    def __call__(self, x, state):
        return self.bn(x, state)
