"""Right blocks written in other ways than most are called right, and wrong ones like them wrong."""

import mistakes
import pytest
import torch
from mistakes import Right
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from npcbam import check
from npcbam.oracle import case

torch.set_num_threads(1)


class Checkpointed(Right):
    """The backward runs the forward once more."""

    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=False)


class CheckpointedDetached(mistakes.MaxDetached):
    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=False)


class WeightNorm(Right):
    """The kernel is made of a direction and a size."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = parametrizations.weight_norm(self.conv)


class WeightNormFlipped(mistakes.FlippedKernel):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = parametrizations.weight_norm(self.conv)


class ByFourier(Right):
    """The convolution is a product of transforms, whose rounding spreads over all entries."""

    def ms(self, f):
        planes, kernel = torch.cat(self.planes(f), 1), self.conv.weight
        if not len(planes):  # MKL refuses it
            return planes[:, :1]
        wide = torch.promote_types(planes.dtype, torch.float32)
        size = [n + 6 for n in planes.shape[2:]]
        one, two = (torch.fft.rfft2(a.to(wide), size) for a in (planes, kernel))
        z = torch.fft.irfft2((one * two.conj()).sum(1, keepdim=True), size).roll((3, 3), (2, 3))
        return torch.sigmoid(z[:, :, : f.shape[2], : f.shape[3]]).to(f.dtype)


class Frozen(Right):
    """No weight is learnt."""

    def __init__(self, channels=64):
        super().__init__(channels)
        weights = {name: value.detach() for name, value in self.named_parameters()}
        del self.fc1, self.fc2, self.conv
        for name, value in weights.items():
            self.register_buffer(name.partition(".")[0], value)

    def mlp(self, f):
        return F.linear(F.relu(F.linear(f, self.fc1)), self.fc2)

    def ms(self, f):
        return torch.sigmoid(F.conv2d(torch.cat(self.planes(f), 1), self.conv, padding=3))


class FrozenAverageTwice(Frozen):
    def top(self, x):
        return self.avg(x)


class TwoConvolutions(Right):
    """Each plane has a convolution of its own."""

    def __init__(self, channels=64, bias=False):
        super().__init__(channels)
        del self.conv
        self.of_max = nn.Conv2d(1, 1, 7, padding=3, bias=bias)
        self.of_avg = nn.Conv2d(1, 1, 7, padding=3, bias=bias)

    def ms(self, f):
        avg, top = self.planes(f)
        return torch.sigmoid(self.of_avg(avg) + self.of_max(top))


class TwoConvolutionsBiased(TwoConvolutions):
    def __init__(self, channels=64):
        super().__init__(channels, bias=True)


class TwoConvolutionsOfAverage(TwoConvolutionsBiased):
    def planes(self, f):
        return f.mean(1, keepdim=True), f.mean(1, keepdim=True)


class OneConvolutionDetached(TwoConvolutions):
    def planes(self, f):
        avg, top = super().planes(f)
        return avg, top.detach()


class TwoSpatialSigmoids(TwoConvolutions):
    def ms(self, f):
        avg, top = self.planes(f)
        return torch.sigmoid(self.of_avg(avg)) * torch.sigmoid(self.of_max(top))


class OtherEps(Right):
    """A norm with an eps that no table has."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(1, eps=2.5e-5)

    def squash(self, z):
        return torch.sigmoid(self.norm(z))


class TinyEps(OtherEps):
    def __init__(self, channels=64):
        super().__init__(channels)
        self.norm.eps = 1e-8

    def planes(self, f):
        return super().planes(f)[::-1]


class EpsAfterTheRoot(OtherEps):
    def squash(self, z):
        n = self.norm
        z = (z - n.running_mean) / (n.running_var.sqrt() + 0.01)
        return torch.sigmoid(n.weight * z + n.bias)


class Unfolded(Right):
    """The kernel is an array of another shape, and multiplies patches: plane, row, column."""

    shape = (98,)

    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = nn.Parameter(torch.zeros(self.shape))

    def patches(self, f):
        return F.unfold(torch.cat(self.planes(f), 1), 7, padding=3).mT

    def ms(self, f):
        z = self.patches(f) @ self.conv.flatten()
        return torch.sigmoid(z.reshape(len(f), 1, *f.shape[2:]))


class UnfoldedFlipped(Unfolded):
    def patches(self, f):
        return super().patches(f).unflatten(2, (2, 49)).flip(3).flatten(2)


class UnfoldedAsLongAsABias(Unfolded):
    """The kernel has as many entries as there are channels."""

    def __init__(self, channels=98):
        super().__init__(98)
        self.fc1, self.fc2 = nn.Linear(98, 7), nn.Linear(7, 98)


