"""Who gets the gradient of a tied maximum, rightly and wrongly."""

import torch

from planted.base import Right
from planted.registry import right, wrong


@wrong("gradient: tie-rule-unknown")
class EveryTieTakesAll(Right):
    def top(self, x):
        most = x.detach().amax((2, 3), keepdim=True)
        every = (x - x.detach()) * (x.detach() == most)
        return (most[:, :, 0, 0]) + every.sum((2, 3))


@wrong("gradient: tie-rule-last")
class LastTie(Right):
    def top(self, x):
        return x.flatten(2).flip(2).max(2)[0]


@wrong("gradient: tie-rule-last")
class LastOfTheChannels(Right):
    def planes(self, f):
        return super().planes(f)[0], f.flip(1).max(1, keepdim=True)[0]


@right()
class MaximaInTurn(Right):
    """The maximum is taken over one axis after the other, each by a rule of its own."""

    def __init__(self, channels=64, axes=(2, 2), channel="even", spatial="first"):
        super().__init__(channels)
        self.axes, self.channel, self.spatial = axes, channel, spatial

    def largest(self, x, axis, rule):
        return x.amax(axis) if rule == "even" else x.max(axis)[0]

    def top(self, x):
        for axis in self.axes:
            x = self.largest(x, axis, self.channel)
        return x

    def planes(self, f):
        return super().planes(f)[0], self.largest(f, 1, self.spatial)[:, None]


@wrong("gradient: spatial-max-detached")
class InTurnDetached(MaximaInTurn):
    def planes(self, f):
        avg, top = super().planes(f)
        return avg, top.detach()


@right(notes=("tie-rule-other",))
class TopOne(Right):
    """Which of the tied it takes is not told."""

    def top(self, x):
        return x.flatten(2).topk(1)[0][..., 0]


@right(notes=("tie-rule-other",))
class Sorted(Right):
    def top(self, x):
        return x.flatten(2).sort()[0][..., -1]


@right(notes=("tie-rule-other",))
class InTurnByTwoRules(Right):
    def top(self, x):
        return x.max(3)[0].amax(2)


@right(notes=("tie-rule-other",))
class ByHalves(Right):
    def top(self, x):
        flat, middle = x.flatten(2), x.shape[2] * x.shape[3] // 2
        return torch.maximum(flat[:, :, : max(middle, 1)].amax(2), flat[:, :, middle:].amax(2))


@right(notes=("tie-rule-other",))
class ByHalvesEven(ByHalves):
    def planes(self, f):
        return super().planes(f)[0], f.amax(1, keepdim=True)


@right(notes=("tie-rule-other",))
class TopOneOfBoth(TopOne):
    def planes(self, f):
        return super().planes(f)[0], f.topk(1, dim=1)[0]


@right(notes=("tie-rule-other",))
class SortedChannels(Right):
    def planes(self, f):
        return super().planes(f)[0], f.sort(1)[0][:, -1:]


@wrong("gradient: tie-rule-unknown")
class TiedChannelsLoseHalf(Right):
    def planes(self, f):
        avg, top = super().planes(f)
        tied = (f == top).sum(1, keepdim=True) > 1
        return avg, torch.where(tied, (top + top.detach()) / 2, top)


@wrong("gradient: tie-rule-unknown")
class TiesLoseHalf(TopOne):
    """Where there are two or more, half of the gradient is lost."""

    def top(self, x):
        top = super().top(x)
        tied = (x == top[:, :, None, None]).sum((2, 3)) > 1
        return torch.where(tied, (top + top.detach()) / 2, top)
