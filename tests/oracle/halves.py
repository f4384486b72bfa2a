"""Channel and spatial modules alone, in PyTorch, NumPy and Keras, right and with mistakes."""

import mistakes
import numpy as np
from keras import layers, ops
from torch import nn

from npcbam.conv import Conv
from npcbam.pointwise import relu, sigmoid


class Half(nn.Module):
    """One half of a block of PyTorch; `gives` is what its forward returns."""

    block, gives, drops = mistakes.Right, "map", ()

    def __init__(self, channels=64):
        super().__init__()
        self.inner = self.block(channels)
        for name in self.drops:
            delattr(self.inner, name)

    def map(self, x):
        raise NotImplementedError

    def forward(self, x):
        m = self.map(x)
        return {
            "map": lambda: m,
            "flat": lambda: m[:, :, 0, 0],
            "spread": lambda: m.expand_as(x),
            "features": lambda: m * x,
            "sum": lambda: m * x + x,
        }[self.gives]()


class Channel(Half):
    drops = ("conv",)

    def map(self, x):
        return self.inner.mc(x)


class Spatial(Half):
    drops = ("fc1", "fc2")

    def map(self, x):
        return self.inner.ms(x)


def half(kind, block=mistakes.Right, gives="map"):
    """Return a class of halves of another block, which give something else."""
    return type(f"{block.__name__}{kind.__name__}", (kind,), {"block": block, "gives": gives})


# As functions of NumPy ------------------------------------------------------------------------


def channel_parameters(channels=32):
    rng = np.random.default_rng(0)
    return {"w0": rng.normal(size=(2, channels)), "w1": rng.normal(size=(channels, 2))}


SPATIAL_PARAMETERS = {"kernel": np.random.default_rng(0).normal(size=(1, 2, 7, 7))}


def logits(params, f):
    return relu(f @ params["w0"].T) @ params["w1"].T


def channel(params, x):
    return sigmoid(logits(params, x.mean((2, 3))) + logits(params, x.max((2, 3))))


def merged(params, x):
    return sigmoid(logits(params, x.mean((2, 3)) + x.max((2, 3))))


init = channel_parameters


def two_sigmoids(params, x):
    return sigmoid(logits(params, x.mean((2, 3)))) + sigmoid(logits(params, x.max((2, 3))))


def spatial(params, x):
    planes = np.concatenate([x.mean(1, keepdims=True), x.max(1, keepdims=True)], 1)
    conv = Conv(params["kernel"])
    z, conv_pullback = conv.vjp(planes)
    ms = sigmoid(z)
    top = x == x.max(1, keepdims=True)

    def spatial_pullback(dms):
        dconv, dplanes = conv_pullback(dms * ms * (1 - ms))
        dx = dplanes[:, :1] / x.shape[1] + dplanes[:, 1:] * top / top.sum(1, keepdims=True)
        return {"kernel": dconv.w}, dx

    return ms, spatial_pullback


def spatial_half_gradient(params, x):
    ms, spatial_pullback = spatial(params, x)

    def half_pullback(dms):
        dparams, dx = spatial_pullback(dms)
        return dparams, dx / 2

    return ms, half_pullback


def silu(params, x):
    z = Conv(params["kernel"])(np.stack([x.mean(1), x.max(1)], 1))
    return z * sigmoid(z)


# As layers of Keras ---------------------------------------------------------------------------


class KerasChannel(layers.Layer):
    activation = "relu"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.fc1 = layers.Dense(3, activation=self.activation)

    def build(self, shape):
        self.fc2 = layers.Dense(shape[-1])

    def call(self, x):
        pools = ops.mean(x, (1, 2), keepdims=True), ops.max(x, (1, 2), keepdims=True)
        return ops.sigmoid(sum(self.fc2(self.fc1(f)) for f in pools))


class KerasSilu(KerasChannel):
    activation = "silu"


class KerasSpatial(layers.Layer):
    padding = "same"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(1, 7, padding="same", activation="sigmoid")

    def call(self, x):
        planes = [pool(x, -1, keepdims=True) for pool in (ops.mean, ops.max)]
        return self.conv(ops.concatenate(planes, -1)) * x


class KerasSum(KerasSpatial):
    def call(self, x):
        planes = [pool(x, -1, keepdims=True) for pool in (ops.sum, ops.max)]
        return self.conv(ops.concatenate(planes, -1)) * x
