"""Blocks of PyTorch and NumPy with one fault of each kind whose finding has a snippet."""

import halves
import mistakes
import numpy as np
import torch
from mistakes import (  # noqa: F401, what the tests name
    EveryTieTakesAll,
    InPlace,
    MaxDetached,
    OneSize,
    Right,
    SharedHalf,
    SpatialFromInput,
    TwiceOnSmallMaps,
    TwoSigmoids,
)

from npcbam.oracle import examples
from npcbam.oracle.examples import init, right, two_sigmoids  # noqa: F401

Gate = halves.half(halves.Channel, mistakes.TwoSigmoids)
GateDetached = halves.half(halves.Channel, mistakes.GateDetached, "features")


class HalfInFloat32(Right):
    def ms(self, f):
        return super().ms(f).bfloat16().to(f.dtype)


class Overflows(Right):
    @staticmethod
    def squash(z):
        return torch.exp(z) / (1 + torch.exp(z))


class SwallowsNan(Right):
    def forward(self, x):
        return super().forward(torch.nan_to_num(x))


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy * (1.01 if dy.dtype == torch.float32 else 1)


class WrongInFloat32(Right):
    def forward(self, x):
        return super().forward(Scaled.apply(x))


def half_gradient(params, x):
    y, pullback = right(params, x)
    return y, lambda dy: (pullback(dy)[0], pullback(dy)[1] / 2)


def single(params, x):
    return right(params, x.astype("f2").astype(x.dtype))[0]


def writes(params, x):
    y, pullback = right(params, x.copy())
    x[...] = 0
    return y, pullback


def channels_last(params, x):
    y = examples.two_sigmoids(params, np.moveaxis(x, -1, 1))
    return np.moveaxis(y[0] if isinstance(y, tuple) else y, 1, -1)
