"""What --expect may ask for, and what meets it."""

import pytest
from planted import base, compositions
from tiers import first

import npcbam
from npcbam.oracle.rules.conventions import AXES, asked, preset_axes, presets_of, unmet
from npcbam.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_asks_for_values_that_are_known(preset):
    axes = preset_axes(preset)
    assert asked(preset) == axes
    assert asked(",".join(f"{axis}={value}" for axis, value in axes.items())) == axes


@pytest.mark.parametrize("block", first(1, [base.PlainNorm, base.Right, compositions.Parallel]))
def test_every_row_of_a_report_can_be_asked_for(block):
    report = npcbam.check(block, channels=32)
    pairs = {row.axis: row.value for row in report.conventions}
    assert asked(", ".join(f"{axis} = {value}" for axis, value in pairs.items())) == pairs
    spelled = ",".join(f"{axis}={value}" for axis, value in pairs.items())
    assert npcbam.check(block, channels=32, expect=spelled).ok


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("right", "expect: expected 'faithful', 'paper', "),
        ("", "expect: expected 'faithful', 'paper', "),
        ("colour=red", "of the axes order, residual, channel-pools, "),
        ("residual=yes,colour=red", "of the axes order, residual, "),
        ("residual", "expect: residual: expected no, yes, got ''"),
        ("residual=maybe", "expect: residual: expected no, yes, got 'maybe'"),
        ("order=last", "expect: order: expected channel-first, spatial-first, parallel, "),
        ("channel-pools=least", "expect: channel-pools: expected avg+max, avg, max, "),
        ("channel-merge=none", "expect: channel-merge: expected logits, mean, "),
        ("planes=min", "expect: planes: expected avg+max, max+avg, blend, "),
        ("kernel=big", "expect: kernel: expected sizes, such as 7x7, got 'big'"),
        ("hidden=4", "expect: hidden: expected units of channels, such as '4 of 64', got '4'"),
        ("eps=small", "expect: eps: expected a number, such as 1e-05, got 'small'"),
        ("ties=last", "expect: ties: expected first, even, "),
    ],
)
def test_what_is_not_known(expect, said):
    with pytest.raises(ValueError, match=r"^expect: ") as caught:
        asked(expect)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_can_be_told_of_a_half():
    rows = npcbam.check(base.Right, channels=32).conventions
    assert all(row.is_of("whole") for row in rows)
    channel = {row.axis for row in rows if row.is_of("channel")}
    spatial = {row.axis for row in rows if row.is_of("spatial")}
    assert channel & spatial == {"residual", "ties", "layout"}
    assert channel | spatial == AXES.keys() - {"order", "eps"}


def test_a_preset_without_a_spatial_gate_is_none_of_a_spatial_half():
    rows = npcbam.check(base.Right, channels=32).conventions
    spatial = [row for row in rows if row.is_of("spatial")]
    assert unmet(spatial, "se", "spatial") == ["there is a spatial gate, and `se` has none"]
    assert "se" not in presets_of(spatial, "spatial")
    assert "paper" in presets_of(spatial, "spatial")
    assert unmet(spatial, "kernel=7x7", "spatial") == []


def test_channels_last_is_a_convention():
    import numpy as np

    from npcbam.oracle import examples

    def last(params, x):
        y, pullback = examples.right(params, np.moveaxis(x, -1, 1))
        return np.moveaxis(y, 1, -1), lambda dy: (
            pullback(np.moveaxis(dy, -1, 1))[0],
            np.moveaxis(pullback(np.moveaxis(dy, -1, 1))[1], 1, -1),
        )

    how = {"parameters": examples.init(32), "channels": 32}
    report = npcbam.check(last, expect="layout=NHWC", **how)
    assert report.ok, str(report)
    assert "layout         NHWC           open           NCHW" in str(report)
    assert not npcbam.check(last, expect="layout=NCHW", **how).ok
