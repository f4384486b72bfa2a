"""The kin of CBAM are named, in any spelling, and nothing else is."""

import functools
import importlib
import inspect
import itertools

import kin_numpy
import kin_torch
import numpy as np
import pytest
import torch
from tiers import first
from torch import nn

import npcbam
from npcbam import CBAM
from npcbam.oracle.candidates import adapt
from npcbam.oracle.identification import kin
from npcbam.oracle.identification.kin import kin_of
from npcbam.oracle.probing.trial import with_a_column
from npcbam.oracle.rules import lines
from npcbam.oracle.rules.kin import RULES
from npcbam.presets import PRESETS


def code_of(block, channels=32, seed=0, **how):
    found = kin_of(adapt(block, channels, **how), channels, seed)
    return None if found is None else found.code


@pytest.mark.parametrize("name", kin_torch.BLOCKS)
def test_torch(name):
    code, make = kin_torch.BLOCKS[name]
    report = npcbam.check(make(32), channels=32)
    assert [f.code for f in report.findings] == [code]
    assert report.verdict == "wrong"
    assert "and not CBAM" in str(report).replace("\n            ", " ")


@pytest.mark.parametrize("f", kin_numpy.BLOCKS, ids=lambda f: f.__name__)
def test_numpy(f):
    report = npcbam.check(f, parameters=kin_numpy.BLOCKS[f](16), channels=16)
    assert [finding.code for finding in report.findings] == [kin_numpy.CODES[f]]


@pytest.mark.second_tier
def test_flax():
    kin_flax = importlib.import_module("kin_flax")
    for code, block in kin_flax.BLOCKS.items():
        assert code_of(block()) == code


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_lines_of_a_rule(rule):
    for which, expected in (("bad", rule.code), ("fix", None)):
        f, parameters = lines.candidate(rule, which)
        assert code_of(f, lines.CHANNELS, parameters=parameters) == expected
    assert rule.sentence.startswith("this is ")
    assert rule.status == "wrong"


def test_what_no_array_tells_is_evidence():
    def said(block):
        return kin_of(adapt(block), 32, 0).evidence

    assert said(kin_torch.Eca(64))["kernel"] == 3
    seven = said(kin_torch.Eca(32, size=7, around="circular"))
    assert (seven["kernel"], seven["kernel by its rule"]) == (7, 3)
    assert seven["padding"] == "circular"
    bam = said(kin_torch.Bam(32, dilation=2, merge="sum"))
    assert (bam["dilation"], bam["merge"], bam["hidden"]) == (2, "sum", 4)
    assert bam["norms"] == "hidden, reduce, dilated"
    assert said(kin_torch.SimAm(32, least=3e-3))["lambda"] == 3e-3
    assert said(kin_torch.GatedChannels(32, mode="l1"))["norm"] == "l1"
    assert said(kin_torch.Gaussian(32, c=3.0))["rate"] == 1.5


def test_channels_come_from_the_arrays():
    # 64 is what `check` builds a class with; an instance has as many as it has.
    assert kin_of(adapt(kin_torch.ScSe(32)), 64, 0).evidence["channels"] == 32
    assert code_of(kin_torch.Bam(16, reduction=16), 16) == "bam"
    assert code_of(kin_torch.CoordAtt(8, reduction=1), 8) == "coordinate-attention"


def test_square_matrices_lie_either_way():
    square = {"w0": np.ones((16, 16)), "w1": np.ones((16, 16)), "w": np.ones(16)}

    def turned(params, x):
        return kin_numpy.scse({k: v.T for k, v in params.items()}, x)

    assert code_of(kin_numpy.scse, 16, parameters=square) == "scse"
    assert code_of(turned, 16, parameters=square) == "scse"


def test_a_kin_on_maps_of_one_size_is_none():
    rows, columns = kin.SPACES[0][0]
    by_count = changed(
        kin_torch.EcaOfShifts, ("x.mean((2, 3))", f"x.sum((2, 3)) / {rows * columns}")
    )
    assert code_of(by_count(32)) is None


