"""The rules of a stage: each on complex numbers, and no two that agree where both apply."""

import itertools

import numpy as np
import pytest
from drawn_weights import KERNELS, MLPS, NO_EPS, RNG, SHARED, C, X, outputs

from npcbam.oracle.precision import CLOSE
from npcbam.oracle.rules.block import CBAM, CHANNEL_STAGE, SPATIAL_STAGE
from npcbam.slopes import STEP

# The same function, told apart by whether there is a kernel, or by what the weights allow.
TWINS = ({"channel-only", "spatial-not-applied"},)


def assert_all_apart(found):
    for (one, a), (two, b) in itertools.combinations(found, 2):
        if {one, two} != NO_EPS:
            gap = abs(a - b).max() / max(abs(a).max(), abs(b).max())
            assert gap > 100 * CLOSE["float64"], (one, two)


@pytest.mark.parametrize("mlps", MLPS)
def test_no_two_rules_of_the_channel_gate_agree(mlps):
    found = outputs(CHANNEL_STAGE, MLPS[mlps] | KERNELS["two planes"])
    assert found
    assert_all_apart(found)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_two_rules_of_the_spatial_gate_agree(kernel):
    found = outputs(SPATIAL_STAGE, SHARED | KERNELS[kernel])
    assert len(found) > 1
    assert_all_apart(found)


def test_an_eps_shows_where_the_variance_is_0():
    weights = SHARED | KERNELS["two planes, norm"] | {key: np.zeros(1) for key in ("mean", "var")}
    weights |= {"k": 0 * weights["k"], "kb": np.zeros(1)}
    finite = {(code, bool(np.isfinite(ms).all())) for code, ms in outputs(SPATIAL_STAGE, weights)}
    assert {code for code, is_finite in finite if not is_finite} == {"spatial-no-eps"}


def allowed(stage, weights):
    """Return the pairs of ways that these weights allow."""
    fitting = [i for i, way in enumerate(stage.singly()) if way.fits(weights)]
    return set(itertools.combinations(fitting, 2))


def test_no_pair_is_left_out():
    # All pairs that any weights allow at all; the others are told apart by their weights.
    two, bias, norm = np.zeros((1, 2, 3, 3)), {"b1": np.zeros(C)}, {"mean": np.zeros(1)}
    mlps = [m | b for m in MLPS.values() for b in ({}, bias)]
    kernels = [{"k": k} | n for k in (two, two[:, :1]) for n in ({}, norm)]
    every = set().union(*(allowed(CHANNEL_STAGE, m | {"k": two}) for m in mlps))
    seen = set().union(*(allowed(CHANNEL_STAGE, m | {"k": two}) for m in MLPS.values()))
    assert seen == every
    every = set().union(*(allowed(SPATIAL_STAGE, SHARED | k) for k in kernels))
    seen = set().union(*(allowed(SPATIAL_STAGE, SHARED | k) for k in KERNELS.values()))
    assert seen == every
    assert {i for pair in every for i in pair} == set(range(len(SPATIAL_STAGE.rules)))


def test_no_two_compositions_agree():
    weights = SHARED | KERNELS["two planes"]
    gates = {k: g for s in CBAM.stages for k, g in s.way(s.rules[0]).gates(weights).items()}
    maps = CBAM.maps(gates)
    found = [(c, c(X, maps)) for c in CBAM.compositions]
    for (one, a), (two, b) in itertools.combinations(found, 2):
        gap = abs(a - b).max() / max(abs(a).max(), abs(b).max())
        assert gap > 100 * CLOSE["float64"], (one.rule.code, two.rule.code)


@pytest.mark.parametrize("stage", CBAM.stages, ids=lambda stage: stage.name)
def test_rules_run_on_complex_numbers(stage):
    v, h = RNG.normal(size=X.shape), 1e-6
    for mlps, kernel in itertools.product(MLPS, KERNELS):
        weights = {k: w + 0j for k, w in (MLPS[mlps] | KERNELS[kernel]).items()}
        other = kernel != "two planes" if stage is CHANNEL_STAGE else mlps != "shared"
        for way in () if other else stage.singly():
            if not way.fits(weights):
                continue

            def run(x, way=way, weights=weights):
                return stage.map(way.axes, weights, x)

            step = run(X + 1j * STEP * v).imag / STEP
            difference = (run(X + h * v + 0j) - run(X - h * v + 0j)).real / (2 * h)
            scale = abs(difference).max()
            gap = np.median(abs(step - difference))
            assert gap <= 1e-6 * max(scale, 1e-3), way.rules[0].code


def test_axes_are_those_of_the_stage():
    for stage in CBAM.stages:
        for rule in (*stage.rules, *stage.numbered):
            assert set(rule.sets) <= set(stage.paper), rule.code
