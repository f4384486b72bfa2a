"""What a block does besides: what it gives, what it writes to, on what it fails."""

import torch

from planted.base import Right
from planted.registry import wrong
from planted.spellings import Hidden


@wrong("effects: output-kind", says="forward: expected one tensor, got ReturnsModule")
class ReturnsModule(Right):
    def forward(self, x):
        return self


@wrong("effects: output-kind", says="forward: expected one tensor, got tuple")
class ReturnsPair(Right):
    def forward(self, x):
        return super().forward(x), self.mc(x)


@wrong("effects: fixed-size", says="it takes maps of one size only, 14 x 14")
class OneSize(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.register_buffer("offset", torch.zeros(1, 1, 14, 14))

    def forward(self, x):
        return super().forward(x + 0 * self.offset)


@wrong("effects: fixed-size")
class WideOneSize(Hidden):
    def forward(self, x):
        if x.shape[2:] != (14, 14):
            raise ValueError("14 x 14 alone")
        return super().forward(x)


@wrong("effects: writes-input")
class InPlace(Right):
    """It writes to its input."""

    def forward(self, x):
        x.mul_(self.mc(x.clone()))
        return self.ms(x) * x


@wrong("effects: samples-mixed")
class SamplesMixed(Right):
    def mc(self, x):
        return super().mc(x).mean(0, keepdim=True)
