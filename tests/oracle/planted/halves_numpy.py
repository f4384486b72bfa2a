"""Channel and spatial modules alone as functions of NumPy, right and with mistakes."""

import numpy as np

from npcbam.conv import Conv
from npcbam.pointwise import relu, sigmoid
from planted.registry import right, wrong


def channel_parameters(channels=32):
    rng = np.random.default_rng(0)
    return {"w0": rng.normal(size=(2, channels)), "w1": rng.normal(size=(channels, 2))}


SPATIAL_PARAMETERS = {"kernel": np.random.default_rng(0).normal(size=(1, 2, 7, 7))}


def logits(params, f):
    return relu(f @ params["w0"].T) @ params["w1"].T


@right(stage="channel")
def channel(params, x):
    return sigmoid(logits(params, x.mean((2, 3))) + logits(params, x.max((2, 3))))


@wrong("channel: channel-merged-before-mlp", stage="channel")
def merged(params, x):
    return sigmoid(logits(params, x.mean((2, 3)) + x.max((2, 3))))


init = channel_parameters


@wrong("channel: channel-two-sigmoids", stage="channel")
def two_sigmoids(params, x):
    return sigmoid(logits(params, x.mean((2, 3)))) + sigmoid(logits(params, x.max((2, 3))))


@right(stage="spatial", parameters=SPATIAL_PARAMETERS)
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


@wrong("gradient: gradient-scaled", stage="spatial", parameters=SPATIAL_PARAMETERS)
def spatial_half_gradient(params, x):
    ms, spatial_pullback = spatial(params, x)

    def half_pullback(dms):
        dparams, dx = spatial_pullback(dms)
        return dparams, dx / 2

    return ms, half_pullback


@wrong("spatial: spatial-silu", stage="spatial", parameters=SPATIAL_PARAMETERS)
def silu(params, x):
    z = Conv(params["kernel"])(np.stack([x.mean(1), x.max(1)], 1))
    return z * sigmoid(z)
