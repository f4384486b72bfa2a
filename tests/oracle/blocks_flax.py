"""CBAM in flax, as the preset `paper_biased`: linen and nnx."""

import jax.numpy as jnp
from flax import linen, nnx


class Linen(linen.Module):
    """It takes its channels from what it is given."""

    hidden: int = 3
    norm: bool = False

    def setup(self):
        self.fc1 = linen.Dense(self.hidden)
        self.conv = linen.Conv(1, (7, 7))
        if self.norm:
            self.bn = linen.BatchNorm()

    @linen.compact
    def __call__(self, x, train: bool = True):
        second = linen.Dense(x.shape[-1], name="fc2")
        mlp = lambda f: second(linen.relu(self.fc1(f)))  # noqa: E731
        f = linen.sigmoid(mlp(x.mean((1, 2))) + mlp(x.max((1, 2))))[:, None, None] * x
        z = self.conv(jnp.stack([f.mean(-1), f.max(-1)], -1))
        if self.norm:
            z = self.bn(z, use_running_average=not train)
        return linen.sigmoid(z) * f


class LinenChannelsFirst(Linen):
    @linen.compact
    def __call__(self, x):
        return jnp.moveaxis(super().__call__(jnp.moveaxis(x, 1, -1)), -1, 1)


class Nnx(nnx.Module):
    def __init__(self, channels, hidden=3, norm=False, *, rngs: nnx.Rngs):
        self.fc1 = nnx.Linear(channels, hidden, rngs=rngs)
        self.fc2 = nnx.Linear(hidden, channels, rngs=rngs)
        self.conv = nnx.Conv(2, 1, (7, 7), rngs=rngs)
        self.bn = nnx.BatchNorm(1, rngs=rngs) if norm else None
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        mlp = lambda f: self.dropout(self.fc2(nnx.relu(self.fc1(f))))  # noqa: E731
        f = nnx.sigmoid(mlp(x.mean((1, 2))) + mlp(x.max((1, 2))))[:, None, None] * x
        z = self.conv(jnp.stack([f.mean(-1), f.max(-1)], -1))
        return nnx.sigmoid(z if self.bn is None else self.bn(z)) * f
