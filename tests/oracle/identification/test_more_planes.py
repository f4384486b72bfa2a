"""Spatial gates of three planes and four are called wrong, and each plane is named."""

import pytest
import torch
from mistakes import Right
from torch import nn

from npcbam import check

torch.set_num_threads(1)


def least(f):
    return f.amin(1, keepdim=True)


def deviation(f):
    return f.std(1, keepdim=True)


def cubes(f):
    return (f**3).mean(1, keepdim=True)


class MorePlanes(Right):
    """Average and maximum, and others after them."""

    others = (least,)

    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = nn.Conv2d(2 + len(self.others), 1, 7, padding=3)

    def planes(self, f):
        return *super().planes(f), *(other(f) for other in self.others)


class Deviation(MorePlanes):
    others = (deviation,)


class Four(MorePlanes):
    others = (least, deviation)


class Cubes(MorePlanes):
    others = (cubes,)


class Reversed(MorePlanes):
    def planes(self, f):
        return super().planes(f)[::-1]


class Residual(MorePlanes):
    def forward(self, x):
        return super().forward(x) + x


class SpatialFirst(MorePlanes):
    def forward(self, x):
        f = self.ms(x) * x
        return self.mc(f) * f


class KerasNorm(MorePlanes):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1, eps=1e-3)

    def squash(self, z):
        return torch.sigmoid(self.norm(z))


class OfAnotherConvolution(MorePlanes):
    """The third plane has weights of its own, in an array that could be a bias."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.third = nn.Conv2d(channels, 1, 1, bias=False)
        self.others = (self.third,)


class NoSigmoidToo(MorePlanes):
    """Two mistakes: as long as the map is no sigmoid's, no plane can be told."""

    squash = staticmethod(torch.tanh)


class PooledWrong(MorePlanes):
    """Two mistakes in two stages."""

    def top(self, x):
        return self.avg(x)


NAMED = {
    MorePlanes: "three planes go into the convolution, [avg, max, min], where Eq. 3 has two",
    Deviation: "three planes go into the convolution, [avg, max, std], where Eq. 3 has two",
    Four: "four planes go into the convolution, [avg, max, min, std], where Eq. 3 has two",
    Reversed: "three planes go into the convolution, [min, max, avg], where Eq. 3 has two",
    Residual: "three planes go into the convolution, [avg, max, min], where Eq. 3 has two",
    SpatialFirst: "three planes go into the convolution, [avg, max, min], where Eq. 3 has two",
    KerasNorm: "three planes go into the convolution, [avg, max, min], where Eq. 3 has two",
    PooledWrong: "three planes go into the convolution, [avg, max, min], where Eq. 3 has two",
    Cubes: "three planes go into the convolution, [avg, max, ?], where Eq. 3 has two, [avg, max]; "
    "one or more are no pool that is known",
    OfAnotherConvolution: "three planes go into the convolution, [avg, max, ?], where Eq. 3",
    NoSigmoidToo: "three planes go into the convolution, where Eq. 3 has two, [avg, max]; "
    "one or more are no pool that is known",
}


ELSEWHERE = {Residual: {"compose"}, SpatialFirst: {"compose"}, PooledWrong: {"channel"}}


def of_space(report):
    return [(f.code, f.message) for f in report.findings if f.stage == "spatial"]


@pytest.mark.parametrize("block", NAMED, ids=lambda block: block.__name__)
def test_more_planes_are_wrong_and_named(block):
    report = check(block, channels=32)
    assert report.verdict == "wrong"
    [(code, said)] = of_space(report)
    assert code == NAMED[block].partition(" ")[0] + "-planes"
    assert said.startswith(NAMED[block])
    assert {f.stage for f in report.findings} == {"spatial"} | ELSEWHERE.get(block, set())


def test_what_else_is_wrong_is_still_seen():
    codes = {finding.code for finding in check(PooledWrong, channels=32).findings}
    assert codes == {"channel-avg-twice", "three-planes"}
    detached = type("Detached", (MorePlanes,), {"others": (lambda f: least(f).detach(),)})
    found = {(f.stage, f.code) for f in check(detached, channels=32).findings}
    assert found == {("spatial", "three-planes"), ("gradient", "gradient-wrong")}


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
    assert [code for code, _ in of_space(report)] == ["spatial-avg-only", "kernel-size"]
