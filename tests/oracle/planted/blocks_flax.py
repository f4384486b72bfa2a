"""CBAM in flax, as the preset `paper_biased` unless `how` asks for another block: linen and nnx."""

import functools

import jax
import jax.numpy as jnp
from flax import linen, nnx

from planted.blocks_cases import composed


class Gates:
    """Both gates, on (N, H, W, C), of the layers that a module has."""

    def mlp(self, f, second):
        z = second(jax.nn.relu(self.fc1(f)))
        return jax.nn.relu(z) if self.how == "channel-relu-after" else z

    def mc(self, x, second):
        avg, top = x.mean((1, 2)), x.max((1, 2))
        if self.how == "channel-max-detached":
            top = jax.lax.stop_gradient(top)
        two = self.mlp(avg if self.how == "channel-avg-twice" else top, second)
        one = self.mlp(avg, second)
        gate = jax.nn.sigmoid(one + two)
        if self.how == "channel-two-sigmoids":
            gate = jax.nn.sigmoid(one) + jax.nn.sigmoid(two)
        if self.how == "channel-map-detached":
            gate = jax.lax.stop_gradient(gate)
        return gate[:, None, None]

    def ms(self, f, **training):
        low = f.min(-1) if self.how == "spatial-min-for-avg" else f.mean(-1)
        z = self.conv_of(jnp.stack([low, f.max(-1)], -1))
        if self.how == "norm":
            z = self.bn(z, **training)
        return z if self.how == "spatial-no-sigmoid" else jax.nn.sigmoid(z)

    def conv_of(self, planes):
        if self.how == "spatial-flipped-kernel":
            return self.conv(planes[:, ::-1, ::-1])[:, ::-1, ::-1]
        return self.conv(planes)


class Linen(Gates, linen.Module):
    """It takes its channels from what it is given."""

    hidden: int = 3
    how: str = "biased"

    def setup(self):
        bias = self.how != "plain"
        self.fc1 = linen.Dense(self.hidden, bias)
        self.conv = linen.Conv(1, (7, 7), use_bias=bias)
        self.bn = linen.BatchNorm()

    @linen.compact
    def __call__(self, x, train: bool = True):
        second = linen.Dense(x.shape[-1], self.how != "plain", name="fc2")
        ms = functools.partial(self.ms, use_running_average=not train)
        return composed(self.how, x, lambda x: self.mc(x, second), ms)


class LinenChannelsFirst(Linen):
    @linen.compact
    def __call__(self, x):
        return jnp.moveaxis(super().__call__(jnp.moveaxis(x, 1, -1)), -1, 1)


class Nnx(Gates, nnx.Module):
    def __init__(self, channels, hidden=3, how="biased", *, rngs: nnx.Rngs):
        self.how, bias = how, how != "plain"
        self.fc1 = nnx.Linear(channels, hidden, use_bias=bias, rngs=rngs)
        self.fc2 = nnx.Linear(hidden, channels, use_bias=bias, rngs=rngs)
        self.conv = nnx.Conv(2, 1, (7, 7), use_bias=bias, rngs=rngs)
        self.bn = nnx.BatchNorm(1, rngs=rngs) if how == "norm" else None
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        mc = lambda x: self.dropout(self.mc(x, self.fc2))  # noqa: E731
        return composed(self.how, x, mc, self.ms)
