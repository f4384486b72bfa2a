"""Blocks that lose digits, or are wrong at one precision alone."""

import torch

from planted.base import Right
from planted.registry import wrong


@wrong("numerics: not-finite", says="y is not finite on `noise`")
class GivesNan(Right):
    def forward(self, x):
        return torch.log(super().forward(x))


@wrong("numerics: not-finite", says="y is not finite on `point`")
class OverOneLess(Right):
    def forward(self, x):
        positions = x[0, 0].numel()
        return super().forward(x) * (positions - 1) / (positions - 1)


@wrong("numerics: half-inside")
class HalfInside(Right):
    def mc(self, x):
        return self.logits(x).half().sigmoid().double()[:, :, None, None]


@wrong("numerics: half-inside", dtype="float32")
class HalfInFloat32(Right):
    def ms(self, f):
        return super().ms(f).bfloat16().to(f.dtype)


@wrong("numerics: exp-overflow")
class Overflows(Right):
    @staticmethod
    def squash(z):
        return torch.exp(z) / (1 + torch.exp(z))


@wrong("numerics: nan-swallowed", "numerics: inf-swallowed")
class SwallowsNan(Right):
    def forward(self, x):
        return super().forward(torch.nan_to_num(x))


@wrong("numerics: precision", dtype="float32")
class WrongYInFloat32(Right):
    def forward(self, x):
        return super().forward(x) * (1.01 if x.dtype == torch.float32 else 1)