class Matrix(Unfolded):
    shape = (2, 49)


class PlanesOfAnArray(Unfolded):
    shape = (2, 7, 7)


class PlanesLast(Unfolded):
    """The planes come last, as where patches are cut out of channels-last maps."""

    shape = (49, 2)

    def patches(self, f):
        return super().patches(f).unflatten(2, (2, 49)).mT.flatten(2)


class PlanesLastInAVector(PlanesLast):
    shape = (98,)


class PatchLinear(Unfolded):
    def __init__(self, channels=64):
        super().__init__(channels)
        del self.conv
        self.conv = nn.Linear(98, 1)
        self.norm = nn.BatchNorm2d(1)

    def ms(self, f):
        z = self.conv(self.patches(f)).mT
        return torch.sigmoid(self.norm(z.reshape(len(f), 1, *f.shape[2:])))


class PlanesInDepth(Right):
    """The planes are the depth of a convolution over three axes."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.conv = nn.Conv3d(1, 1, (2, 7, 7), padding=(0, 3, 3))

    def ms(self, f):
        return torch.sigmoid(self.conv(torch.cat(self.planes(f), 1)[:, None])[:, 0])


class Hidden(Right):
    """A hidden layer of any width, its matrices stored as x @ w has them, or not, each."""

    def __init__(self, channels=64, width=2.0, x_w0=False, x_w1=False):
        super().__init__(channels)
        hidden = max(int(channels * width), 1)
        self.x_w0, self.x_w1 = x_w0, x_w1
        self.fc1 = nn.Parameter(torch.zeros((channels, hidden) if x_w0 else (hidden, channels)))
        self.fc2 = nn.Parameter(torch.zeros((hidden, channels) if x_w1 else (channels, hidden)))

    def mlp(self, f):
        h = self.act(f @ (self.fc1 if self.x_w0 else self.fc1.T))
        return h @ (self.fc2 if self.x_w1 else self.fc2.T)


class WideReluAfter(Hidden):
    def mlp(self, f):
        return F.relu(super().mlp(f))


class WideOneSize(Hidden):
    def forward(self, x):
        if x.shape[2:] != (14, 14):
            raise ValueError("14 x 14 alone")
        return super().forward(x)


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


class InTurnDetached(MaximaInTurn):
    def planes(self, f):
        avg, top = super().planes(f)
        return avg, top.detach()


class TopOne(Right):
    """Which of the tied it takes is not told."""

    def top(self, x):
        return x.flatten(2).topk(1)[0][..., 0]


class Sorted(Right):
    def top(self, x):
        return x.flatten(2).sort()[0][..., -1]


class InTurnByTwoRules(Right):
    def top(self, x):
        return x.max(3)[0].amax(2)


class ByHalves(Right):
    def top(self, x):
        flat, middle = x.flatten(2), x.shape[2] * x.shape[3] // 2
        return torch.maximum(flat[:, :, : max(middle, 1)].amax(2), flat[:, :, middle:].amax(2))


class ByHalvesEven(ByHalves):
    def planes(self, f):
        return super().planes(f)[0], f.amax(1, keepdim=True)


class TiesLoseHalf(TopOne):
    """Where there are two or more, half of the gradient is lost."""

    def top(self, x):
        top = super().top(x)
        tied = (x == top[:, :, None, None]).sum((2, 3)) > 1
        return torch.where(tied, (top + top.detach()) / 2, top)


class LastOfTheChannels(Right):
    def planes(self, f):
        return super().planes(f)[0], f.flip(1).max(1, keepdim=True)[0]


class TransposedIfSquare(Right):
    def ms(self, f):
        return super().ms(f).mT if f.shape[2] == f.shape[3] else super().ms(f)


class WrongIfLarge(Right):
    def ms(self, f):
        return super().ms(f) * (1 if f.shape[2] < 32 else 1.01)


RIGHT = [
    Checkpointed,
    WeightNorm,
    ByFourier,
    Frozen,
    TwoConvolutions,
    TwoConvolutionsBiased,
    OtherEps,
    TinyEps,
    Unfolded,
    UnfoldedAsLongAsABias,
    Matrix,
    PlanesOfAnArray,
    PlanesLast,
    PlanesLastInAVector,
    PatchLinear,
    PlanesInDepth,
]
WRONG = {
    TiesLoseHalf: "tie-rule-unknown",
    CheckpointedDetached: "channel-max-detached",
    WeightNormFlipped: "spatial-flipped-kernel",
    FrozenAverageTwice: "channel-avg-twice",
    TwoConvolutionsOfAverage: "spatial-avg-twice",
    OneConvolutionDetached: "spatial-max-detached",
    TwoSpatialSigmoids: "spatial-unknown",
    EpsAfterTheRoot: "precision",
    UnfoldedFlipped: "spatial-flipped-kernel",
    WideReluAfter: "channel-relu-after",
    WideOneSize: "fixed-size",
    InTurnDetached: "spatial-max-detached",
    LastOfTheChannels: "tie-rule-last",
    TransposedIfSquare: "differs-on-input",
    WrongIfLarge: "differs-on-input",
}


@pytest.mark.parametrize("block", RIGHT, ids=lambda block: block.__name__)
def test_right(block):
    report = check(block)
    assert report.verdict == "faithful", report
    assert not [f for f in report.findings if f.status != "note"]


@pytest.mark.parametrize(("block", "eps"), [(OtherEps, "2.5e-05"), (TinyEps, "1e-08")])
def test_eps_is_read_off(block, eps):
    assert {row.axis: row.value for row in check(block).conventions}["eps"] == eps


def test_a_kernel_is_drawn_alike_in_any_shape():
    """Its taps are summed: as large as a bias they would saturate the gate."""
    flat, usual = (case(block(32), "noise", channels=32)[0] for block in (Unfolded, Right))
    largest = 3 / 98**0.5
    assert 0 < abs(flat["conv"]).max() <= largest
    assert 0 < abs(usual["conv.weight"]).max() <= largest


@pytest.mark.parametrize("width", [0, 1 / 16, 1, 2])
@pytest.mark.parametrize(
    ("x_w0", "x_w1"), [(False, False), (True, True), (False, True), (True, False)]
)
def test_any_width_stored_either_way(width, x_w0, x_w1):
    report = check(Hidden(32, width, x_w0, x_w1), channels=8)
    assert report.verdict == "faithful", report
    assert f"{max(int(32 * width), 1)} of 32" in {row.value for row in report.conventions}


@pytest.mark.parametrize(
    ("axes", "channel", "spatial", "ties"),
    [
        ((2, 2), "even", "first", "even-in-turn+first"),
        ((2, 2), "even", "even", "even-in-turn+even"),
        ((3, 2), "even", "first", "even-in-turn-from-last+first"),
        ((2, 2), "first", "first", "first-in-turn+first"),
        ((2, 2), "first", "even", "first-in-turn+even"),
        ((3, 2), "first", "first", "first"),
        ((3, 2), "first", "even", "first+even"),
    ],
)
def test_the_rule_of_maxima_in_turn_is_named(axes, channel, spatial, ties):
    block = MaximaInTurn(32, axes, channel, spatial)
    report = check(block, expect=f"ties={ties}")
    assert (report.verdict, report.ok, report.findings) == ("faithful", True, ()), report
    assert "ties" in {row.axis for row in report.conventions}
    assert not check(block, expect="ties=even").ok


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_rule_is_followed_at_low_precision(dtype):
    # Rounding makes ties on all inputs, and other maxima of some.
    in_turn = (MaximaInTurn(32, channel=rule) for rule in ("even", "first"))
    for block in (*in_turn, mistakes.MixedTies(32)):
        report = check(block, dtype=dtype)
        assert report.verdict == "faithful", report


@pytest.mark.parametrize(
    ("block", "ties"),
    [
        (TopOne, "other+first"),
        (Sorted, "other+first"),
        (InTurnByTwoRules, "other+first"),
        (ByHalves, "other+first"),
        (ByHalvesEven, "other+even"),
    ],
)
def test_any_share_of_a_tie_is_a_subgradient(block, ties):
    report = check(block, channels=32, expect=f"ties={ties}")
    assert (report.verdict, report.ok) == ("faithful", True), report
    assert [f.code for f in report.findings] == ["tie-rule-other"]
    assert not [row for row in report.rows if not row.ok]


def test_the_last_of_the_tied_is_told():
    report = check(LastOfTheChannels(32))
    said = "the gradient of a tie goes to the last of the equal entries, as with max"
    assert [f.message for f in report.findings] == [f"{said} and amax of no framework"]
    assert {row.input for row in report.rows if not row.ok} == {"ties"}
    assert report.findings[0].evidence["tensor"] == "dx"


@pytest.mark.parametrize("block", WRONG, ids=lambda block: block.__name__)
def test_wrong(block):
    report = check(block)
    assert (report.verdict, report.findings[0].code) == ("wrong", WRONG[block]), report
