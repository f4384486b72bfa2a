"""check: right blocks are called right, and what a check does besides. Mistakes: test_planted."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch_blocks
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import (
    base,
    behaviours,
    channel_gates,
    compositions,
    convolutions,
    tied,
)
from tiers import first
from torch import nn

import npcbam
from npcbam import CBAM
from npcbam.oracle import Candidate, assert_faithful, case, examples
from npcbam.oracle.candidates import adapt
from npcbam.oracle.check import judge
from npcbam.oracle.comparison.tie_rules import OF_LAYERS, with_maxima
from npcbam.oracle.question import Question
from npcbam.presets import PRESETS

FAITHFUL = ["paper", "paper_biased", "official", "timm"]


def told(report):
    """Return what the findings say of the verdict."""
    return [(f.stage, f.code) for f in report.findings if f.status != "note"]


# Right ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", first(1, [2, 1, 3]))
@pytest.mark.parametrize("preset", torch_blocks.BLOCKS)
def test_known_blocks(preset, dims):
    block = torch_blocks.BLOCKS[preset](24, 3, kernel_size=7 if dims < 3 else 3, dims=dims)
    report = npcbam.check(block, expect=preset)
    assert report.ok, str(report)
    assert report.presets == (preset,)
    faithful = preset in FAITHFUL and dims == 2
    assert (
        report.verdict == ("faithful" if faithful or preset == "none" else "variant") or dims == 1
    )


@pytest.mark.parametrize("preset", first(2, PRESETS))
def test_own_presets(preset):
    report = npcbam.check(CBAM.init(0, 32, preset=preset), expect=preset)
    assert report.ok, str(report)
    assert report.presets == (preset,)
    assert report.verdict == ("faithful" if preset in FAITHFUL else "variant")
    assert npcbam.check(CBAM.init(0, 32, preset=preset)).ok == (preset in FAITHFUL)


def test_a_preset_does_not_fix_the_size_of_the_kernel():
    assert npcbam.check(convolutions.SmallKernel, channels=32).presets == ("paper",)
    assert npcbam.check(compositions.AddedBack, channels=32).presets == ()


@pytest.mark.parametrize("hidden", [1, 5])
def test_a_hidden_width_of_any_size_is_free(hidden):
    class HardCoded(base.Right):
        def __init__(self, channels=64):
            super().__init__(channels, channels // hidden)

    report = npcbam.check(HardCoded, channels=32)
    assert (report.verdict, told(report)) == ("faithful", [])


@pytest.mark.parametrize(
    ("channels", "hidden"), first(3, [(1, 1), (3, 3), (17, 2), (2, 1), (8, 8), (16, 1)])
)
@pytest.mark.parametrize("preset", first(1, ["official", "seed"]))
def test_shapes_that_leave_a_choice(preset, channels, hidden):
    # b0, the convolution's bias and the norm's arrays may all have one element.
    report = npcbam.check(torch_blocks.BLOCKS[preset](channels, hidden))
    assert report.verdict != "wrong", str(report)


@pytest.mark.parametrize("residual", [False, True])
def test_a_bias_that_may_be_the_convolutions_or_the_mlps(residual):
    # With one channel, in parallel, both are added to one logit: one role makes a mistake of it.
    cbam = CBAM.init(0, 1, 1, 3, "seed")
    report = npcbam.check(replace(cbam, order="parallel", residual=residual))
    assert report.verdict == "variant", str(report)


def assert_no_false_alarm(data):
    preset = data.draw(st.sampled_from(sorted(PRESETS)))
    hidden, factor = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 9))
    cbam = CBAM.init(0, hidden * factor, factor, data.draw(st.sampled_from([3, 7])), preset)
    cbam = replace(
        cbam,
        order=data.draw(st.sampled_from(["channel-first", "spatial-first", "parallel"])),
        residual=data.draw(st.booleans()),
    )
    rule = st.sampled_from(OF_LAYERS)
    cbam = with_maxima(cbam, data.draw(rule), data.draw(rule))
    report = npcbam.check(cbam, seed=data.draw(st.integers(0, 99)))
    assert report.verdict != "wrong", str(report)


@given(st.data())
@settings(max_examples=5, deadline=None)
def test_no_false_alarm(data):
    assert_no_false_alarm(data)


@pytest.mark.second_tier
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_false_alarm_in_many(data):
    assert_no_false_alarm(data)


def test_ties_are_settled_in_either_gate():
    def ties(block):
        rows = npcbam.check(block, channels=32).conventions
        return next(row.value for row in rows if row.axis == "ties")

    assert ties(base.MixedTies) == "even+first"
    assert ties(base.Right) == "first"


# Wrong ones ---------------------------------------------------------------------------------


def test_evidence_stands_beside_the_block_put_right():
    report = npcbam.check(channel_gates.TwoSigmoids, channels=32)
    seen = report.findings[0].evidence
    params, x, _ = case(channel_gates.TwoSigmoids, seen["input"], channels=32)
    index = tuple(seen["index"])
    for cls, value in ((channel_gates.TwoSigmoids, "got"), (base.Right, "expected")):
        block = cls(32).double().eval()
        block.load_state_dict({name: torch.tensor(v) for name, v in params.items()})
        assert abs(block(torch.tensor(x))[index].item() - seen[value]) < 1e-12
    assert seen["times"] > 1e6


def test_the_snippet_replays_it(capsys):
    finding = npcbam.check(f"{channel_gates.__file__}:TwoSigmoids", channels=32).findings[0]
    exec(finding.snippet, {})
    assert f"{finding.evidence['got']:.4f}" in capsys.readouterr().out


@pytest.mark.parametrize("number", [1e-3, -1e-6])
@pytest.mark.parametrize("dtype", first(1, [None, "float32"]))
def test_a_constant_that_is_added_is_named(number, dtype):
    class Added(base.Right):
        def forward(self, x):
            return super().forward(x) + number

    report = npcbam.check(Added, channels=32, dtype=dtype)
    assert told(report) == [("compose", "constant-added")], str(report)
    assert report.findings[0].message == f"{number:.3g} is added to every entry of y"


def test_an_array_without_effect_has_no_gradient():
    def moved(params, x):
        y, pullback = examples.right(params, x)

        def moved_pullback(dy):
            dparams, dx = pullback(dy)
            return dparams | {"extra": np.ones(5)}, dx

        return y, moved_pullback

    report = npcbam.check(moved, parameters=examples.init(32) | {"extra": np.ones(5)})
    assert told(report) == [("gradient", "gradient-of-dead")]
    assert {row.tensor for row in report.rows if not row.ok} == {"d extra"}


def test_an_array_without_effect_is_noted():
    report = npcbam.check(base.DeadWeight, channels=32)
    assert "unused has no effect on y" in {f.message for f in report.findings}
    assert report.verdict == "faithful"


def test_ties_alone_tell():
    for block in (tied.EveryTieTakesAll, tied.LastTie):
        bad = {row.input for row in npcbam.check(block, channels=32).rows if not row.ok}
        assert bad == {"ties"}


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (nn.Conv2d(4, 4, 3), "no two of its parameters can be W0 (C/r, C) and W1 (C, C/r): it has"),
        (nn.ReLU(), "it has no parameters, where a CBAM has at least W0 (C/r, C) and W1 (C, C/r)"),
        (nn.Sequential(*(nn.Linear(2, 2) for _ in range(20))), "it has 40 arrays of parameters"),
        (nn.ParameterDict({"w": torch.zeros(0, 8), "v": torch.zeros(8, 0)}), "has no unit, v is"),
        (nn.Sequential(nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)), ""),
        (nn.Conv2d(4, 4, 1), ""),
    ],
)
def test_what_is_no_cbam(candidate, reason):
    report = npcbam.check(candidate)
    assert report.verdict == "wrong"
    assert reason in report.findings[0].message


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
    seen = {row.axis: row.value for row in report.conventions}
    assert seen["planes"] == "avg+max"
    assert seen["ties"] == ("even" if example is examples.right else "not-seen")


def test_gradients_not_seen():
    def forward_only(params, x):
        return examples.right(params, x)[0]

    report = npcbam.check(forward_only, parameters=examples.init(32), expect="paper")
    assert report.ok
    assert "Gradients were not seen." in str(report)


# What the check does to its candidate -------------------------------------------------------


@pytest.mark.parametrize("dtype", [None, "float64", "float32"])
def test_a_backward_that_fails_on_some_inputs_is_said_at_any_precision(dtype):
    def block(params, x):
        y, pullback = examples.right(params, x)

        def block_pullback(dy):
            if len(x) == 1:
                raise ValueError("one sample")
            return pullback(dy)

        return y, block_pullback

    report = npcbam.check(block, channels=32, parameters=examples.init(32), dtype=dtype)
    assert told(report) == [("gradient", "backward-fails")]


@pytest.mark.parametrize(
    ("fails", "code"), [("forward", "fails-on-input"), ("vjp", "backward-fails")]
)
def test_what_fails_at_the_lower_precision_alone_is_said(fails, code):
    candidate = adapt(CBAM.init(0, 32), 32)
    kind = type(candidate)

    def picky(self, params, x, *dy):
        if self.dtype == "float32" and len(x) == 1:
            raise ValueError("one sample")
        return getattr(kind, fails)(self, params, x, *dy)

    candidate.__class__ = type("Picky", (kind,), {fails: picky})
    found = judge(candidate, Question(32, dtype="float32")).findings
    assert code in {finding.code for finding in found}


def test_the_candidate_is_not_touched():
    block = behaviours.InPlace(32)
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
    block = torch_blocks.Official(8, 2)
    nn.init.zeros_(block.SpatialGate.spatial.bn.weight)
    assert npcbam.check(block, expect="official").ok

    class NormForgotten(torch_blocks.OfficialConv):
        def forward(self, planes):
            return self.bn(0 * self.conv(planes))

    block.SpatialGate.spatial = NormForgotten(7, 2)
    nn.init.zeros_(block.SpatialGate.spatial.bn.weight)
    assert npcbam.check(block).verdict == "wrong"


def test_seed_repeats():
    one, two, other = (
        npcbam.check(channel_gates.TwoSigmoids, channels=32, seed=s) for s in (1, 1, 2)
    )
    assert one.rows == two.rows != other.rows


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
    assert "dx: expected shape (3, 32, 7, 5), got (3, 32, 1, 5)" in report.findings[0].message


def test_what_it_prints_is_kept_out_and_progress_is_not(capsys):
    class Prints(base.Right):
        def __init__(self, channels):
            print("built")
            super().__init__(channels)

        def forward(self, x):
            print("shape", tuple(x.shape))
            return super().forward(x)

    report = npcbam.check(Prints, channels=32, progress=print)
    assert "prints" in {finding.code for finding in report.findings}
    assert report.verdict == "faithful"
    out = capsys.readouterr().out
    assert "loading it and running it once\n" in out
    assert "comparing what it gave\n" in out
    assert "shape" not in out
    assert "built" not in out


# Asked for, and errors ----------------------------------------------------------------------


def test_assert_faithful():
    assert_faithful(base.Right, channels=32)
    assert_faithful(compositions.AddedBack, channels=32, expect="residual=yes")
    with pytest.raises(AssertionError, match="each branch has its own sigmoid"):
        assert_faithful(channel_gates.TwoSigmoids, channels=32)


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        ({"channels": 0}, ValueError, "channels: expected at least 1, got 0"),
        ({"channels": 2.0}, TypeError, "channels: expected an integer, got 2.0"),
        ({"seed": -1}, ValueError, "seed: expected a seed of at least 0, got -1"),
        ({"expect": "right"}, ValueError, "expect: expected 'faithful', 'paper', "),
        ({"stage": "half"}, ValueError, "stage: expected 'whole', 'channel' or 'spatial', got"),
        ({"dtype": "float8"}, ValueError, "dtype: expected 'float64', 'float32', 'float16' or "),
        ({"expect": "colour=red"}, ValueError, "expect: expected 'faithful', 'paper', "),
    ],
)
def test_bad_arguments(bad, kind, message):
    with pytest.raises(kind) as caught:
        npcbam.check(base.Right, **bad)
    assert str(caught.value).startswith(message)


def test_check_is_the_function():
    assert callable(npcbam.check)
    assert npcbam.check is sys.modules["npcbam.oracle.check"].check