@pytest.mark.parametrize("seed", first(1, range(5)))
def test_any_seed(seed):
    for code, make in kin_torch.BLOCKS.values():
        assert code_of(make(32), 32, seed) == code


def test_at_the_precision_that_it_has():
    class Single(kin_torch.Eca):
        def forward(self, x):
            if x.dtype != torch.float32:
                raise RuntimeError("expected float")
            return super().forward(x)

    class HalfAlone(kin_torch.Eca):
        def forward(self, x):
            if x.dtype != torch.float16:
                raise RuntimeError("expected half")
            return super().forward(x)

    assert code_of(Single(32)) == "eca"
    assert code_of(HalfAlone(32)) is None


class EcaMap(kin_torch.Eca):
    def forward(self, x):
        return super().forward(x).sum((2, 3), keepdim=True) / x.sum((2, 3), keepdim=True)


def test_a_half_that_gives_its_map():
    half = with_a_column(adapt(EcaMap(32), 32, stage="channel"))
    assert kin_of(half, 32, 0).code == "eca"
    assert npcbam.check(EcaMap(32), channels=32, stage="channel").findings[0].code == "eca"
    # The whole of a block is no map.
    assert code_of(EcaMap(32)) is None
    assert (
        npcbam.check(kin_torch.SimAm(32), channels=32, stage="spatial").findings[0].code == "simam"
    )


# Not quite a kin ----------------------------------------------------------------------------


def changed(base, *swaps, **how):
    """Return a block with its source changed."""
    source = inspect.getsource(base)
    for old, new in swaps:
        assert old in source, old
        source = source.replace(old, new)
    space = dict(vars(inspect.getmodule(base)))
    exec(source, space)
    return functools.partial(space[base.__name__], **how)


