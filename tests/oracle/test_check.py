"""check: right blocks are called right, every planted mistake is called wrong."""

import sys
from dataclasses import replace

import mistakes
import numpy as np
import pytest
import torch
import torch_blocks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import npcbam
from npcbam import CBAM
from npcbam.oracle import Candidate, CannotRun, examples
from npcbam.presets import PRESETS

FAITHFUL = ["paper", "paper_biased", "official", "timm"]


# Right ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("preset", torch_blocks.BLOCKS)
def test_known_blocks(preset, dims):
    block = torch_blocks.BLOCKS[preset](24, 3, kernel_size=7 if dims < 3 else 3, dims=dims)
    report = npcbam.check(block, expect=preset)
    assert report.ok, str(report)
    assert report.presets == (preset,)
    faithful = preset in FAITHFUL and dims < 3
    assert report.verdict == ("faithful" if faithful else "variant")


@pytest.mark.parametrize("preset", PRESETS)
def test_own_presets(preset):
    report = npcbam.check(CBAM.init(0, 32, preset=preset), expect=preset)
    assert report.ok, str(report)
    assert report.presets == (preset,)
    assert report.verdict == ("faithful" if preset in FAITHFUL else "variant")
    assert npcbam.check(CBAM.init(0, 32, preset=preset)).ok == (preset in FAITHFUL)


@pytest.mark.parametrize("block", mistakes.RIGHT)
def test_free_conventions(block):
    report = npcbam.check(block, channels=32)
    assert report.verdict == "faithful", str(report)


@pytest.mark.parametrize("block", mistakes.VARIANTS)
def test_variants(block):
    report = npcbam.check(block, channels=32)
    assert (report.verdict, report.ok, report.reasons) == ("variant", False, ())
    assert report.departures == (mistakes.VARIANTS[block],)
    # A preset does not fix the size of the kernel.
    assert report.presets == (("paper",) if block is mistakes.SmallKernel else ())


@pytest.mark.parametrize(("channels", "hidden"), [(1, 1), (2, 1), (3, 3), (8, 8), (16, 1), (17, 2)])
@pytest.mark.parametrize("preset", ["official", "seed"])
def test_shapes_that_leave_a_choice(preset, channels, hidden):
    # b0, the convolution's bias and the norm's arrays may all have one element.
    report = npcbam.check(torch_blocks.BLOCKS[preset](channels, hidden))
    assert report.verdict != "wrong", str(report)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_no_false_alarm(data):
    preset = data.draw(st.sampled_from(sorted(PRESETS)))
    hidden, factor = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 9))
    cbam = CBAM.init(0, hidden * factor, factor, data.draw(st.sampled_from([3, 7])), preset)
    cbam = replace(
        cbam,
        order=data.draw(st.sampled_from(["channel-first", "spatial-first", "parallel"])),
        residual=data.draw(st.booleans()),
        channel=replace(cbam.channel, ties=data.draw(st.sampled_from(["first", "even"]))),
    )
    report = npcbam.check(cbam, seed=data.draw(st.integers(0, 99)))
    assert report.verdict != "wrong", str(report)


def test_ties_are_settled_in_either_gate():
    report = npcbam.check(mistakes.MixedTies, channels=32)
    assert (report.conventions["ties"], report.presets) == ("even, first", ())
    assert npcbam.check(mistakes.Right, channels=32).conventions["ties"] == "first"


# Wrong ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize("block", mistakes.FORWARD)
def test_forward_mistakes(block):
    report = npcbam.check(block, channels=32)
    assert (report.verdict, report.ok) == ("wrong", False)
    assert report.reasons[0].startswith("y differs on ")
    assert any(not row.ok for row in report.rows if row.tensor == "y")


@pytest.mark.parametrize("block", mistakes.BACKWARD)
def test_backward_mistakes(block):
    report = npcbam.check(block, channels=32)
    assert (report.verdict, report.ok) == ("wrong", False)
    assert all(row.ok for row in report.rows if row.tensor == "y")
    assert report.reasons[0].startswith("y is right, but d")


