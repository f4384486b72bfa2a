"""The tables: each row on complex numbers, and no two rows that agree where both apply."""

import itertools

import numpy as np
import pytest
from drawn_weights import KERNELS, MLPS, NO_EPS, RNG, SHARED, C, X, outputs

from npcbam.oracle.identification.reading import choices, fits_weights, stages
from npcbam.oracle.precision import CLOSE
from npcbam.oracle.rules import CHANNEL, CHANNEL_PAPER, COMPOSE, SPATIAL, SPATIAL_PAPER
from npcbam.slopes import STEP


def assert_all_apart(found):
    for (one, a), (two, b) in itertools.combinations(found.items(), 2):
        if (one, two) == NO_EPS:
            continue
        scale = max(abs(a).max(), abs(b).max())
        gap = abs(a - b).max() / scale
        assert gap > 100 * CLOSE["float64"], (one, two)


@pytest.mark.parametrize("mlps", MLPS)
def test_no_two_channel_rows_agree(mlps):
    found = outputs(CHANNEL, CHANNEL_PAPER, MLPS[mlps] | KERNELS["two planes"])
    assert found
    assert_all_apart(found)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_two_spatial_rows_agree(kernel):
    found = outputs(SPATIAL, SPATIAL_PAPER, SHARED | KERNELS[kernel])
    assert len(found) > 1
    assert_all_apart(found)


def test_an_eps_shows_where_the_variance_is_0():
    weights = SHARED | KERNELS["two planes, norm"] | {key: np.zeros(1) for key in ("mean", "var")}
    weights |= {"k": 0 * weights["k"], "kb": np.zeros(1)}
    found = outputs(SPATIAL, SPATIAL_PAPER, weights)
    finite = {code for code, ms in found.items() if np.isfinite(ms).all()}
    assert set(found) - finite == {"spatial-no-eps"}


def allowed(table, paper, weights):
    """Return the pairs of rows that these weights allow."""
    rows = [c.rows[0].code for c in choices(table, paper, pairs=False) if fits_weights(c, weights)]
    return set(itertools.combinations(rows, 2))


def test_no_pair_is_left_out():
    # All pairs that any weights allow at all; the others are told apart by their weights.
    two, bias, norm = np.zeros((1, 2, 3, 3)), {"b1": np.zeros(C)}, {"mean": np.zeros(1)}
    mlps = [m | b for m in MLPS.values() for b in ({}, bias)]
    kernels = [{"k": k} | n for k in (two, two[:, :1]) for n in ({}, norm)]
    every = set().union(*(allowed(CHANNEL, CHANNEL_PAPER, m | {"k": two}) for m in mlps))
    seen = set().union(*(allowed(CHANNEL, CHANNEL_PAPER, m | {"k": two}) for m in MLPS.values()))
    assert seen == every
    every = set().union(*(allowed(SPATIAL, SPATIAL_PAPER, SHARED | k) for k in kernels))
    seen = set().union(*(allowed(SPATIAL, SPATIAL_PAPER, SHARED | k) for k in KERNELS.values()))
    assert seen == every
    assert {c for pair in every for c in pair} == {row.code for row in SPATIAL}


def composed(x):
    s = stages(CHANNEL_PAPER, SPATIAL_PAPER, SHARED | KERNELS["two planes"])
    return {name: row[2](x, s) for name, row in COMPOSE.items()}


# The same function, told apart by whether there is a kernel.
TWINS = {
    ("channel-only", "spatial-not-applied"),
    ("channel-only-residual", "spatial-not-applied-residual"),
}


def test_no_two_compositions_agree():
    found = composed(X)
    for (one, a), (two, b) in itertools.combinations(found.items(), 2):
        gap = abs(a - b).max() / max(abs(a).max(), abs(b).max())
        assert (gap < 1e-15) if (one, two) in TWINS else (gap > 100 * CLOSE["float64"]), (one, two)


@pytest.mark.parametrize("table", [CHANNEL, SPATIAL])
def test_rows_run_on_complex_numbers(table):
    paper = CHANNEL_PAPER if table is CHANNEL else SPATIAL_PAPER
    v, h = RNG.normal(size=X.shape), 1e-6
    for mlps, kernel in itertools.product(MLPS, KERNELS):
        weights = {k: w + 0j for k, w in (MLPS[mlps] | KERNELS[kernel]).items()}
        for choice in choices(table, paper, pairs=False):
            if mlps != "shared" and table is SPATIAL:
                continue
            if not fits_weights(choice, weights) or (kernel != "two planes" and table is CHANNEL):
                continue

            def run(x, choice=choice, weights=weights):
                pair = (CHANNEL_PAPER, choice.axes)
                pair = (choice.axes, SPATIAL_PAPER) if table is CHANNEL else pair
                s = stages(*pair, weights)
                return (s.mc if table is CHANNEL else s.ms)(x)

            step = run(X + 1j * STEP * v).imag / STEP
            difference = (run(X + h * v + 0j) - run(X - h * v + 0j)).real / (2 * h)
            scale = abs(difference).max()
            assert np.median(abs(step - difference)) <= 1e-6 * max(scale, 1e-3), choice.rows[0].code


def test_sentences_and_axes():
    rows = [*CHANNEL, *SPATIAL]
    said = [row.message for row in rows] + [message for _, message, _ in COMPOSE.values()]
    assert all(text.isascii() and not text.endswith(".") for text in said)
    for row in rows:
        assert set(row.sets) <= set(CHANNEL_PAPER if row in CHANNEL else SPATIAL_PAPER)
