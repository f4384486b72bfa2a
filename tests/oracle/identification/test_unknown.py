"""Probes: where no row fits, what a stage reads is proven."""

import mistakes
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

import npcbam


class Magnitudes(mistakes.Right):
    def logits(self, x):
        return super().logits(x.abs())


class UnitLength(mistakes.Right):
    def mlp(self, f):
        return super().mlp(F.normalize(f, dim=1))


class SecondLargest(mistakes.Right):
    def top(self, x):
        return x.flatten(2).topk(min(2, x[0, 0].numel()))[0][..., -1]


class OwnChannel(mistakes.Right):
    def logits(self, x):
        return 0 * super().logits(x) + self.top(x).sin()


class Halved(mistakes.Right):
    def avg(self, x):
        return super().avg(x) / 3


class EvenChannels(mistakes.Right):
    def planes(self, f):
        return super().planes(f[:, ::2])


class WholeMap(mistakes.Right):
    def ms(self, f):
        return super().ms(f) * f.mean((1, 2, 3), keepdim=True).sigmoid()


class MaximaOnly(mistakes.Right):
    def planes(self, f):
        most = f.max(1, keepdim=True)[0]
        return most.sin(), most.cos()


class Cosine(mistakes.Right):
    squash = staticmethod(torch.cos)


CHANNEL = {
    "the maximum", "the average", "the other values", "where they stand", "another channel",
    "the other samples", "the sign", "the scale",
}  # fmt: skip
SPATIAL = {
    "the maximum over the channels", "the average over the channels",
    "which channel a value stands in", "one channel alone", "the other samples", "the sign",
    "the scale", "a position out of the kernel's reach",
}  # fmt: skip
PLACES = {"the other values", "where they stand", "the other samples"}
FAR = {"a position out of the kernel's reach", "which channel a value stands in"}


@pytest.mark.parametrize(
    ("block", "code", "said", "still"),
    [
        (mistakes.FixedWindow, "channel-reads-positions", "no global pool",
         {"the maximum", "the other values", "the other samples"}),
        (Magnitudes, "channel-reads-more", "more than the average and the maximum",
         {"where they stand", "the other samples", "the sign"}),
        (UnitLength, "channel-unknown", "; the nearest is off by ", PLACES | {"the scale"}),
        (SecondLargest, "channel-unknown", "no rule that is known", PLACES | {"the maximum"}),
        (OwnChannel, "channel-unknown", "no rule", PLACES | {"the average", "another channel"}),
        (Halved, "channel-unknown", "; the nearest is off by ", PLACES),
        (EvenChannels, "spatial-reads-channels", "no pool over all",
         {"the other samples", "a position out of the kernel's reach"}),
        (WholeMap, "spatial-reads-far", "that its kernel does not reach",
         {"the other samples", "which channel a value stands in"}),
        (MaximaOnly, "spatial-unknown", "; the nearest is off by ",
         FAR | {"the other samples", "the average over the channels"}),
        (Cosine, "spatial-unknown", "; the nearest is off by ", FAR | {"the other samples"}),
    ],
)  # fmt: skip
def test_what_is_proven(block, code, said, still):
    report = npcbam.check(block, channels=32)
    assert report.verdict == "wrong"
    finding = next(f for f in report.findings if f.code == code)
    assert finding.stage == code.partition("-")[0]
    assert said in finding.message
    does, _, rest = finding.message.partition("; it depends on ")[2].partition("; not on ")
    moves, left = set(does.split(", ")), set(rest.partition(";")[0].split(", "))
    assert left == still
    assert moves == (CHANNEL if finding.stage == "channel" else SPATIAL) - still


class ThreeKernels(mistakes.Right):
    """Right, by three convolutions of one plane, of which two add up to the average's."""

    def __init__(self, channels=64):
        super().__init__(channels)
        del self.conv
        self.one, self.two, self.three = (
            nn.Conv2d(1, 1, 7, padding=3, bias=False) for _ in range(3)
        )

    def ms(self, f):
        average, most = self.planes(f)
        return torch.sigmoid(self.one(average) + self.two(most) + self.three(average))


def test_kernels_that_have_no_role_leave_it_undecided():
    report = npcbam.check(ThreeKernels, channels=32)
    assert report.verdict == "undecided"
    assert [f.code for f in report.findings] == ["kernels-apart"]
    assert "two.weight" in report.reason