def test_a_map_alone_is_not_compared():
    # On one position the channel map has the shape of x.
    report = npcbam.check(mistakes.OnlyTheChannelMap, channels=32)
    assert (report.verdict, report.rows, report.conventions) == ("wrong", (), {})
    assert len(report.reasons) == 1


def test_the_nearest_reading_fits_the_most_inputs():
    report = npcbam.check(mistakes.TwiceOnSmallMaps, channels=32)
    assert (report.verdict, report.departures) == ("wrong", ())
    assert report.reasons == ("y differs on 2 of 6 inputs: small, point",)


def test_an_array_without_effect_has_no_gradient():
    def moved(params, x):
        y, pullback = examples.right(params, x)

        def moved_pullback(dy):
            dparams, dx = pullback(dy)
            return dparams | {"extra": np.ones(5)}, dx

        return y, moved_pullback

    report = npcbam.check(moved, parameters=examples.init(32) | {"extra": np.ones(5)})
    assert {row.tensor for row in report.rows if not row.ok} == {"d extra"}


def test_ties_alone_tell():
    for block in (mistakes.EveryTieTakesAll, mistakes.LastTie):
        bad = {row.input for row in npcbam.check(block, channels=32).rows if not row.ok}
        assert bad == {"ties"}


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (mistakes.OnlyTheMap, "expected the shape of x, (3, 32, 7, 5), got (3, 1, 7, 5)"),
        (mistakes.ReturnsModule, "forward: expected one tensor, got ReturnsModule"),
        (mistakes.ReturnsPair, "forward: expected one tensor, got tuple"),
        (mistakes.NotSmall, "it fails on `small` (a map smaller than the kernel), and on 1 more"),
        (mistakes.OneSize, "it runs on maps of 14 x 14"),
        (mistakes.BackwardFails, "its backward fails on `noise`"),
        (mistakes.GivesNan, "; it holds nan"),
        (mistakes.OneLayer, "no two of its parameters can be W0 (C/r, C) and W1 (C, C/r): it has "),
    ],
)
def test_reasons(block, reason):
    report = npcbam.check(block, channels=32)
    assert report.verdict == "wrong"
    assert reason in "\n".join(report.reasons)


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (nn.Conv2d(4, 4, 3), "no two of its parameters can be W0 (C/r, C) and W1 (C, C/r): it has"),
        (nn.ReLU(), "it has no parameters, where a CBAM has at least W0 (C/r, C) and W1 (C, C/r)"),
        (nn.Sequential(*(nn.Linear(2, 2) for _ in range(20))), "it has 40 arrays of parameters"),
        (nn.ParameterDict({"w": torch.zeros(0, 8), "v": torch.zeros(8, 0)}), "has no unit, v is"),
        (nn.Sequential(nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)), "y differs on 6 of 6 inputs"),
    ],
)
def test_what_is_no_cbam(candidate, reason):
    report = npcbam.check(candidate)
    assert report.verdict == "wrong"
    assert reason in report.reasons[0]


@pytest.mark.parametrize("tensor", ["x", "w0", "w1", "kernel"])
def test_one_part_in_a_hundred_million_is_seen(tensor):
    def slightly(params, x):
        y, pullback = examples.right(params, x)

        def slightly_pullback(dy):
            dparams, dx = pullback(dy)
            found = dparams | {"x": dx}
            # In one entry, the largest.
            at = np.unravel_index(np.abs(found[tensor]).argmax(), found[tensor].shape)
            found[tensor][at] *= 1 + 1e-8
            return found, found["x"]

        return y, slightly_pullback

    report = npcbam.check(slightly, parameters=examples.init(32))
    assert {row.tensor for row in report.rows if not row.ok} == {
        "dx" if tensor == "x" else f"d {tensor}"
    }


@pytest.mark.parametrize("example", examples.VERDICTS)
def test_examples(example):
    report = npcbam.check(example)
    assert report.verdict == examples.VERDICTS[example]
    assert report.conventions["planes"] == "[avg, max]"
    seen = report.conventions["ties"]
    assert seen == ("even" if example is examples.right else "not seen")


