"""Spatial gates of three planes: what else is wrong is seen, and a kernel with a depth is none."""

import torch
from planted.base import Right
from planted.more_planes import ThreePlanes, least
from torch import nn

from npcbam import check


def test_what_else_is_wrong_is_still_seen():
    detached = type("Detached", (ThreePlanes,), {"others": (lambda f: least(f).detach(),)})
    found = {(f.stage, f.code) for f in check(detached, channels=32).findings}
    assert found == {("spatial", "more-planes"), ("gradient", "gradient-wrong")}


def test_three_dimensions_are_no_planes():
    class Volume(Right):
        def __init__(self, channels=64):
            super().__init__(channels)
            # A kernel of one plane, whose first axis is left out.
            self.conv = nn.Parameter(torch.zeros(1, 3, 3, 3))

        def mc(self, x):
            return super().mc(x.flatten(3))[..., None]

        def avg(self, x):
            return x.mean((2, 3))

        def ms(self, f):
            z = nn.functional.conv3d(f.mean(1, keepdim=True), self.conv[None], padding=1)
            return torch.sigmoid(z)

    report = check(Volume, channels=32)
    assert report.verdict == "variant", report
    assert [f.code for f in report.findings if f.stage == "spatial"] == [
        "spatial-avg-only",
        "kernel-size",
    ]
