"""Readings and their identification: no two readings agree, and each is found again."""

import itertools

import numpy as np
import pytest

from npcbam import CBAM, tree
from npcbam.oracle.battery import battery, cotangent
from npcbam.oracle.hypotheses import conventions, departures, presets_of, readings, tie_rules
from npcbam.oracle.identify import identify, settle_ties
from npcbam.oracle.report import TOLERANCE, gaps
from npcbam.oracle.roles import assignments
from npcbam.presets import PRESETS

RNG = np.random.default_rng(0)
INPUTS = {each.name: each.x for each in battery(RNG, 16)}


def weights(preset, seed=0):
    """Return the leaves of a CBAM, all redrawn."""
    rng = np.random.default_rng(seed)
    leaves = dict(tree.leaves(CBAM.init(0, 16, 4, preset=preset)))
    return {path: rng.uniform(0.2, 0.8, leaf.shape) - 0.4 * (leaf.ndim > 1)
            for path, leaf in leaves.items()}  # fmt: skip


@pytest.mark.parametrize("preset", ["paper", "official", "timm_light", "se"])
def test_no_two_readings_agree(preset):
    found = readings(weights(preset))
    outputs = [reading(INPUTS["noise"]) for reading in found]
    for one, two in itertools.combinations(outputs, 2):
        assert gaps(one, two).max() > 1e3 * TOLERANCE


@pytest.mark.parametrize("preset", ["paper", "official", "timm_light", "se"])
def test_every_reading_is_identified(preset):
    found = weights(preset)
    buffers = {k: v for k, v in found.items() if k.endswith(("mean", "var"))}
    parameters = {k: v for k, v in found.items() if k not in buffers}
    known = assignments(parameters, buffers)
    for reading in readings(found)[::3]:
        seen = [(x, reading(x)) for x in INPUTS.values()]
        same = identify(known, found, seen, "faithful").reading
        assert departures(same) == departures(reading)
        assert conventions(same, True) == conventions(reading, True)


@pytest.mark.parametrize("preset", ["paper", "official", "timm_light", "se"])
def test_tie_rules_are_told_apart(preset):
    # An average has no ties, and the maximum of one gate alone those of that gate.
    x = INPUTS["ties"]
    dy = cotangent(RNG, x.shape)
    for reading in readings(weights(preset))[::5]:
        gradients = {}
        for rule in tie_rules(reading):
            dx = rule.vjp(x)[1](dy)[1]
            gradients.setdefault(conventions(rule, True)["ties"], []).append(dx)
            found = settle_ties(reading, x, dy, dx)
            assert conventions(found, True)["ties"] == conventions(rule, True)["ties"]
        for one, two in itertools.combinations(gradients.values(), 2):
            assert gaps(one[0], two[0]).max() > 1e3 * TOLERANCE


def test_the_nearest_to_the_paper_comes_first():
    found = readings(weights("paper"))
    assert departures(found[0]) == []
    counts = [len(departures(reading)) for reading in found]
    assert counts == sorted(counts)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_recognised(preset):
    cbam = CBAM.init(0, 16, preset=preset)
    assert presets_of(cbam, ties=True) == [preset]
    assert preset in presets_of(cbam, ties=False)


def test_conventions_by_hand():
    assert conventions(CBAM.init(0, 16, preset="official"), True) == {
        "hidden units": "1 of 16 channels",
        "MLP biases": "b0 and b1",
        "planes": "[max, avg]",
        "convolution bias": "none",
        "spatial norm": "eps 1e-05",
        "ties": "first",
    }
    se = conventions(CBAM.init(0, 16, preset="se"), True)
    assert se == {"hidden units": "1 of 16 channels", "MLP biases": "none", "ties": "no maximum"}
