"""Identification: every rule, and pairs of rules in different stages, are found again."""

import numpy as np
import pytest
from drawn_weights import KERNELS, MLPS, X, weights_for

from npcbam.oracle.identification.identify import identify
from npcbam.oracle.identification.reading import Reading
from npcbam.oracle.rules.block import (
    CBAM,
    CHANNEL_HALF,
    CHANNEL_ONLY,
    CHANNEL_STAGE,
    SPATIAL_HALF,
    SPATIAL_STAGE,
)

PAPER = {stage.name: stage.way(stage.rules[0]) for stage in CBAM.stages}
FIRST = CBAM.compositions[0]
PLAIN = MLPS["shared"] | KERNELS["two planes, norm"]
# Of one gate alone these are the same.
ALIKE = {"subtracted"}


def found(ways, composition=FIRST, weights=PLAIN, block=CBAM):
    """Return the codes of what is found again, and whether x is added."""
    reading = Reading(block, ways, composition)
    again = identify(block, reading.predict, weights, X)
    assert again.known
    rules = [rule for way in again.ways.values() for rule in way.rules]
    codes = {rule.code for rule in rules if not rule.code.endswith("-paper")}
    if again.composition.rule is not block.compositions[0].rule:
        codes.add(again.composition.rule.code)
    return codes, again.residual


def named(way):
    return f"{way.rules[0].code}-{'-'.join(map(str, way.rules[0].sets.values()))}"


# Planted blocks and the lines of the rules have each rule in the first tier, by a whole check.


@pytest.mark.second_tier
@pytest.mark.parametrize("way", CHANNEL_STAGE.singly()[1:], ids=named)
def test_rules_of_the_channel_gate(way):
    weights = weights_for(way) | KERNELS["two planes"]
    assert found(PAPER | {"channel": way}, weights=weights) == ({way.rules[0].code}, False)


@pytest.mark.second_tier
@pytest.mark.parametrize("way", SPATIAL_STAGE.singly()[1:], ids=named)
def test_rules_of_the_spatial_gate(way):
    weights = weights_for(way) | MLPS["shared"]
    assert found(PAPER | {"spatial": way}, weights=weights) == ({way.rules[0].code}, False)


@pytest.mark.second_tier
@pytest.mark.parametrize(
    "composition", CBAM.compositions, ids=lambda c: f"{c.rule.code}-{c.residual}"
)
def test_compositions(composition):
    codes, residual = found(PAPER, composition)
    assert codes == ({composition.rule.code} if composition.rule is not FIRST.rule else set())
    assert residual == composition.residual


@pytest.mark.parametrize("block", [CHANNEL_HALF, SPATIAL_HALF, CHANNEL_ONLY], ids=lambda b: b.part)
def test_compositions_of_one_gate(block):
    name = block.stages[0].name
    weights = MLPS["shared"] if name == "channel" else KERNELS["two planes, norm"]
    for composition in block.compositions:
        if composition.rule.code not in ALIKE:
            codes, residual = found({name: PAPER[name]}, composition, weights, block)
            first = composition.rule is block.compositions[0].rule
            assert codes == (set() if first else {composition.rule.code})
            assert residual == composition.residual


@pytest.mark.parametrize("seed", range(6))
def test_pairs_of_stages(seed):
    rng = np.random.default_rng(seed)
    ways = {}
    for stage in CBAM.stages:
        known = [way for way in stage.singly()[1:] if way.fits(PLAIN)]
        ways[stage.name] = known[rng.integers(len(known))]
    residual = CBAM.compositions[1]
    assert residual.residual
    codes = {way.rules[0].code for way in ways.values()}
    assert found(ways, residual) == (codes, True)


def test_nothing_known_is_said_so():
    reading = identify(CBAM, lambda weights, x: np.cos(x), PLAIN, X)
    assert not reading.known
    assert not identify(CBAM, lambda weights, x: x * np.nan, PLAIN, X).known
