"""Blocks of CBAM's family in flax, whose arrays are listed by name: norms first, then layers."""

import jax
import jax.numpy as jnp
from flax import linen as nn

sigmoid = jax.nn.sigmoid


class Eca(nn.Module):
    @nn.compact
    def __call__(self, x):
        z = nn.Conv(1, (3,), use_bias=False)(x.mean((1, 2))[..., None])
        return x * sigmoid(z[..., 0])[:, None, None, :]


class Bam(nn.Module):
    """Its last layer is called the first, for it is built first."""

    @nn.compact
    def __call__(self, x, train=False):
        hidden = x.shape[-1] // 8

        def normed(z):
            return nn.relu(nn.BatchNorm(use_running_average=not train)(z))

        channel = nn.Dense(x.shape[-1])(normed(nn.Dense(hidden)(x.mean((1, 2)))))
        s = normed(nn.Conv(hidden, (1, 1))(x))
        for _ in range(2):
            s = normed(nn.Conv(hidden, (3, 3), kernel_dilation=4)(s))
        return x * (1 + sigmoid(channel[:, None, None, :] + nn.Conv(1, (1, 1))(s)))


class CoordAtt(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        lines = jnp.concatenate([x.mean(2), x.mean(1)], axis=1)
        h = nn.BatchNorm(use_running_average=not train)(nn.Dense(8)(lines))
        rows, columns = jnp.split(nn.hard_swish(h), [x.shape[1]], axis=1)
        gates = nn.Dense(x.shape[-1])(rows)[:, :, None], nn.Dense(x.shape[-1])(columns)[:, None]
        return x * sigmoid(gates[0]) * sigmoid(gates[1])


class ScSe(nn.Module):
    @nn.compact
    def __call__(self, x):
        z = nn.Dense(x.shape[-1])(nn.relu(nn.Dense(x.shape[-1] // 4)(x.mean((1, 2)))))
        return x * sigmoid(z)[:, None, None, :] + x * sigmoid(nn.Conv(1, (1, 1))(x))


BLOCKS = {"eca": Eca, "bam": Bam, "coordinate-attention": CoordAtt, "scse": ScSe}