def test_gradients_not_seen():
    def forward_only(params, x):
        return examples.right(params, x)[0]

    report = npcbam.check(forward_only, parameters=examples.init(32), expect="paper")
    assert report.ok
    assert report.conventions["ties"] == "not seen"
    assert "Gradients were not seen." in str(report)


# What the check does to its candidate -------------------------------------------------------


def test_the_candidate_is_not_touched():
    block = mistakes.InPlace(32)
    block.train()
    before = {name: value.clone() for name, value in block.state_dict().items()}
    x = torch.ones(1, 32, 2, 2)
    npcbam.check(block)
    assert block.training
    assert block(x).dtype == torch.float32
    for name, value in block.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in block.parameters())


def test_nothing_hides_behind_a_zero():
    block = torch_blocks.Official(32, 2)
    nn.init.zeros_(block.SpatialGate.spatial.bn.weight)
    assert npcbam.check(block, expect="official").ok

    class NormForgotten(torch_blocks.OfficialConv):
        def forward(self, planes):
            return self.bn(0 * self.conv(planes))

    block.SpatialGate.spatial = NormForgotten(7, 2)
    nn.init.zeros_(block.SpatialGate.spatial.bn.weight)
    assert npcbam.check(block).verdict == "wrong"


def test_seed_repeats():
    one, two, other = (npcbam.check(mistakes.TwoSigmoids, channels=32, seed=s) for s in (1, 1, 2))
    assert one.rows == two.rows != other.rows


def test_a_mistake_stands_beside_what_was_meant():
    report = npcbam.check(mistakes.SpatialFromInput, channels=32)
    assert report.departures == ()

    class Wrong(torch_blocks.Seed):
        def forward(self, x):
            return x * self.ca(x) * self.sa(x) + x

    assert npcbam.check(Wrong(32, 2), expect="seed").departures == ("x is added back",)

    class LightWrong(torch_blocks.TimmLight):
        def forward(self, x):
            return torch.sigmoid(self.channel(x)) * self.spatial(x)

    light = npcbam.check(LightWrong(32, 2), expect="timm_light")
    assert len(light.departures) == 2
    assert len(npcbam.check(LightWrong(32, 2)).departures) == 1


class Own(Candidate):
    """A candidate written for this interface."""

    name = "own"

    def __init__(self):
        self.parameters, self.buffers = examples.init(32), {}

    def forward(self, params, x):
        return examples.right(dict(params), x)[0]

    def vjp(self, params, x, dy):
        dparams, dx = examples.right(dict(params), x)[1](dy)
        return dparams, dx[:, :, :1] if x.shape[3] > 1 else dx


def test_own_candidate_with_a_cotangent_of_another_shape():
    report = npcbam.check(Own())
    assert report.verdict == "wrong"
    assert "dx: expected shape (3, 32, 7, 5), got (3, 32, 1, 5)" in report.reasons[0]


# Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        ({"channels": 0}, ValueError, "channels: expected at least 1, got 0"),
        ({"channels": 2.0}, TypeError, "channels: expected an integer, got 2.0"),
        ({"seed": -1}, ValueError, "seed: expected a seed of at least 0, got -1"),
        ({"expect": "right"}, ValueError, "expect: expected 'faithful', 'paper', "),
    ],
)
def test_bad_arguments(bad, kind, message):
    with pytest.raises(kind) as caught:
        npcbam.check(mistakes.Right, **bad)
    assert str(caught.value).startswith(message)


def test_a_candidate_that_never_runs():
    class Never(mistakes.Right):
        def forward(self, x):
            raise KeyError("lost")

    with pytest.raises(CannotRun, match=r"Never fails on shape \(3, 32, 7, 5\): KeyError: 'lost'"):
        npcbam.check(Never, channels=32)


def test_check_is_the_function():
    assert callable(npcbam.check)
    assert npcbam.check is sys.modules["npcbam.oracle.check"].check
