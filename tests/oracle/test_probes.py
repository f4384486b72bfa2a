"""Probes: where no row fits, what a stage reads is proven."""

import mistakes
import pytest
import torch

import npcbam


class MedianPool(mistakes.Right):
    def top(self, x):
        return x.flatten(2).median(2)[0]


class Halved(mistakes.Right):
    def avg(self, x):
        return super().avg(x) / 3


class EvenChannels(mistakes.Right):
    def planes(self, f):
        return super().planes(f[:, ::2])


class Cosine(mistakes.Right):
    squash = staticmethod(torch.cos)


@pytest.mark.parametrize(
    ("block", "stage", "code", "said"),
    [
        (mistakes.FixedWindow, "channel", "channel-reads-positions", "no global pool"),
        (MedianPool, "channel", "channel-reads-more", "more than the average and the maximum"),
        (Halved, "channel", "channel-unknown", "reads the average and the maximum"),
        (EvenChannels, "spatial", "spatial-reads-channels", "which channel a value stands in"),
        (Cosine, "spatial", "spatial-unknown", "; the nearest is off by "),
    ],
)
def test_what_is_proven(block, stage, code, said):
    report = npcbam.check(block, channels=32)
    assert report.verdict == "wrong"
    assert (report.findings[0].stage, report.findings[0].code) == (stage, code), str(report)
    assert said in report.findings[0].message
