"""Right blocks written in other ways than most: their conventions are read off all the same."""

import pytest
from planted import base
from planted.base import Right
from planted.spellings import Hidden, OtherEps, TinyEps, Unfolded
from planted.tied import (
    ByHalves,
    ByHalvesEven,
    InTurnByTwoRules,
    LastOfTheChannels,
    MaximaInTurn,
    Sorted,
    TopOne,
)
from tiers import first

from npcbam import check
from npcbam.oracle import case


@pytest.mark.parametrize(("block", "eps"), [(OtherEps, "2.5e-05"), (TinyEps, "1e-08")])
def test_eps_is_read_off(block, eps):
    assert {row.axis: row.value for row in check(block).conventions}["eps"] == eps


def test_a_kernel_is_drawn_alike_in_any_shape():
    """Its taps are summed: as large as a bias they would saturate the gate."""
    flat, usual = (case(block(32), "noise", channels=32)[0] for block in (Unfolded, Right))
    largest = 3 / 98**0.5
    assert 0 < abs(flat["conv"]).max() <= largest
    assert 0 < abs(usual["conv.weight"]).max() <= largest


@pytest.mark.parametrize("width", first(1, [1 / 16, 2, 0, 1]))
@pytest.mark.parametrize(
    ("x_w0", "x_w1"), [(False, False), (True, True), (False, True), (True, False)]
)
def test_any_width_stored_either_way(width, x_w0, x_w1):
    report = check(Hidden(32, width, x_w0, x_w1), channels=8)
    assert report.verdict == "faithful", report
    assert f"{max(int(32 * width), 1)} of 32" in {row.value for row in report.conventions}


@pytest.mark.parametrize(
    ("axes", "channel", "spatial", "ties"),
    first(
        3,
        [
            ((2, 2), "even", "first", "even-in-turn+first"),
            ((3, 2), "even", "first", "even-in-turn-from-last+first"),
            ((2, 2), "first", "even", "first-in-turn+even"),
            ((2, 2), "even", "even", "even-in-turn+even"),
            ((2, 2), "first", "first", "first-in-turn+first"),
            ((3, 2), "first", "first", "first"),
            ((3, 2), "first", "even", "first+even"),
        ],
    ),
)
def test_the_rule_of_maxima_in_turn_is_named(axes, channel, spatial, ties):
    block = MaximaInTurn(32, axes, channel, spatial)
    report = check(block, expect=f"ties={ties}")
    assert (report.verdict, report.ok, report.findings) == ("faithful", True, ()), report
    assert "ties" in {row.axis for row in report.conventions}
    assert not check(block, expect="ties=even").ok


@pytest.mark.parametrize("dtype", first(1, ["bfloat16", "float32", "float16"]))
def test_the_rule_is_followed_at_low_precision(dtype):
    # Rounding makes ties on all inputs, and other maxima of some.
    in_turn = (MaximaInTurn(32, channel=rule) for rule in ("even", "first"))
    for block in (*in_turn, base.MixedTies(32)):
        report = check(block, dtype=dtype)
        assert report.verdict == "faithful", report


@pytest.mark.parametrize(
    ("block", "ties"),
    first(
        2,
        [
            (TopOne, "other+first"),
            (ByHalvesEven, "other+even"),
            (Sorted, "other+first"),
            (InTurnByTwoRules, "other+first"),
            (ByHalves, "other+first"),
        ],
    ),
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
