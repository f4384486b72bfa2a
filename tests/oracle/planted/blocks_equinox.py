"""CBAM in Equinox, as the preset `paper_biased` unless `how` asks otherwise, on one sample."""

import equinox as eqx
import jax
import jax.numpy as jnp

from planted.blocks_cases import composed


class Right(eqx.Module):
    fc1: eqx.nn.Linear
    fc2: eqx.nn.Linear
    conv: eqx.nn.Conv2d
    how: str = eqx.field(static=True)

    def __init__(self, channels, hidden=3, how="biased", *, key):
        self.how, bias = how, how != "plain"
        keys = jax.random.split(key, 3)
        self.fc1 = eqx.nn.Linear(channels, hidden, use_bias=bias, key=keys[0])
        self.fc2 = eqx.nn.Linear(hidden, channels, use_bias=bias, key=keys[1])
        self.conv = eqx.nn.Conv2d(2, 1, 7, padding=3, use_bias=bias, key=keys[2])

    def __call__(self, x):
        return composed(self.how, x, self.mc, self.ms)

    def mlp(self, f):
        z = self.fc2(jax.nn.relu(self.fc1(f)))
        return jax.nn.relu(z) if self.how == "channel-relu-after" else z

    def mc(self, x):
        avg, top = x.mean((1, 2)), x.max((1, 2))
        if self.how == "channel-max-detached":
            top = jax.lax.stop_gradient(top)
        zs = self.mlp(avg), self.mlp(avg if self.how == "channel-avg-twice" else top)
        gate = jax.nn.sigmoid(zs[0] + zs[1])
        if self.how == "channel-two-sigmoids":
            gate = jax.nn.sigmoid(zs[0]) + jax.nn.sigmoid(zs[1])
        if self.how == "channel-map-detached":
            gate = jax.lax.stop_gradient(gate)
        return gate[:, None, None]

    def ms(self, f):
        low = f.min(0) if self.how == "spatial-min-for-avg" else f.mean(0)
        z = self.conv_of(jnp.stack([low, f.max(0)]))
        return z if self.how == "spatial-no-sigmoid" else jax.nn.sigmoid(z)

    def conv_of(self, planes):
        if self.how == "spatial-flipped-kernel":
            return self.conv(planes[:, ::-1, ::-1])[:, ::-1, ::-1]
        return self.conv(planes)


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
