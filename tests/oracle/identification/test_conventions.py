"""How a reading settles each question."""

import numpy as np
import pytest

from npcbam.oracle.identification.conventions import conventions
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules.block import CBAM, CHANNEL_HALF
from npcbam.oracle.rules.stage import Composition

WEIGHTS = {"w0": np.ones((2, 8)), "w1": np.ones((8, 2)), "b0": np.ones(2)}
KERNEL = {"k": np.ones((1, 2, 7, 3)), "mean": np.zeros(1), "var": np.ones(1)}


def way(stage, code):
    return next(way for way in stage.singly() if way.rules[0].code == code)


def values(reading, weights):
    return {row.axis: row.value for row in conventions(reading, weights, "even", "NHWC")}


def test_a_whole_block():
    ways = {stage.name: stage.way(stage.rules[0]) for stage in CBAM.stages}
    reading = Reading(CBAM, ways, Composition(CBAM.compositions[0].rule, True))
    assert values(reading, WEIGHTS | KERNEL) == {
        "order": "channel-first", "residual": "yes", "channel-pools": "avg+max",
        "channel-merge": "logits", "hidden": "2 of 8", "mlp-biases": "b0", "planes": "avg+max",
        "kernel": "7x3", "conv-bias": "no", "norm": "batch", "eps": "1e-05", "ties": "even",
        "layout": "NHWC",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "axis", "value"),
    [
        ("channel-two-sigmoids", "channel-merge", "sigmoids"),
        ("channel-silu", "channel-activation", "silu"),
        ("channel-max-twice", "channel-pools", "max+max"),
    ],
)
def test_what_no_convention_names_has_an_axis_of_its_own(code, axis, value):
    stage = CHANNEL_HALF.stages[0]
    reading = Reading(CHANNEL_HALF, {"channel": way(stage, code)}, CHANNEL_HALF.compositions[0])
    assert values(reading, WEIGHTS)[axis] == value


def test_of_a_half_only_its_own_axes_are_told():
    stage = CHANNEL_HALF.stages[0]
    reading = Reading(CHANNEL_HALF, {"channel": stage.way()}, CHANNEL_HALF.compositions[0])
    found = values(reading, WEIGHTS)
    assert not {"order", "planes", "kernel"} & found.keys()
    assert values(Reading(CBAM, {}), {}) == {"ties": "even", "layout": "NHWC"}
