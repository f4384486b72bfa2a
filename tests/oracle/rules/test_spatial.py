"""The spatial gate by its axes, beside the layer, and beside the lines that each rule shows."""

import itertools

import numpy as np
import pytest

from npcbam import SpatialAttention
from npcbam.conv import Conv
from npcbam.norm import BatchNorm
from npcbam.oracle.rules.block import SPATIAL_STAGE
from npcbam.oracle.rules.channel import CHANNEL_PAPER, channel_map
from npcbam.oracle.rules.lines import CHANNELS, candidate
from npcbam.oracle.rules.rule import counted
from npcbam.oracle.rules.spatial import RULES, SPATIAL_PAPER, spatial_map

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, CHANNELS, 8, 6))
BY_CODE = {rule.code: rule for rule in RULES}
# Its lines divide by 4.
SETS = {"spatial-temperature": [{"factor": 0.25}]}
# No axes say what they do.
FOUND_OTHERWISE = {
    *("more-planes", "spatial-reads-channels", "spatial-reads-far", "spatial-unknown"),
    *("kernel-size", "kernels-apart"),
}


def drawn(parameters):
    return {
        name: RNG.uniform(-0.5, 0.5, value.shape) + (name == "var")
        for name, value in parameters.items()
    }


def test_the_paper_is_the_layer():
    k, gamma, beta, mean = RNG.normal(size=(1, 2, 7, 7)), *RNG.normal(size=(3, 1))
    var = np.array([0.3])
    norm = BatchNorm(gamma, beta, mean, var, 1e-5)
    want = SpatialAttention(Conv(k), norm=norm)(X)
    weights = {"k": k, "gamma": gamma, "beta": beta, "mean": mean, "var": var}
    np.testing.assert_allclose(spatial_map(SPATIAL_PAPER, weights, X), want, rtol=1e-13)
    without = spatial_map(SPATIAL_PAPER, {"k": k}, X)
    np.testing.assert_allclose(without, SpatialAttention(Conv(k))(X), rtol=1e-13)


@pytest.mark.parametrize("code", [code for code in BY_CODE if code not in FOUND_OTHERWISE])
@pytest.mark.parametrize("which", ["bad", "fix"])
def test_the_lines_compute_what_the_axes_say(code, which):
    rule = BY_CODE[code]
    f, parameters = candidate(rule, which)
    weights = drawn(parameters)
    features = channel_map(CHANNEL_PAPER, weights, X) * X
    several = SETS.get(code, [each.sets for each in counted([rule])])
    several = several if which == "bad" else [{}]
    y = f(weights, X)
    want = [
        spatial_map({**SPATIAL_PAPER, **sets}, weights, features) * features for sets in several
    ]
    assert min(abs(y - each).max() for each in want) < 1e-12


def test_the_number_of_a_rule_is_said_and_set():
    shifted = counted([BY_CODE["spatial-shifted"]])
    assert [rule.sets for rule in shifted] == [{"offset": n} for n in (1, -1, 2, -2, 3, -3)]
    assert shifted[3].sentence.startswith("the map is shifted by -2 along each axis: ")
    eps = counted([BY_CODE["spatial-eps"]])[0]
    assert (eps.sets, eps.sentence) == ({"eps": 1e-3}, "the norm has eps 0.001")


@pytest.mark.parametrize("offset", [-3, -1, 2])
def test_a_shifted_map_is_the_map_some_positions_on(offset):
    k = np.zeros((1, 2, 7, 7))
    k[0, 0, 3, 3] = 1
    axes = {**SPATIAL_PAPER, "offset": offset}
    seen, want = spatial_map(axes, {"k": k}, X), spatial_map(SPATIAL_PAPER, {"k": k}, X)
    rows, columns = (range(max(0, offset), n + min(0, offset)) for n in X.shape[2:])
    for i, j in itertools.product(rows, columns):
        np.testing.assert_allclose(seen[..., i, j], want[..., i - offset, j - offset], rtol=1e-14)


@pytest.mark.parametrize("code", ["spatial-one-number", "spatial-max-number", "spatial-softmax"])
def test_what_the_positions_share(code):
    axes = {**SPATIAL_PAPER, **BY_CODE[code].sets}
    ms = spatial_map(axes, {"k": RNG.normal(size=(1, 2, 7, 7))}, X)
    if code == "spatial-softmax":
        np.testing.assert_allclose(ms.sum((1, 2, 3)), 1, rtol=1e-14)
    else:
        assert ms.shape == (3, 1, 8, 6)
        assert not np.ptp(ms, axis=(2, 3)).any()


def test_rows_and_codes_of_old():
    assert {rule.code for rule in SPATIAL_STAGE.rules} >= {"spatial-shifted", "spatial-eps"}
    codes = [*BY_CODE, *(code for rule in RULES for code in rule.was)]
    assert len(codes) == len(set(codes))
    assert SPATIAL_STAGE.rules[0].code == "spatial-paper"
