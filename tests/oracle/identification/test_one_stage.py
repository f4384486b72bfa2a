"""One stage alone: no formula is tried twice, and a search in vain ends soon."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_weights import KERNELS, MLPS, X
from planted import compositions

import npcbam
from npcbam.oracle.identification.one_stage import Effort, look
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules import block
from npcbam.oracle.rules.block import CBAM, CHANNEL_STAGE, SPATIAL_STAGE

WEIGHTS = MLPS["shared"] | KERNELS["two planes"]
COMPOSITIONS = {(c.rule.code, c.residual): c for c in CBAM.compositions}


def alone(stage, code="channel-first", residual=False):
    """Return what a right block in a composition gives with one stage alone."""
    ways = {each.name: each.way(each.rules[0]) for each in CBAM.stages}
    reading = Reading(CBAM, ways, COMPOSITIONS[code, residual])
    found = look(CBAM, reading.predict, WEIGHTS, X, 1e-9)
    return next(each for each in found if each.stage is stage)


def fresh(each, codes, numbers, known):
    effort = Effort(tuple(COMPOSITIONS[code, False] for code in codes), numbers)
    return [(c.rule.code, found) for c, found in each._fresh(effort, known)]


def test_what_comes_to_the_same_is_tried_once():
    known, channel = set(), alone(CHANNEL_STAGE)
    names = ("channel-first", "spatial-reads-input", "parallel")
    assert fresh(channel, names, (0.5, 1.0), known) == [
        ("channel-first", [0.5, 1.0]),
        ("parallel", [0.5]),
    ]
    assert fresh(channel, names, (1.0, 2.0), known) == [("channel-first", [2.0])]
    # Logits are none of the map's, and a map of F' is none of x.
    assert fresh(alone(SPATIAL_STAGE), names[:2], (0.5, 1.0), set()) == [
        ("channel-first", [0.5, 1.0]),
        ("spatial-reads-input", [0.5]),
    ]


@pytest.mark.parametrize(
    ("code", "residual"),
    [("channel-first", False), ("channel-first", True), ("channel-features-squared", False)],
)
def test_the_rule_is_found_with_its_composition(code, residual):
    seen = alone(CHANNEL_STAGE, code, residual)
    effort = Effort((COMPOSITIONS[code, residual],), (0.5,))
    fits = [*seen.explained(CHANNEL_STAGE.singly(), effort, set())]
    assert [fit.way.rules[0].code for fit in fits] == ["channel-paper"]
    assert fits[0].within(COMPOSITIONS[code, residual])
    assert sum(map(fits[0].within, CBAM.compositions)) < len(CBAM.compositions) / 2


def test_a_search_in_vain_ends_soon(monkeypatch):
    """It takes 11,000 maps; were every rule tried beside every other one, it would be 60,000."""
    maps = 0

    def counted(f):
        def counting(*args):
            nonlocal maps
            maps += 1
            return f(*args)

        return counting

    stages = [replace(stage, gate=counted(stage.gate)) for stage in CBAM.stages]
    monkeypatch.setitem(block.BLOCKS, "whole", replace(CBAM, stages=tuple(stages)))
    report = npcbam.check(compositions.LearnedAlpha, channels=16)
    assert "spatial-unknown" in [f.code for f in report.findings]
    assert 1000 < maps < 13_000


def excited(activation, gate=np.tanh):
    """Return a block of squeeze and excitation, which has a channel gate alone."""

    def f(params, x):
        z = activation(x.mean((2, 3)) @ params["w0"].T) @ params["w1"].T
        return x * gate(z)[:, :, None, None]

    return f


def relu(z):
    return np.maximum(z, 0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


MISTAKES = {
    "channel-tanh": excited(relu),
    "channel-linear": excited(lambda h: h, sigmoid),
    "channel-relu6": excited(lambda h: np.clip(h, 0, 6), sigmoid),
    "channel-tanh-hidden": excited(np.tanh, sigmoid),
    "channel-sigmoid-hidden": excited(sigmoid, sigmoid),
    "channel-no-sigmoid": excited(relu, lambda z: z),
    "channel-sigmoid-twice": excited(relu, lambda z: sigmoid(sigmoid(z))),
    "channel-clamp": excited(relu, lambda z: np.clip(z, 0, 1)),
    "channel-doubled": excited(relu, lambda z: 2 * sigmoid(z)),
    "channel-relu-after": excited(relu, lambda z: sigmoid(relu(z))),
}


# Several of SE's in its one stage, with the number that is said.
AT_ONCE = {
    "channel-tanh channel-relu6": (excited(lambda h: np.clip(h, 0, 6)), ""),
    "channel-tanh channel-leaky-relu": (excited(lambda h: np.where(h > 0, h, 0.07 * h)), "(0.07)"),
    "channel-doubled channel-leaky-relu": (
        excited(lambda h: np.where(h > 0, h, 0.3 * h), lambda z: 2 * sigmoid(z)), "(0.3)"),
    "channel-hardsigmoid channel-temperature": (
        excited(relu, lambda z: np.clip(0.3 * z + 3, 0, 6) / 6), "by 0.3 "),
}  # fmt: skip


@pytest.mark.parametrize("codes", AT_ONCE)
def test_two_mistakes_where_the_other_gate_is_not_there(codes):
    arrays = {"w0": np.ones((4, 32)), "w1": np.ones((32, 4))}
    f, number = AT_ONCE[codes]
    found = npcbam.check(f, parameters=arrays, channels=32, expect="se").findings
    told = {each.code: each.message for each in found if each.status != "note"}
    assert {*told} == {*codes.split(), "channel-avg-only", "channel-only"}
    assert number in told[codes.split()[1]]


# What SE may pool in place of the average, (N, C) of x.
POOLED = {
    "channel-sum-for-avg": lambda x: x.sum((2, 3)),
    "channel-std-for-avg": lambda x: x.std((2, 3)),
    "channel-min-for-avg": lambda x: x.min((2, 3)),
    "channel-median-for-avg": lambda x: np.median(x, (2, 3)),
    "channel-square-for-avg": lambda x: (x * x).mean((2, 3)),
    "channel-abs-max": lambda x: abs(x).max((2, 3)),
    "channel-max-from-zero": lambda x: np.maximum(x.max((2, 3)), 0),
}


@pytest.mark.parametrize("code", POOLED)
def test_what_se_pools(code):
    def f(params, x):
        z = relu(POOLED[code](x) @ params["w0"].T) @ params["w1"].T
        return x / (1 + np.exp(-z))[:, :, None, None]

    arrays = {"w0": np.ones((4, 32)), "w1": np.ones((32, 4))}
    with np.errstate(over="ignore"):
        found = npcbam.check(f, parameters=arrays, channels=32, expect="se").findings
    assert [each.code for each in found if each.status != "note"] == [code, "channel-only"]


@pytest.mark.parametrize("code", MISTAKES)
def test_one_mistake_where_the_other_gate_is_not_there(code):
    arrays = {"w0": np.ones((4, 32)), "w1": np.ones((32, 4))}
    found = npcbam.check(MISTAKES[code], parameters=arrays, channels=32, expect="se").findings
    codes = [each.code for each in found if each.status != "note"]
    assert codes == [code, "channel-avg-only", "channel-only"]


def squeezed(made):
    """Return a block that makes y of x and of its channel map, where that is right."""

    def f(params, x):
        z = relu(x.mean((2, 3)) @ params["w0"].T) @ params["w1"].T
        return made(x, sigmoid(z)[:, :, None, None])

    return f


APPLIED = {
    "channel-gate-squared": squeezed(lambda x, mc: mc * mc * x),
    "channel-map-added": squeezed(lambda x, mc: x + mc),
    "channel-features-squared": squeezed(lambda x, mc: x * x * mc),
    "channel-map-only": squeezed(lambda x, mc: mc),
}


@pytest.mark.parametrize("code", APPLIED)
def test_what_is_done_with_the_map_where_the_other_gate_is_not_there(code):
    arrays = {"w0": np.ones((4, 32)), "w1": np.ones((32, 4))}
    found = npcbam.check(APPLIED[code], parameters=arrays, channels=32, expect="se").findings
    codes = [each.code for each in found if each.status != "note"]
    assert codes == [code, "channel-avg-only"]