T = kin_torch
FIRST_NORM = "h if i else channels, h), h, True", "h if i else channels, h), h, False"
FIRST_SILU = "nn.ReLU()]", "nn.SiLU()]"
NEAR = {
    "ECA without its sigmoid": changed(T.Eca, ("torch.sigmoid(self.conv(f))", "self.conv(f)")),
    "ECA of the maximum": changed(T.Eca, ("adaptive_avg_pool2d", "adaptive_max_pool2d")),
    "ECA and x": changed(T.Eca, ("return x *", "return x + x *")),
    "ECA with a tanh": changed(T.Eca, ("torch.sigmoid", "torch.tanh")),
    "ECA with taps apart": changed(
        T.Eca, ("padding=size // 2", "padding=2 * (size // 2), dilation=2")
    ),
    "ECA off by one": changed(T.EcaOfShifts, ("(2, 2)", "(1, 3)")),
    "ECA by the sum": changed(T.EcaOfShifts, ("x.mean", "x.sum")),
    "BAM without 1": changed(T.Bam, ("(1 + torch.sigmoid(z))", "torch.sigmoid(z)")),
    "BAM without a sigmoid": changed(T.Bam, ("torch.sigmoid(z)", "z")),
    "BAM of the difference": changed(T.Bam, ("c + s", "c - s"), merge="sum"),
    "BAM with steps of 5": functools.partial(T.Bam, dilation=5),
    "BAM with a SiLU": changed(T.Bam, FIRST_NORM, FIRST_SILU),
    "BAM of maxima": changed(T.Bam, ("x.mean((2, 3))", "x.amax((2, 3))")),
    "coordinates of maxima": changed(T.CoordAtt, ("avg_pool2d(x, (None", "max_pool2d(x, (None")),
    "one coordinate": changed(T.CoordAtt, ("x * gate_w *", "x *")),
    "coordinates with x": changed(T.CoordAtt, ("return x *", "return x + x *")),
    "coordinates added": changed(T.CoordAttOfMeans, (" * torch.sigmoid(gates[1])", " + gates[1]")),
    "coordinates with a tanh": changed(T.CoordAtt, ("HSWISH[act]()", "nn.Tanh()")),
    "scSE averaged": functools.partial(T.ScSe, merge=lambda a, b: (a + b) / 2),
    "scSE with the smaller": functools.partial(T.ScSe, merge=torch.minimum),
    "scSE one after the other": changed(T.ScSe, ("self.sse(x))", "self.sse(x * self.cse(x)))")),
    "scSE without ReLU": changed(T.ScSe, ("nn.ReLU(inplace=True)", "nn.Identity()")),
    "scSE of a tanh": changed(T.ScSeOfLinears, ("sigmoid(self.squeeze", "tanh(self.squeeze")),
    "SimAM by all entries": changed(T.SimAm, ("x.shape[3] - 1", "x.shape[3]")),
    "SimAM without a half": changed(T.SimAm, (" + 0.5", "")),
    "SimAM by 2": changed(T.SimAm, ("4 *", "2 *")),
    "SimAM over the rows": changed(T.SimAm, ("(dim=[2, 3]", "(dim=[2]")),
    "GCT with a sigmoid": changed(T.GatedChannels, ("torch.tanh", "torch.sigmoid")),
    "GCT without 1": changed(T.GatedChannels, ("1 + torch.tanh", "torch.tanh")),
    "GCT by the sum of all": changed(T.GatedChannels, ("f.pow(2).mean", "f.pow(2).sum")),
    "GCT of means": changed(T.GatedChannels, ("x.pow(2).sum", "x.pow(2).mean")),
    "Gaussian not normalised": changed(T.Gaussian, (" / torch.sqrt(var + 1e-5)", "")),
    "Gaussian of absolute values": changed(T.Gaussian, ("z**2", "z.abs()")),
    "Gaussian with another width": changed(T.GaussianLearnt, ("3 *", "2 *")),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_is_nearly_a_kin_is_not_named(name):
    block = NEAR[name](32)
    assert [code_of(block, 32, seed) for seed in range(3)] == [None] * 3


OTHERS = [nn.Identity(), nn.ReLU(), nn.SiLU(), nn.GELU(), nn.Sigmoid(), nn.Conv1d(1, 1, 3),
          nn.BatchNorm2d(32), nn.LayerNorm(5), nn.Conv2d(32, 32, 3, padding=1),
          nn.InstanceNorm2d(32), nn.PReLU(), nn.PReLU(32), nn.Softmax2d()]  # fmt: skip


@pytest.mark.parametrize("block", OTHERS, ids=str)
def test_layers_are_no_kin(block):
    assert code_of(block) is None


# At random ----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_no_cbam_is_a_kin(preset):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        hidden, reduction, kernel = rng.integers(1, 5), rng.integers(1, 9), rng.choice([3, 7])
        channels = max(int(hidden * reduction), 2)
        block = CBAM.init(rng, channels, min(int(reduction), channels), int(kernel), preset)
        for channels_said in (channels, 64):
            assert kin_of(adapt(block), channels_said, seed) is None


def drawn(rng):
    """Return a kin at random and its code, or a near one and None."""
    table = {name: (None, make) for name, make in NEAR.items()} | kin_torch.BLOCKS
    name = str(rng.choice([*table]))
    code, make = table[name]
    return name, code, make(int(rng.choice([32, 64, 96])))


@pytest.mark.second_tier
def test_no_kin_is_another():
    rng = np.random.default_rng(0)
    for seed in range(100):
        name, code, block = drawn(rng)
        assert code_of(block, 32, seed) == code, name


def test_the_candidate_runs_a_few_times_alone():
    def runs(block, parameters=None):
        candidate, count = adapt(block, 32, parameters=parameters), itertools.count()
        forward = type(candidate).forward

        class Counted(type(candidate)):
            def forward(self, params, x):
                next(count)
                return forward(self, params, x)

        candidate.__class__ = Counted
        kin_of(candidate, 32, 0)
        return next(count)

    # Two inputs; a third where it does not take maps of unequal sides.
    assert {runs(make(32)) for _, make in kin_torch.BLOCKS.values()} == {2, 3}
    assert max(runs(make(32)) for make in NEAR.values()) <= 3
    assert runs(nn.Conv2d(32, 32, 3, padding=1)) == 0
    for preset in PRESETS:
        assert runs(CBAM.init(0, channels=32, preset=preset)) == 0
